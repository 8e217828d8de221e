// SPDX-License-Identifier: Apache-2.0
/** Containers that can't start: images, commands, references, bad specs. */
import {
  FAILED,
  type PodCase,
  type PodFields,
  type PodStep,
  READY,
} from "../pod_case.ts";
import { IMAGES } from "../../world/mod.ts";
import { job, podOf, server, service, shell } from "./containers.ts";

/** Refuses connections at once, on any machine. */
const ABSENT = "127.0.0.1:9/absent:1";
const waits = (reason: string): PodStep[] => [{ until: { waiting: reason } }];
const withImage = (image: string, imagePullPolicy?: string): PodFields =>
  podOf(server({ image, ...imagePullPolicy ? { imagePullPolicy } : {} }));
const withVolume = (volume: object): PodFields => ({
  containers: [server({ volumeMounts: [{ name: "v", mountPath: "/v" }] })],
  volumes: [{ name: "v", ...volume }],
});
const failedMount: PodStep[] = [{ until: { event: "FailedMount" } }];
const env = (source: object) =>
  service({ env: [{ name: "A", valueFrom: source }] });
const error = waits("CreateContainerConfigError");

/** What users see when a pod can't start, and how it heals. */
export const FAILURES: PodCase[] = [
  {
    name: "image-absent",
    spec: withImage(ABSENT),
    steps: [{ until: { event: "BackOff" } }, ...waits("ImagePullBackOff")],
  },
  {
    name: "image-absent-never",
    spec: withImage("aranya-test/none:1", "Never"),
    steps: waits("ErrImageNeverPull"),
    isFast: true,
  },
  {
    name: "image-present-never",
    spec: withImage(IMAGES.busybox, "Never"),
    isFast: true,
  },
  {
    name: "image-present-always",
    spec: withImage("127.0.0.1:9/busybox:1.35", "Always"),
    steps: waits("ImagePullBackOff"),
  },
  {
    name: "image-invalid-name",
    spec: withImage("Bad//Name:::x"),
    steps: waits("InvalidImageName"),
    isFast: true,
  },
  {
    name: "image-upper-case",
    spec: withImage("127.0.0.1:9/Upper:1"),
    steps: waits("InvalidImageName"),
  },
  {
    name: "image-digest-absent",
    spec: withImage(`127.0.0.1:9/absent@sha256:${"0".repeat(64)}`),
    steps: waits("ImagePullBackOff"),
  },
  {
    name: "image-healed-by-patch",
    spec: withImage("aranya-test/none:1", "Never"),
    steps: [...waits("ErrImageNeverPull"), {
      patch: { spec: { containers: [{ name: "c", image: IMAGES.busybox }] } },
    }, READY],
  },
  {
    name: "image-changed-while-running",
    spec: service(),
    steps: [
      READY,
      {
        patch: {
          spec: { containers: [{ name: "c", image: IMAGES.configured }] },
        },
      },
      { until: { restarts: 1 } },
      { until: { started: "c" } },
    ],
  },
  {
    name: "image-pull-secret-absent",
    spec: { ...service(), imagePullSecrets: [{ name: "absent" }] },
    steps: [READY],
    isFast: true,
  },
  {
    name: "image-one-of-two-absent",
    spec: {
      containers: [
        server({ name: "a" }),
        server({
          name: "b",
          image: "aranya-test/none:1",
          imagePullPolicy: "Never",
        }),
      ],
    },
    steps: [...waits("ErrImageNeverPull"), { until: { started: "a" } }],
  },
  {
    name: "command-absent",
    spec: podOf(server({ command: ["/absent", "x"] })),
    steps: [{ until: { event: "Failed" } }, { until: { restarts: 1 } }],
  },
  {
    name: "command-absent-never",
    spec: podOf(server({ command: ["/absent"] }), { restartPolicy: "Never" }),
    steps: [FAILED],
    isFast: true,
  },
  {
    name: "command-on-path-absent",
    spec: podOf(server({ command: ["no-such-program"] }), {
      restartPolicy: "Never",
    }),
    steps: [FAILED],
  },
  {
    name: "command-not-executable",
    spec: podOf(server({ command: ["/etc/passwd"] }), {
      restartPolicy: "Never",
    }),
    steps: [FAILED],
  },
  {
    name: "command-is-folder",
    spec: podOf(server({ command: ["/etc"] }), { restartPolicy: "Never" }),
    steps: [FAILED],
  },
  {
    name: "command-of-empty-image",
    spec: {
      restartPolicy: "Never",
      containers: [{ name: "c", image: IMAGES.empty }],
    },
    steps: [FAILED],
  },
  {
    name: "working-dir-is-file",
    spec: podOf(server({ workingDir: "/etc/passwd" }), {
      restartPolicy: "Never",
    }),
    steps: [{ until: { event: "Failed" } }],
  },
  {
    name: "env-configmap-absent",
    spec: env({ configMapKeyRef: { name: "absent", key: "k" } }),
    steps: error,
    isFast: true,
  },
  {
    name: "env-configmap-key-absent",
    objects: [{
      kind: "ConfigMap",
      metadata: { name: "one-key" },
      data: { k: "v" },
    }],
    spec: env({ configMapKeyRef: { name: "one-key", key: "absent" } }),
    steps: error,
    isFast: true,
  },
  {
    name: "env-secret-absent",
    spec: env({ secretKeyRef: { name: "absent", key: "k" } }),
    steps: error,
    isFast: true,
  },
  {
    name: "env-secret-key-absent",
    objects: [{
      kind: "Secret",
      metadata: { name: "one-key" },
      stringData: { k: "v" },
    }],
    spec: env({ secretKeyRef: { name: "one-key", key: "absent" } }),
    steps: error,
  },
  {
    name: "env-from-absent",
    spec: service({ envFrom: [{ configMapRef: { name: "absent" } }] }),
    steps: error,
  },
  {
    name: "env-from-secret-absent",
    spec: service({ envFrom: [{ secretRef: { name: "absent" } }] }),
    steps: error,
  },
  {
    name: "env-healed",
    spec: env({ configMapKeyRef: { name: "made-later", key: "k" } }),
    steps: [...error, {
      apply: [{
        kind: "ConfigMap",
        metadata: { name: "made-later" },
        data: { k: "v" },
      }],
    }, { until: { ready: true }, timeoutMs: 120_000 }],
  },
  {
    name: "vol-configmap-absent",
    spec: withVolume({ configMap: { name: "absent" } }),
    steps: failedMount,
    isFast: true,
  },
  {
    name: "vol-configmap-key-absent",
    objects: [{
      kind: "ConfigMap",
      metadata: { name: "one-key" },
      data: { k: "v" },
    }],
    spec: withVolume({
      configMap: { name: "one-key", items: [{ key: "absent", path: "x" }] },
    }),
    steps: failedMount,
  },
  {
    name: "vol-secret-absent",
    spec: withVolume({ secret: { secretName: "absent" } }),
    steps: failedMount,
    isFast: true,
  },
  {
    name: "vol-projected-absent",
    spec: withVolume({
      projected: { sources: [{ configMap: { name: "absent" } }] },
    }),
    steps: failedMount,
  },
  {
    name: "vol-healed",
    spec: withVolume({ configMap: { name: "volume-made-later" } }),
    steps: [...failedMount, {
      apply: [{
        kind: "ConfigMap",
        metadata: { name: "volume-made-later" },
        data: { k: "v" },
      }],
    }, { until: { ready: true }, timeoutMs: 120_000 }],
  },
  {
    name: "vol-host-path-absent",
    spec: withVolume({
      hostPath: { path: "/var/lib/parity-absent", type: "Directory" },
    }),
    steps: failedMount,
  },
  {
    name: "vol-host-path-not-a-file",
    spec: withVolume({ hostPath: { path: "/etc", type: "File" } }),
    steps: failedMount,
  },
  {
    name: "vol-host-path-no-socket",
    spec: withVolume({ hostPath: { path: "/etc/hostname", type: "Socket" } }),
    steps: failedMount,
  },
  {
    name: "vol-nfs",
    spec: withVolume({ nfs: { server: "127.0.0.1", path: "/x" } }),
    steps: [{ until: { event: "FailedMount" }, timeoutMs: 20_000 }],
  },
  {
    name: "vol-csi-absent",
    spec: withVolume({ csi: { driver: "absent.example.org" } }),
    steps: [{ until: { event: "FailedMount" }, timeoutMs: 20_000 }],
  },
  {
    name: "mount-over-root",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [server({ volumeMounts: [{ name: "v", mountPath: "/" }] })],
    },
    steps: [{ until: { event: "Failed" } }],
  },
  {
    name: "mount-over-file",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [
        server({ volumeMounts: [{ name: "v", mountPath: "/etc/passwd" }] }),
      ],
    },
    steps: [{ until: { event: "Failed" } }],
  },
  {
    name: "mount-over-bin",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      restartPolicy: "Never",
      containers: [
        server({ volumeMounts: [{ name: "v", mountPath: "/bin" }] }),
      ],
    },
    steps: [FAILED],
  },
  {
    name: "subpath-outside",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      initContainers: [
        shell("ln -s /etc /v/link", {
          name: "i",
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        }),
      ],
      containers: [
        server({
          volumeMounts: [{ name: "v", mountPath: "/v", subPath: "link" }],
        }),
      ],
    },
    steps: error,
  },
  {
    name: "subpath-expr-unset",
    spec: {
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [
        server({
          volumeMounts: [{
            name: "v",
            mountPath: "/v",
            subPathExpr: "$(ABSENT)",
          }],
        }),
      ],
    },
    steps: error,
  },
  {
    name: "os-windows",
    spec: { ...job("true"), os: { name: "windows" } },
    steps: [{ until: { phase: "Failed" }, timeoutMs: 20_000 }],
  },
  {
    name: "node-selector-mismatch",
    spec: { ...service(), nodeSelector: { "parity.example/none": "x" } },
    steps: [{ until: { phase: "Failed" }, timeoutMs: 20_000 }],
  },
  {
    name: "node-affinity-mismatch",
    spec: {
      ...service(),
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{
              matchExpressions: [{
                key: "parity.example/none",
                operator: "Exists",
              }],
            }],
          },
        },
      },
    },
    steps: [{ until: { phase: "Failed" }, timeoutMs: 20_000 }],
  },
  {
    name: "host-users-false",
    spec: { ...service(), hostUsers: false },
    steps: [{ until: { event: "FailedCreatePodSandBox" }, timeoutMs: 20_000 }],
  },
  {
    name: "scheduled-service",
    placement: "scheduled",
    spec: service(),
    isFast: true,
  },
  {
    name: "scheduled-job",
    placement: "scheduled",
    spec: job("true"),
    steps: [{ until: { phase: "Succeeded" } }],
  },
];
