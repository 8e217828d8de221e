// SPDX-License-Identifier: Apache-2.0
/** Credentials of image registries, from the Secrets that a pod names. A missing one is an Event, never an obstacle. */
import { fromUtf8 } from "../../shared/base/mod.ts";
import type { Pod, Secret } from "../kube/mod.ts";
import {
  create,
  type RegistryCredential,
  RegistryCredentialSchema,
} from "../../shared/wire/mod.ts";
import { type Findings, type PodLookups, refKey } from "./lookups.ts";

/** Reads all pull secrets of a pod. */
export function registryCredentials(
  pod: Pod,
  { lookups, findings }: { lookups: PodLookups; findings: Findings },
): RegistryCredential[] {
  const { namespace = "" } = pod.metadata;
  const missing: string[] = [];
  const credentials: RegistryCredential[] = [];
  for (const { name = "" } of pod.spec.imagePullSecrets ?? []) {
    if (name === "") continue;
    findings.refs.add(refKey("Secret", { namespace, name }));
    const found = lookups.secret(namespace, name);
    const parsed = found && readSecret(found);
    if (parsed) credentials.push(...parsed);
    else missing.push(name);
  }
  if (missing.length > 0) {
    findings.warnings.push({
      reason: "FailedToRetrieveImagePullSecret",
      message: `Unable to retrieve some image pull secrets (${
        missing.join(", ")
      }); attempting to pull the image may not succeed.`,
    });
  }
  return credentials;
}

type Auths = Record<string, Record<string, unknown>>;

/** Undefined: it is of another type or can't be read. */
function readSecret(secret: Secret): RegistryCredential[] | undefined {
  const modern = secret.data?.[".dockerconfigjson"];
  const legacy = secret.data?.[".dockercfg"];
  try {
    if (modern !== undefined) {
      const { auths } = JSON.parse(decode(modern)) as { auths?: Auths };
      return toCredentials(auths ?? {});
    }
    if (legacy === undefined) return undefined;
    return toCredentials(JSON.parse(decode(legacy)) as Auths);
  } catch {
    // The caller tells the user; the content must not get into a message.
    return undefined;
  }
}

function toCredentials(auths: Auths): RegistryCredential[] {
  return Object.entries(auths).map(([registry, entry]) => {
    const { auth, username, password, identitytoken } = entry;
    const decoded = typeof auth === "string" ? decode(auth) : "";
    const colon = decoded.indexOf(":");
    return create(RegistryCredentialSchema, {
      registry,
      username: text(username) ?? decoded.slice(0, Math.max(0, colon)),
      password: text(password) ?? (colon < 0 ? "" : decoded.slice(colon + 1)),
      identityToken: text(identitytoken) ?? "",
    });
  });
}

function decode(base64: string): string {
  return fromUtf8(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
