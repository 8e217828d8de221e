// SPDX-License-Identifier: Apache-2.0
/** Credentials of image registries, from the pull secrets that a pod names. */
import { fromUtf8 } from "../../shared/base/mod.ts";
import type { Secret } from "../kube/mod.ts";
import {
  create,
  type RegistryCredential,
  RegistryCredentialSchema,
} from "../../shared/wire/mod.ts";
import { decodeBase64 } from "./file_content.ts";
import { refKey, type TranslationContext } from "./lookups.ts";

/**
 * Returns the credentials of all `imagePullSecrets` of a pod. As with the kubelet, a missing or
 * unreadable Secret is a warning and does not keep the pod from starting.
 */
export function readRegistryCredentials(
  { pod, lookups, findings }: TranslationContext,
): RegistryCredential[] {
  const { namespace = "" } = pod.metadata;
  const missing: string[] = [];
  const credentials: RegistryCredential[] = [];
  for (const { name = "" } of pod.spec.imagePullSecrets ?? []) {
    if (name === "") continue;
    findings.refs.add(refKey("Secret", { namespace, name }));
    const secret = lookups.findSecret(namespace, name);
    const parsed = secret && parsePullSecret(secret);
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

/** Entries of a Docker config file by registry. */
type DockerAuths = Record<string, Record<string, unknown>>;

/** Parses a Secret of either docker config type; undefined when it is of another type or broken. */
function parsePullSecret(secret: Secret): RegistryCredential[] | undefined {
  const modern = secret.data?.[".dockerconfigjson"];
  const legacy = secret.data?.[".dockercfg"];
  try {
    if (modern !== undefined) {
      const { auths } = JSON.parse(decodeText(modern)) as {
        auths?: DockerAuths;
      };
      return toCredentials(auths ?? {});
    }
    if (legacy === undefined) return undefined;
    return toCredentials(JSON.parse(decodeText(legacy)) as DockerAuths);
  } catch {
    // The caller records a warning; parser messages could quote the secret, so they are dropped.
    return undefined;
  }
}

function toCredentials(auths: DockerAuths): RegistryCredential[] {
  return Object.entries(auths).map(([registry, entry]) => {
    const { auth, username, password, identitytoken } = entry;
    // `auth` is base64 of "user:password"; explicit fields win over it.
    const decoded = typeof auth === "string" ? decodeText(auth) : "";
    const colon = decoded.indexOf(":");
    return create(RegistryCredentialSchema, {
      registry,
      username: toText(username) ?? decoded.slice(0, Math.max(0, colon)),
      password: toText(password) ??
        (colon < 0 ? "" : decoded.slice(colon + 1)),
      identityToken: toText(identitytoken) ?? "",
    });
  });
}

function decodeText(base64: string): string {
  return fromUtf8(decodeBase64(base64));
}

/** Returns a text that is not empty; undefined for anything else. */
function toText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
