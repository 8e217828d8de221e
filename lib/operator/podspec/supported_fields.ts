// SPDX-License-Identifier: Apache-2.0
/**
 * What we can run: an allow-list over the fields that a pod really has, so that a field we have never heard of is refused by its name
 * and never silently ignored. Values that the API server fills in by default pass.
 */
import type { Pod } from "../kube/mod.ts";
import { CAPABILITIES } from "../../shared/wire/mod.ts";

interface Context {
  pod: Pod;
  has: (capability: string) => boolean;
}

/** Says whether a value is served. */
type Check = (value: unknown, context: Context) => boolean;

/** `true`: whatever it is. */
type Rule = true | Check | RuleMap | ListRule | BothRule;
interface RuleMap {
  readonly [field: string]: Rule;
}
interface ListRule {
  readonly each: Rule;
}
/** The whole first, then its parts. */
interface BothRule {
  readonly whole: Check;
  readonly parts: Rule;
}

const only = (...allowed: unknown[]): Check => (value) =>
  allowed.includes(value);
const isTrue: Check = (value) => value === true;
const isFalse: Check = (value) => value === false;
const each = (rule: Rule): ListRule => ({ each: rule });
const both = (whole: Check, parts: Rule): BothRule => ({ whole, parts });

const KEY_ITEMS: Rule = each({ key: true, path: true, mode: true });
const FIELD_PATH =
  /^(metadata\.(name|namespace|uid|labels|annotations|(labels|annotations)\['.*'\])|spec\.(nodeName|serviceAccountName)|status\.(podIPs?|hostIPs?))$/;
const FIELD_REF: Rule = {
  apiVersion: only("v1"),
  fieldPath: (value) => FIELD_PATH.test(String(value)),
};
const RESOURCE_REF: Rule = {
  containerName: true,
  resource: (value) =>
    /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.*)$/.test(
      String(value),
    ),
  divisor: true,
};
const DOWNWARD: RuleMap = {
  items: each({
    path: true,
    mode: true,
    fieldRef: FIELD_REF,
    resourceFieldRef: RESOURCE_REF,
  }),
  defaultMode: true,
};
const VOLUME: Rule = {
  name: true,
  emptyDir: { medium: only("", "Memory"), sizeLimit: true },
  hostPath: {
    path: true,
    type: only(
      "",
      "DirectoryOrCreate",
      "Directory",
      "FileOrCreate",
      "File",
      "Socket",
      "CharDevice",
      "BlockDevice",
    ),
  },
  configMap: {
    name: true,
    items: KEY_ITEMS,
    optional: true,
    defaultMode: true,
  },
  secret: {
    secretName: true,
    items: KEY_ITEMS,
    optional: true,
    defaultMode: true,
  },
  downwardAPI: DOWNWARD,
  projected: {
    defaultMode: true,
    sources: each({
      configMap: { name: true, items: KEY_ITEMS, optional: true },
      secret: { name: true, items: KEY_ITEMS, optional: true },
      downwardAPI: { items: DOWNWARD.items ?? true },
      serviceAccountToken: {
        audience: true,
        expirationSeconds: true,
        path: true,
      },
    }),
  },
};

const SECCOMP: Rule = { type: only("RuntimeDefault", "Unconfined") };
const APP_ARMOR: Rule = { type: only("RuntimeDefault") };
const EXEC: Rule = { command: true };
const HTTP: Rule = {
  path: true,
  port: true,
  host: true,
  scheme: true,
  httpHeaders: each({ name: true, value: true }),
};
const HOOK: Rule = { exec: EXEC, httpGet: HTTP, sleep: { seconds: true } };
const PROBE_TIMES: RuleMap = {
  initialDelaySeconds: true,
  timeoutSeconds: true,
  periodSeconds: true,
  successThreshold: true,
  failureThreshold: true,
  terminationGracePeriodSeconds: true,
};
const KEY_REF: Rule = { name: true, key: true, optional: true };
const SOURCE_REF: Rule = { name: true, optional: true };

const PROBE: Rule = {
  ...PROBE_TIMES,
  exec: EXEC,
  httpGet: HTTP,
  tcpSocket: { host: true, port: true },
};

/** A probe is named as a whole when the device does none, else by the part that isn't served. */
const probe: Check = (_value, { has }) => has(CAPABILITIES.probes);

/** With the host's network a port is on the host anyway: the API server writes the same number twice. */
const PORTS: Rule = each({
  name: true,
  containerPort: true,
  protocol: true,
  hostIP: only(""),
  hostPort: (_value, { pod }) => pod.spec.hostNetwork === true,
});

const CONTAINER: RuleMap = {
  name: true,
  image: true,
  imagePullPolicy: only("Always", "IfNotPresent", "Never"),
  command: true,
  args: true,
  workingDir: true,
  env: each({
    name: true,
    value: true,
    valueFrom: {
      fieldRef: FIELD_REF,
      resourceFieldRef: RESOURCE_REF,
      configMapKeyRef: KEY_REF,
      secretKeyRef: KEY_REF,
    },
  }),
  envFrom: each({
    prefix: true,
    configMapRef: SOURCE_REF,
    secretRef: SOURCE_REF,
  }),
  volumeMounts: each({
    name: true,
    mountPath: true,
    subPath: true,
    readOnly: true,
    recursiveReadOnly: only("Disabled"),
    mountPropagation: only("None", "HostToContainer", "Bidirectional"),
  }),
  resources: {
    limits: { cpu: true, memory: true, "ephemeral-storage": true },
    requests: { cpu: true, memory: true, "ephemeral-storage": true },
  },
  securityContext: {
    runAsUser: true,
    runAsGroup: true,
    runAsNonRoot: true,
    privileged: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: true,
    capabilities: { add: true, drop: true },
    seccompProfile: SECCOMP,
    appArmorProfile: APP_ARMOR,
    procMount: only("Default"),
  },
  stdin: true,
  stdinOnce: true,
  tty: true,
  terminationMessagePath: true,
  terminationMessagePolicy: only("File", "FallbackToLogsOnError"),
  lifecycle: { preStop: HOOK, postStart: HOOK },
  livenessProbe: both(probe, PROBE),
  readinessProbe: both(probe, PROBE),
  startupProbe: both(probe, PROBE),
  ports: PORTS,
};

const SPEC: RuleMap = {
  containers: each(CONTAINER),
  initContainers: each({
    ...CONTAINER,
    restartPolicy: only("Always"),
  }),
  volumes: each(VOLUME),
  restartPolicy: only("Always", "OnFailure", "Never"),
  terminationGracePeriodSeconds: true,
  activeDeadlineSeconds: true,
  hostNetwork: true,
  hostPID: true,
  hostIPC: true,
  hostUsers: isTrue,
  shareProcessNamespace: true,
  hostname: true,
  subdomain: true,
  setHostnameAsFQDN: isFalse,
  hostAliases: each({ ip: true, hostnames: true }),
  dnsPolicy: only("Default", "ClusterFirst", "ClusterFirstWithHostNet", "None"),
  dnsConfig: {
    nameservers: true,
    searches: true,
    options: each({ name: true, value: true }),
  },
  imagePullSecrets: each({ name: true }),
  securityContext: {
    runAsUser: true,
    runAsGroup: true,
    runAsNonRoot: true,
    fsGroup: true,
    // Only volumes of our own making are changed, and those are empty.
    fsGroupChangePolicy: true,
    supplementalGroups: true,
    supplementalGroupsPolicy: only("Merge"),
    sysctls: each({ name: true, value: true }),
    seccompProfile: SECCOMP,
    appArmorProfile: APP_ARMOR,
  },
  enableServiceLinks: true,
  os: { name: only("linux") },
  // What others have done with the pod before it came to us.
  nodeName: true,
  nodeSelector: true,
  affinity: true,
  tolerations: true,
  topologySpreadConstraints: true,
  schedulerName: true,
  schedulingGates: true,
  priority: true,
  priorityClassName: true,
  preemptionPolicy: true,
  readinessGates: true,
  serviceAccount: true,
  serviceAccountName: true,
  automountServiceAccountToken: true,
};

/**
 * Names the fields of a pod that this device can't serve, e.g. `spec.containers[0].ports[0].hostPort`; none: the pod can run.
 * @param capabilities what the agent said in its Hello
 */
export function judgePod(pod: Pod, capabilities: readonly string[]): string[] {
  const has = (capability: string) => capabilities.includes(capability);
  return judge(pod.spec, { rule: SPEC, path: "spec", context: { pod, has } });
}

function judge(
  value: unknown,
  at: { rule: Rule; path: string; context: Context },
): string[] {
  const { rule, path, context } = at;
  if (rule === true || value === undefined || value === null) return [];
  if (typeof rule === "function") return rule(value, context) ? [] : [path];
  if (isBothRule(rule)) {
    if (!rule.whole(value, context)) return [path];
    return judge(value, { rule: rule.parts, path, context });
  }
  if (isListRule(rule)) {
    if (!Array.isArray(value)) return [path];
    return value.flatMap((item, index) =>
      judge(item, { rule: rule.each, path: `${path}[${index}]`, context })
    );
  }
  if (typeof value !== "object") return [path];
  return Object.entries(value).flatMap(([field, inner]) => {
    const known = Object.hasOwn(rule, field) ? rule[field] : undefined;
    const inside = `${path}.${field}`;
    if (known === undefined) return isEmpty(inner) ? [] : [inside];
    return judge(inner, { rule: known, path: inside, context });
  });
}

function isListRule(rule: RuleMap | ListRule): rule is ListRule {
  return "each" in rule;
}

function isBothRule(rule: RuleMap | ListRule | BothRule): rule is BothRule {
  return "whole" in rule;
}

/** What says nothing asks for nothing. */
function isEmpty(value: unknown): boolean {
  return value === null || value === undefined ||
    (typeof value === "object" && Object.keys(value).length === 0);
}
