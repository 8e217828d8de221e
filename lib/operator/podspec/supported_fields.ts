// SPDX-License-Identifier: Apache-2.0
/** Finds fields of a pod that its device can't serve. */
import type { Pod } from "../kube/mod.ts";
import { CAPABILITIES } from "../../shared/wire/mod.ts";

/** What a check may depend on besides the value. */
interface CheckContext {
  pod: Pod;
  hasCapability: (capability: string) => boolean;
}

/** Returns whether a value is supported. */
type Check = (value: unknown, context: CheckContext) => boolean;

/** Rule for the value of a field; `true`: any value is supported. */
type Rule = true | Check | RuleMap | ListRule | WholeAndPartsRule;
/** Rules for the fields of an object; fields that are not named are unsupported. */
interface RuleMap {
  readonly [field: string]: Rule;
}
/** Rule for each element of a list. */
interface ListRule {
  readonly each: Rule;
}
/** A check of the whole value first, then a rule for its parts. */
interface WholeAndPartsRule {
  readonly whole: Check;
  readonly parts: Rule;
}

/** Supports these values only. */
const only = (...allowed: unknown[]): Check => (value) =>
  allowed.includes(value);
const isTrue: Check = (value) => value === true;
const isFalse: Check = (value) => value === false;
/** Applies a rule to each element of a list. */
const each = (rule: Rule): ListRule => ({ each: rule });
/** Checks a value as a whole, then its parts. */
const both = (whole: Check, parts: Rule): WholeAndPartsRule => ({
  whole,
  parts,
});

// The tables below follow the order and nesting of the v1 Pod API.

/** Items of ConfigMap and Secret volumes. */
const KEY_ITEMS: Rule = each({ key: true, path: true, mode: true });
/** Fields of the downward API, as `readField` knows them. */
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
/** A downwardAPI volume. */
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

/** Without profiles of the host, which would have to be installed there. */
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
/** A lifecycle hook; like the kubelet, no tcpSocket. */
const HOOK: Rule = { exec: EXEC, httpGet: HTTP, sleep: { seconds: true } };
/** Fields of a probe beside its handler. */
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

/** A probe is named as a whole when the agent runs no probes, else by its unsupported part. */
const canProbe: Check = (_value, { hasCapability }) =>
  hasCapability(CAPABILITIES.probes);

/** With `hostNetwork` the API server sets each `hostPort` to its `containerPort`. */
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
  livenessProbe: both(canProbe, PROBE),
  readinessProbe: both(canProbe, PROBE),
  startupProbe: both(canProbe, PROBE),
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
    // Ownership is changed only in emptyDir volumes, which start empty: both policies are equal.
    fsGroupChangePolicy: true,
    supplementalGroups: true,
    supplementalGroupsPolicy: only("Merge"),
    sysctls: each({ name: true, value: true }),
    seccompProfile: SECCOMP,
    appArmorProfile: APP_ARMOR,
  },
  enableServiceLinks: true,
  os: { name: only("linux") },
  // Fields for the scheduler and the API server, which have acted on them already.
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
 * Returns the paths of fields that this device can't serve, such as
 * `spec.containers[0].ports[0].hostPort`; none when the pod can run. The check is an allow-list
 * over the fields that a pod really has, so that an unknown field is named and never silently
 * ignored. Values that the API server fills in by default are supported.
 * @param capabilities capabilities that the agent announced in its Hello
 */
export function findUnsupportedFields(
  pod: Pod,
  capabilities: readonly string[],
): string[] {
  const hasCapability = (name: string) => capabilities.includes(name);
  const context = { pod, hasCapability };
  return applyRule(SPEC, { value: pod.spec, path: "spec", context });
}

/** Returns the paths below and including `path` whose values the rule does not support. */
function applyRule(
  rule: Rule,
  at: { value: unknown; path: string; context: CheckContext },
): string[] {
  const { value, path, context } = at;
  if (rule === true || value === undefined || value === null) return [];
  if (typeof rule === "function") return rule(value, context) ? [] : [path];
  if (isWholeAndPartsRule(rule)) {
    return rule.whole(value, context) ? applyRule(rule.parts, at) : [path];
  }
  if (isListRule(rule)) {
    if (!Array.isArray(value)) return [path];
    return value.flatMap((item, index) =>
      applyRule(rule.each, { value: item, path: `${path}[${index}]`, context })
    );
  }
  if (typeof value !== "object") return [path];
  return Object.entries(value).flatMap(([field, inner]) => {
    const inside = { value: inner, path: `${path}.${field}`, context };
    const known = Object.hasOwn(rule, field) ? rule[field] : undefined;
    if (known !== undefined) return applyRule(known, inside);
    return isEmpty(inner) ? [] : [inside.path];
  });
}

function isListRule(rule: RuleMap | ListRule): rule is ListRule {
  return "each" in rule;
}

function isWholeAndPartsRule(
  rule: RuleMap | ListRule | WholeAndPartsRule,
): rule is WholeAndPartsRule {
  return "whole" in rule;
}

/**
 * Returns whether an unknown field asks for nothing: null, or an object or list without content.
 */
function isEmpty(value: unknown): boolean {
  return value === null || value === undefined ||
    (typeof value === "object" && Object.keys(value).length === 0);
}
