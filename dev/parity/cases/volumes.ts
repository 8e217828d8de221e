// SPDX-License-Identifier: Apache-2.0
/** Volumes of every kind that is served, as the container sees them. */
import {
  type CaseObject,
  type PodCase,
  type PodFields,
  type PodStep,
  READY,
} from "../pod_case.ts";
import { server, sh, shell } from "./containers.ts";

/** Lists a folder's files with mode, owner, links and content. */
const LIST = sh(
  `cd /v; find . | while read f; do stat -c '%A %u:%g %n' $f; done | sed -E 's/[.][.][0-9a-f_.]{8,}/..version/' | sort -k3
  find -L . -type f -not -path '*/..*' | sort | while read f; do echo "== $f"; head -c 300 $f; echo; done`,
);
const MOUNT = sh("grep ' /v' /proc/mounts | cut -d' ' -f2,3,4 | sed 's/,.*//'");
const list: PodStep = { as: "files", exec: LIST };
const seen: PodStep[] = [READY, list, { as: "mount", exec: MOUNT }];
const config: CaseObject = {
  kind: "ConfigMap",
  metadata: { name: "files" },
  data: { "a.txt": "alpha", "b.txt": "beta\n" },
  binaryData: { bin: "AAEC/w==" },
};
const secret: CaseObject = {
  kind: "Secret",
  metadata: { name: "files" },
  stringData: { user: "root", password: "open sesame" },
};
const objects = [config, secret];
const withVolume = (
  volume: object,
  mount: object = {},
  fields: Partial<PodFields> = {},
): PodFields => ({
  containers: [
    server({ volumeMounts: [{ name: "v", mountPath: "/v", ...mount }] }),
  ],
  volumes: [{ name: "v", ...volume }],
  ...fields,
});
const projected = (...sources: object[]) => ({ projected: { sources } });
const fieldFile = (path: string, fieldPath: string) => ({
  path,
  fieldRef: { fieldPath },
});

/** What files a container has, with which modes and owners. */
export const VOLUMES: PodCase[] = [
  {
    name: "vol-empty",
    spec: withVolume({ emptyDir: {} }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-empty-memory",
    spec: withVolume({ emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }),
    steps: [...seen, {
      as: "too much",
      exec: sh(
        "head -c 2000000 /dev/zero > /v/big; echo $?; ls -l /v | grep -c big",
      ),
    }],
  },
  {
    name: "vol-empty-shared",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [
        shell("echo from a > /v/a; sleep 3600", {
          name: "a",
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        }),
        server({
          volumeMounts: [{ name: "v", mountPath: "/v", readOnly: true }],
        }),
      ],
    },
    steps: [READY, { as: "files", exec: LIST, flags: ["-c", "c"] }, {
      as: "write",
      exec: sh("echo x > /v/x"),
      flags: ["-c", "c"],
    }],
  },
  {
    name: "vol-empty-survives-restart",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [
        shell(
          "echo run >> /v/runs; test $(wc -l < /v/runs) = 2 && sleep 3600; exit 1",
          { volumeMounts: [{ name: "v", mountPath: "/v" }] },
        ),
      ],
    },
    steps: [{ until: { restarts: 1 } }, { until: { started: "c" } }, list],
  },
  {
    name: "vol-empty-fs-group",
    spec: withVolume({ emptyDir: {} }, {}, {
      securityContext: { fsGroup: 2000 },
    }),
    steps: [READY, {
      as: "write",
      exec: sh("touch /v/f; ls -ln /v; ls -ldn /v"),
    }],
    isFast: true,
  },
  {
    name: "vol-configmap",
    objects,
    spec: withVolume({ configMap: { name: "files" } }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-configmap-items",
    objects,
    spec: withVolume({
      configMap: {
        name: "files",
        items: [{ key: "a.txt", path: "deep/er/a", mode: 0o400 }],
      },
    }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-configmap-mode",
    objects,
    spec: withVolume({ configMap: { name: "files", defaultMode: 0o755 } }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-configmap-fs-group",
    objects,
    spec: withVolume({ configMap: { name: "files", defaultMode: 0o600 } }, {}, {
      securityContext: { fsGroup: 2000, runAsUser: 1000 },
    }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-configmap-write",
    objects,
    spec: withVolume({ configMap: { name: "files" } }),
    steps: [READY, {
      as: "write",
      exec: sh("echo x > /v/new; echo y > /v/a.txt"),
    }],
  },
  {
    name: "vol-configmap-optional-absent",
    spec: withVolume({ configMap: { name: "absent", optional: true } }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-configmap-subpath",
    objects,
    spec: withVolume({ configMap: { name: "files" } }, {
      mountPath: "/v/only.txt",
      subPath: "a.txt",
    }),
    steps: [READY, {
      as: "file",
      exec: sh(
        "ls -ln /v; cat /v/only.txt; cat /proc/mounts | grep ' /v' | cut -d' ' -f2,3",
      ),
    }],
  },
  {
    name: "vol-configmap-changes",
    objects: [{
      kind: "ConfigMap",
      metadata: { name: "changes" },
      data: { k: "old" },
    }],
    spec: withVolume({ configMap: { name: "changes" } }),
    steps: [
      READY,
      {
        apply: [{
          kind: "ConfigMap",
          metadata: { name: "changes" },
          data: { k: "new", more: "file" },
        }],
      },
      { untilExec: ["cat", "/v/k"], shows: "new", timeoutMs: 150_000 },
      list,
    ],
  },
  {
    name: "vol-secret",
    objects,
    spec: withVolume({ secret: { secretName: "files" } }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-secret-items-mode",
    objects,
    spec: withVolume({
      secret: {
        secretName: "files",
        defaultMode: 0o440,
        items: [{ key: "user", path: "u" }],
      },
    }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-secret-subpath",
    objects,
    spec: withVolume({ secret: { secretName: "files" } }, {
      mountPath: "/v/p",
      subPath: "password",
    }),
    steps: [READY, { as: "file", exec: sh("ls -ln /v; cat /v/p") }],
  },
  {
    name: "vol-projected",
    objects,
    metadata: { labels: { app: "x" } },
    spec: withVolume(
      projected({
        configMap: {
          name: "files",
          items: [{ key: "a.txt", path: "config/a" }],
        },
      }, {
        secret: {
          name: "files",
          items: [{ key: "user", path: "secret/u", mode: 0o600 }],
        },
      }, { downwardAPI: { items: [fieldFile("labels", "metadata.labels")] } }),
    ),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-projected-token",
    spec: withVolume(
      projected({
        serviceAccountToken: {
          path: "t",
          audience: "example",
          expirationSeconds: 3600,
        },
      }),
    ),
    steps: [READY, {
      as: "token",
      exec: sh(
        "stat -L -c '%a %u:%g' /v/t; cut -d. -f2 /v/t | tr -d '\\n' | wc -c | grep -c .",
      ),
    }],
  },
  {
    name: "vol-token-of-account",
    spec: { containers: [server()] },
    steps: [READY, {
      as: "files",
      exec: sh(
        "cd /var/run/secrets/kubernetes.io/serviceaccount; for f in *; do stat -L -c '%a %u:%g %n' $f; done; cat namespace; grep -c BEGIN ca.crt; grep serviceaccount /proc/mounts | cut -d' ' -f2,3",
      ),
    }],
    isFast: true,
  },
  {
    name: "vol-token-as-user",
    spec: { securityContext: { runAsUser: 1000 }, containers: [server()] },
    steps: [READY, {
      as: "files",
      exec: sh(
        "cd /var/run/secrets/kubernetes.io/serviceaccount; for f in *; do stat -L -c '%a %u:%g %n' $f; done; head -c 2 token",
      ),
    }],
    isFast: true,
  },
  {
    name: "vol-no-token",
    spec: { automountServiceAccountToken: false, containers: [server()] },
    steps: [READY, { as: "files", exec: sh("ls /var/run/secrets") }],
    isFast: true,
  },
  {
    name: "vol-downward",
    metadata: {
      labels: { app: "x", tier: "y" },
      annotations: { note: 'with "quotes"' },
    },
    spec: withVolume({
      downwardAPI: {
        items: [
          fieldFile("labels", "metadata.labels"),
          fieldFile("annotations", "metadata.annotations"),
          fieldFile("name", "metadata.name"),
          fieldFile("uid", "metadata.uid"),
          {
            path: "cpu",
            resourceFieldRef: {
              containerName: "c",
              resource: "requests.cpu",
              divisor: "1m",
            },
          },
        ],
      },
    }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-downward-changes",
    metadata: { labels: { app: "x" } },
    spec: withVolume({
      downwardAPI: { items: [fieldFile("labels", "metadata.labels")] },
    }),
    steps: [READY, { patch: { metadata: { labels: { app: "changed" } } } }, {
      untilExec: ["cat", "/v/labels"],
      shows: "changed",
      timeoutMs: 150_000,
    }],
  },
  {
    name: "vol-host-path-directory",
    spec: withVolume({
      hostPath: { path: "/var/lib/parity-made", type: "DirectoryOrCreate" },
    }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-host-path-file",
    spec: withVolume({ hostPath: { path: "/etc/hostname", type: "File" } }, {
      readOnly: true,
    }),
    steps: [READY, {
      as: "kind",
      exec: sh("test -f /v; echo $?; echo x > /v"),
    }],
  },
  {
    name: "vol-host-path-untyped-absent",
    spec: withVolume({ hostPath: { path: "/var/lib/parity-untyped" } }),
    steps: seen,
  },
  {
    name: "vol-subpath-made",
    spec: withVolume({ emptyDir: {} }, { subPath: "deep/er" }),
    steps: seen,
    isFast: true,
  },
  {
    name: "vol-subpath-expr",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [server({
        env: [{
          name: "POD",
          valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
        }],
        volumeMounts: [
          { name: "v", mountPath: "/v", subPathExpr: "$(POD)/x" },
          { name: "v", mountPath: "/all" },
        ],
      })],
    },
    steps: [READY, { as: "files", exec: ["find", "/all"] }],
  },
  {
    name: "vol-read-only",
    spec: withVolume({ emptyDir: {} }, { readOnly: true }),
    steps: [READY, { as: "write", exec: ["touch", "/v/x"] }],
    isFast: true,
  },
  {
    name: "vol-recursive-read-only",
    spec: withVolume({ emptyDir: {} }, {
      readOnly: true,
      recursiveReadOnly: "IfPossible",
    }),
    steps: seen,
  },
  {
    name: "vol-over-folder-of-image",
    spec: withVolume({ emptyDir: {} }, { mountPath: "/srv" }),
    steps: [READY, { as: "files", exec: ["ls", "-lan", "/srv"] }],
  },
  {
    name: "vol-host-paths-two-mounts",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [
        server({
          volumeMounts: [{ name: "v", mountPath: "/v/one" }, {
            name: "v",
            mountPath: "/v/one/two",
          }],
        }),
      ],
    },
    steps: [READY, { as: "files", exec: ["find", "/v"] }],
  },
  {
    name: "vol-ephemeral-unbound",
    spec: withVolume({ persistentVolumeClaim: { claimName: "absent" } }),
    steps: [{ until: { phase: "Pending" } }],
  },
  {
    name: "vol-large-configmap",
    objects: [{
      kind: "ConfigMap",
      metadata: { name: "large" },
      data: { big: "0123456789".repeat(90_000) },
    }],
    spec: withVolume({ configMap: { name: "large" } }),
    steps: [READY, { as: "size", exec: ["wc", "-c", "/v/big"] }],
  },
];
