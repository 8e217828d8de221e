// SPDX-License-Identifier: Apache-2.0
/** Environment variables of a container. */
import { AranyaError, fromUtf8 } from "../../shared/base/mod.ts";
import type { KeyRef, KubeContainer, KubeEnv } from "../kube/mod.ts";
import {
  type Blocked,
  BlockedSchema,
  create,
  type EnvEntry,
  EnvEntrySchema,
  EnvField,
} from "../../shared/wire/mod.ts";
import { readField, readResource } from "./fields.ts";
import { decodeBase64 } from "./file_content.ts";
import {
  MissingReferenceError,
  refKey,
  type TranslationContext,
} from "./lookups.ts";
import { toServiceEnv } from "./service_env.ts";

/** Inputs for the translation of one container. */
export interface ContainerContext extends TranslationContext {
  /** The container that is translated. */
  container: KubeContainer;
}

/** Result of {@linkcode resolveEnv}. */
export interface ResolvedEnv {
  /** Variables in order; a later one replaces an earlier one of the same name. */
  env: EnvEntry[];
  /** Set when something required is missing: the container must not be started. */
  blocked?: Blocked;
}

/** Name of a ConfigMap or Secret, and whether it may be missing. */
interface SourceRef {
  name?: string;
  optional?: boolean;
}

/** Fields whose values only the device knows. */
const DEVICE_FIELDS: Record<string, EnvField> = {
  "status.podIP": EnvField.POD_IP,
  "status.podIPs": EnvField.POD_IPS,
  "status.hostIP": EnvField.HOST_IP,
  "status.hostIPs": EnvField.HOST_IPS,
};
/** Valid names since Kubernetes 1.30: printable ASCII without "=". */
const ENV_NAME = /^[\x20-\x3c\x3e-\x7e]+$/;

/**
 * Resolves the environment of a container in the kubelet's order: Services, `envFrom`, `env`.
 * References are resolved here; `$(VAR)` is left to the device, which alone knows the pod's
 * addresses. A missing reference that is not optional blocks this container only.
 */
export function resolveEnv(context: ContainerContext): ResolvedEnv {
  const { container } = context;
  const env: EnvEntry[] = toServiceEnv(context);
  try {
    env.push(...resolveEnvFrom(context));
    for (const variable of container.env ?? []) {
      const resolved = resolveVariable(variable, context);
      if (resolved) env.push(resolved);
    }
    return { env };
  } catch (error) {
    if (
      !(error instanceof MissingReferenceError) &&
      !(error instanceof AranyaError)
    ) throw error;
    const blocked = create(BlockedSchema, {
      reason: "CreateContainerConfigError",
      message: error.message,
    });
    return { env: [], blocked };
  }
}

function resolveEnvFrom(context: ContainerContext): EnvEntry[] {
  const { container, findings } = context;
  const env: EnvEntry[] = [];
  const invalid: string[] = [];
  for (
    const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []
  ) {
    const values = configMapRef
      ? readConfigMap(configMapRef, context)
      : readSecret(secretRef ?? {}, context);
    const sorted = Object.entries(values ?? {})
      .sort(([a], [b]) => a < b ? -1 : 1);
    for (const [key, value] of sorted) {
      const name = prefix + key;
      if (ENV_NAME.test(name)) env.push(toLiteral(name, value));
      else invalid.push(name);
    }
  }
  if (invalid.length > 0) {
    findings.warnings.push({
      reason: "InvalidEnvironmentVariableNames",
      message: `Keys [${
        invalid.join(", ")
      }] were skipped: not valid as names of environment variables`,
      container: container.name,
    });
  }
  return env;
}

/** Resolves one variable; undefined when its source is missing and optional. */
function resolveVariable(
  variable: KubeEnv,
  context: ContainerContext,
): EnvEntry | undefined {
  const { name, valueFrom } = variable;
  if (!valueFrom) {
    return create(EnvEntrySchema, { name, value: variable.value ?? "" });
  }
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } =
    valueFrom;
  if (fieldRef) {
    const value = readField(context.pod, fieldRef);
    if (value !== undefined) return toLiteral(name, value);
    const field = DEVICE_FIELDS[fieldRef.fieldPath] ?? EnvField.NONE;
    return create(EnvEntrySchema, { name, field });
  }
  if (resourceFieldRef) {
    return toLiteral(name, readResource(resourceFieldRef, context));
  }
  if (configMapKeyRef) {
    const values = readConfigMap(configMapKeyRef, context);
    const value = readKey(configMapKeyRef, {
      values,
      source: `ConfigMap ${context.pod.metadata.namespace}`,
    });
    return value === undefined ? undefined : toLiteral(name, value);
  }
  if (secretKeyRef) {
    const values = readSecret(secretKeyRef, context);
    const value = readKey(secretKeyRef, {
      values,
      source: `Secret ${context.pod.metadata.namespace}`,
    });
    return value === undefined ? undefined : toLiteral(name, value);
  }
  return toLiteral(name, "");
}

/** Returns the value of one key; undefined when the key is missing and optional. */
function readKey(
  ref: KeyRef,
  { values, source }: {
    values: Record<string, string> | undefined;
    /** Kind and namespace, for the error's text. */
    source: string;
  },
): string | undefined {
  const value = values?.[ref.key];
  if (value !== undefined || ref.optional) return value;
  throw new MissingReferenceError(
    `couldn't find key ${ref.key} in ${source}/${ref.name}`,
  );
}

/** Returns a ConfigMap's values; undefined when it is missing and optional. */
function readConfigMap(
  ref: SourceRef,
  { pod, lookups, findings }: TranslationContext,
): Record<string, string> | undefined {
  const { namespace = "" } = pod.metadata;
  const name = ref.name ?? "";
  findings.refs.add(refKey("ConfigMap", { namespace, name }));
  const configMap = lookups.findConfigMap(namespace, name);
  if (configMap) return configMap.data ?? {};
  if (ref.optional) return undefined;
  throw new MissingReferenceError(`configmap "${name}" not found`);
}

/** Returns a Secret's decoded values; undefined when it is missing and optional. */
function readSecret(
  ref: SourceRef,
  { pod, lookups, findings }: TranslationContext,
): Record<string, string> | undefined {
  const { namespace = "" } = pod.metadata;
  const name = ref.name ?? "";
  findings.refs.add(refKey("Secret", { namespace, name }));
  const secret = lookups.findSecret(namespace, name);
  if (secret) {
    return Object.fromEntries(
      Object.entries(secret.data ?? {}).map((
        [key, value],
      ) => [key, fromUtf8(decodeBase64(value))]),
    );
  }
  if (ref.optional) return undefined;
  throw new MissingReferenceError(`secret "${name}" not found`);
}

/** Returns a variable whose value the device takes as it is, without expanding `$(VAR)`. */
function toLiteral(name: string, value: string): EnvEntry {
  return create(EnvEntrySchema, { name, value, literal: true });
}
