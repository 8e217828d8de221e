// SPDX-License-Identifier: Apache-2.0
/** A container's environment, command and arguments as the process shall see them. */
import { type EnvEntry, EnvField } from "../wire/mod.ts";

/** Addresses that are known on the device only. */
export interface FieldValues {
  podIps: readonly string[];
  hostIps: readonly string[];
}

/**
 * Replaces `$(NAME)` by values; `$$` stands for one `$`, and a reference to an unknown name stays as it is
 * (rules of k8s.io/kubernetes third_party/forked/golang/expansion).
 */
export function expand(
  text: string,
  values: ReadonlyMap<string, string>,
): string {
  return text.replace(
    /\$(\$|\(([^)]*)\))/g,
    (whole: string, after: string, name: string | undefined) =>
      after === "$" ? "$" : values.get(name ?? "") ?? whole,
  );
}

/**
 * Goes through the entries in order: a value may refer to the entries before it, a later name replaces an earlier one (and takes
 * its place), literal values stay as they are.
 */
export function resolveEnv(
  entries: readonly EnvEntry[],
  fields: FieldValues,
): Map<string, string> {
  const values = new Map<string, string>();
  for (const entry of entries) {
    values.set(
      entry.name,
      fieldValue(entry.field, fields) ??
        (entry.literal ? entry.value : expand(entry.value, values)),
    );
  }
  return values;
}

function fieldValue(field: EnvField, fields: FieldValues): string | undefined {
  switch (field) {
    case EnvField.POD_IP:
      return fields.podIps[0] ?? "";
    case EnvField.POD_IPS:
      return fields.podIps.join(",");
    case EnvField.HOST_IP:
      return fields.hostIps[0] ?? "";
    case EnvField.HOST_IPS:
      return fields.hostIps.join(",");
    default:
      return undefined;
  }
}
