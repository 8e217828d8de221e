// SPDX-License-Identifier: Apache-2.0
/** The environment of a container: references resolved here, `$(VAR)` left for the device, which alone knows the pod's address. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { KeyRef, KubeContainer, KubeEnv, Pod } from "../kube/mod.ts";
import {
  type Blocked,
  BlockedSchema,
  create,
  type EnvEntry,
  EnvEntrySchema,
  EnvField,
} from "../../shared/wire/mod.ts";
import { readField, readResource } from "./fields.ts";
import { type Findings, type PodLookups, refKey } from "./lookups.ts";
import { serviceEnv } from "./service_env.ts";

/** Options of {@linkcode resolveEnv}. */
export interface ResolveEnvOptions {
  pod: Pod;
  container: KubeContainer;
  lookups: PodLookups;
  findings: Findings;
}

/** What a container's environment came to. */
export interface ResolvedEnv {
  /** In order; a later name replaces an earlier one. */
  env: EnvEntry[];
  /** Set: the container must not be started, something it refers to is missing. */
  blocked?: Blocked;
}

const DEVICE_FIELDS: Record<string, EnvField> = {
  "status.podIP": EnvField.POD_IP,
  "status.podIPs": EnvField.POD_IPS,
  "status.hostIP": EnvField.HOST_IP,
  "status.hostIPs": EnvField.HOST_IPS,
};
/** Names that a process environment can hold: printable, without "=". */
const ENV_NAME = /^[\x20-\x3c\x3e-\x7e]+$/;

/** Something that a container needs isn't there; its message is what the kubelet would say. */
class Missing extends Error {}

/** Resolves services, envFrom and env, in the kubelet's order. */
export function resolveEnv(options: ResolveEnvOptions): ResolvedEnv {
  const { container } = options;
  const env: EnvEntry[] = serviceEnv(options);
  try {
    env.push(...resolveEnvFrom(options));
    for (const entry of container.env ?? []) {
      const resolved = resolveEntry(entry, options);
      if (resolved) env.push(resolved);
    }
    return { env };
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof AranyaError)) {
      throw error;
    }
    const blocked = create(BlockedSchema, {
      reason: "CreateContainerConfigError",
      message: error.message,
    });
    return { env: [], blocked };
  }
}

function resolveEnvFrom(options: ResolveEnvOptions): EnvEntry[] {
  const { container, findings } = options;
  const env: EnvEntry[] = [];
  const invalid: string[] = [];
  for (
    const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []
  ) {
    const values = configMapRef
      ? readConfigMap(configMapRef, options)
      : readSecret(secretRef ?? {}, options);
    for (const [key, value] of sorted(values ?? {})) {
      const name = prefix + key;
      if (ENV_NAME.test(name)) env.push(literal(name, value));
      else invalid.push(name);
    }
  }
  if (invalid.length > 0) {
    findings.warnings.push({
      reason: "InvalidEnvironmentVariableNames",
      message: `Keys [${
        invalid.join(", ")
      }] were skipped: they can't be names of environment variables`,
      container: container.name,
    });
  }
  return env;
}

function resolveEntry(
  entry: KubeEnv,
  options: ResolveEnvOptions,
): EnvEntry | undefined {
  const { name, valueFrom } = entry;
  if (!valueFrom) {
    return create(EnvEntrySchema, { name, value: entry.value ?? "" });
  }
  const { pod, container, lookups } = options;
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } =
    valueFrom;
  if (fieldRef) {
    const value = readField(pod, fieldRef);
    if (value !== undefined) return literal(name, value);
    const field = DEVICE_FIELDS[fieldRef.fieldPath] ?? EnvField.NONE;
    return create(EnvEntrySchema, { name, field });
  }
  if (resourceFieldRef) {
    const value = readResource(resourceFieldRef, { pod, container, lookups });
    return literal(name, value);
  }
  if (configMapKeyRef) {
    return fromKey(entry, {
      ref: configMapKeyRef,
      values: readConfigMap(configMapKeyRef, options),
      kind: "ConfigMap",
      pod,
    });
  }
  if (secretKeyRef) {
    return fromKey(entry, {
      ref: secretKeyRef,
      values: readSecret(secretKeyRef, options),
      kind: "Secret",
      pod,
    });
  }
  return literal(name, "");
}

function fromKey(
  { name }: KubeEnv,
  source: {
    ref: KeyRef;
    values: Record<string, string> | undefined;
    kind: string;
    pod: Pod;
  },
): EnvEntry | undefined {
  const { ref, values, kind, pod } = source;
  const value = values?.[ref.key];
  if (value !== undefined) return literal(name, value);
  if (ref.optional) return undefined;
  throw new Missing(
    `couldn't find key ${ref.key} in ${kind} ${pod.metadata.namespace}/${ref.name}`,
  );
}

/** Undefined: it isn't there and need not be. */
function readConfigMap(
  ref: { name?: string; optional?: boolean },
  { pod, lookups, findings }: ResolveEnvOptions,
): Record<string, string> | undefined {
  const { namespace = "" } = pod.metadata;
  const name = ref.name ?? "";
  findings.refs.add(refKey("ConfigMap", { namespace, name }));
  const found = lookups.configMap(namespace, name);
  if (found) return found.data ?? {};
  if (ref.optional) return undefined;
  throw new Missing(`configmap "${name}" not found`);
}

function readSecret(
  ref: { name?: string; optional?: boolean },
  { pod, lookups, findings }: ResolveEnvOptions,
): Record<string, string> | undefined {
  const { namespace = "" } = pod.metadata;
  const name = ref.name ?? "";
  findings.refs.add(refKey("Secret", { namespace, name }));
  const found = lookups.secret(namespace, name);
  if (found) {
    return Object.fromEntries(
      Object.entries(found.data ?? {}).map((
        [key, value],
      ) => [key, decodeText(value)]),
    );
  }
  if (ref.optional) return undefined;
  throw new Missing(`secret "${name}" not found`);
}

function decodeText(base64: string): string {
  return new TextDecoder().decode(
    Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)),
  );
}

function sorted(values: Record<string, string>): [string, string][] {
  return Object.entries(values).sort(([a], [b]) => a < b ? -1 : 1);
}

function literal(name: string, value: string): EnvEntry {
  return create(EnvEntrySchema, { name, value, literal: true });
}
