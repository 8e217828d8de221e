// SPDX-License-Identifier: Apache-2.0
/** Environment variables of a container. */
import { type EnvEntry, EnvField } from "../../shared/wire/mod.ts";

/** Addresses that environment variables may refer to (`status.podIP`, `status.hostIP`, …). */
export interface FieldValues {
  podIps: readonly string[];
  hostIps: readonly string[];
}

/**
 * Replaces `$(NAME)` by the value of that name. `$$` stands for one `$`; a reference to an unknown
 * name stays as it is (rules of k8s.io/kubernetes third_party/forked/golang/expansion).
 */
export function expandReferences(
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
 * Returns the values of environment variables by name. A value may refer to entries before it, and
 * a later entry replaces an earlier one of the same name, at the place of the earlier one. Entries
 * marked as literal are not expanded.
 */
export function expandEnv(
  entries: readonly EnvEntry[],
  fields: FieldValues,
): Map<string, string> {
  const values = new Map<string, string>();
  for (const entry of entries) {
    values.set(
      entry.name,
      toFieldValue(entry.field, fields) ??
        (entry.literal ? entry.value : expandReferences(entry.value, values)),
    );
  }
  return values;
}

/** Returns undefined when the entry has a value of its own. */
function toFieldValue(
  field: EnvField,
  { podIps, hostIps }: FieldValues,
): string | undefined {
  switch (field) {
    case EnvField.POD_IP:
      return podIps[0] ?? "";
    case EnvField.POD_IPS:
      return podIps.join(",");
    case EnvField.HOST_IP:
      return hostIps[0] ?? "";
    case EnvField.HOST_IPS:
      return hostIps.join(",");
    default:
      return undefined;
  }
}
