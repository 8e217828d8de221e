// SPDX-License-Identifier: Apache-2.0
/** Images on a Docker engine. */
import { AranyaError } from "../../shared/base/mod.ts";
import {
  type DockerClient,
  inspectImage,
  pullImage,
  type RegistryLogin,
} from "../docker/mod.ts";
import type { RegistryCredential } from "../../shared/wire/mod.ts";
import type { ImageRequest } from "./runtime.ts";
import { isGone } from "./sandbox.ts";

const DEFAULT_REGISTRY = "docker.io";
/** Other names under which logins for the default registry are kept. */
const DEFAULT_REGISTRY_NAMES = [
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
];

/** See ImageRuntime.ensureImage. */
export async function ensureImage(
  client: DockerClient,
  request: ImageRequest,
  signal: AbortSignal,
): Promise<{ imageId: string; pulled: boolean }> {
  const { image, policy } = request;
  if (policy !== "always") {
    const imageId = await findImage(client, image);
    if (imageId !== undefined) return { imageId, pulled: false };
    if (policy === "never") {
      throw new AranyaError(
        "not_found",
        `Cannot use image "${image}": it is not on the device and its pull policy is Never`,
      );
    }
  }
  await pull(client, request, signal);
  const { Id } = await inspectImage(client, image);
  return { imageId: Id, pulled: true };
}

async function findImage(
  client: DockerClient,
  image: string,
): Promise<string | undefined> {
  try {
    return (await inspectImage(client, image)).Id;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** With each login that fits, the longest match first, then without one; the first failure of a login counts when all fail. */
async function pull(
  client: DockerClient,
  request: ImageRequest,
  signal: AbortSignal,
): Promise<void> {
  const image = withTag(request.image);
  const logins = matchCredentials(request.image, request.credentials);
  let failure: unknown;
  for (const login of [...logins, undefined]) {
    try {
      return await pullImage(client, { image, login, signal });
    } catch (error) {
      signal.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

/** The engine would pull every tag of a name without one. */
export function withTag(image: string): string {
  if (image.includes("@")) return image;
  const last = image.slice(image.lastIndexOf("/") + 1);
  return last.includes(":") ? image : `${image}:latest`;
}

/** Registry and path of an image name (Docker's rule: a first part with a dot or colon, or "localhost", is a registry). */
function registryPath(image: string): string {
  const name = (image.split("@")[0] ?? image).replace(/:[^/:]*$/, "");
  const [first = "", ...rest] = name.split("/");
  const registry = rest.length > 0 && /[.:]|^localhost$/.test(first);
  return registry
    ? name
    : `${DEFAULT_REGISTRY}/${rest.length > 0 ? name : `library/${name}`}`;
}

/** Logins for this image, most specific first. */
export function matchCredentials(
  image: string,
  credentials: RegistryCredential[],
): RegistryLogin[] {
  const path = registryPath(image);
  const fitting = credentials.flatMap((credential) => {
    const [host = "", ...parts] = credential.registry
      .replace(/^https?:\/\//, "").replace(/\/v[12]\/?$|\/$/, "").split("/");
    const known = DEFAULT_REGISTRY_NAMES.includes(host)
      ? DEFAULT_REGISTRY
      : host;
    const prefix = [known, ...parts].join("/");
    return path === prefix || path.startsWith(`${prefix}/`)
      ? [{ credential, length: prefix.length }]
      : [];
  });
  fitting.sort((left, right) => right.length - left.length);
  return fitting.map(({ credential }) => ({
    server: credential.registry,
    username: credential.username,
    password: credential.password,
    identityToken: credential.identityToken,
  }));
}
