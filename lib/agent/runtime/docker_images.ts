// SPDX-License-Identifier: Apache-2.0
/** Images on a Docker engine. */
import { AranyaError, hasCode } from "../../shared/base/mod.ts";
import type { RegistryCredential } from "../../shared/wire/mod.ts";
import {
  type DockerClient,
  inspectImage,
  pullImage,
  type RegistryLogin,
} from "../docker/mod.ts";
import type { ImageRequest, ImageRuntime } from "./runtime.ts";

const DEFAULT_REGISTRY = "docker.io";
/** Names under which credentials of the default registry are kept. */
const DEFAULT_REGISTRY_NAMES = [
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
];

/** Images on one engine. */
export class DockerImages implements ImageRuntime {
  readonly #client: DockerClient;

  constructor(client: DockerClient) {
    this.#client = client;
  }

  async ensureImage(
    request: ImageRequest,
    signal: AbortSignal,
  ): Promise<{ imageId: string; pulled: boolean }> {
    const { image, policy } = request;
    if (policy !== "always") {
      const imageId = await this.#findImage(image);
      if (imageId !== undefined) return { imageId, pulled: false };
      if (policy === "never") {
        throw new AranyaError(
          "not_found",
          `Cannot use image "${image}": it is not on the device and its pull policy is Never`,
        );
      }
    }
    await this.#pullImage(request, signal);
    const { Id: imageId } = await inspectImage(this.#client, image);
    return { imageId, pulled: true };
  }

  /** Returns the image's id; undefined when it is not on the engine. */
  async #findImage(image: string): Promise<string | undefined> {
    try {
      return (await inspectImage(this.#client, image)).Id;
    } catch (error) {
      if (hasCode(error, "not_found")) return undefined;
      throw error;
    }
  }

  /**
   * Tries each login that matches, the most specific first, and then no login.
   * @throws the first error, when all fail
   */
  async #pullImage(
    { image, credentials }: ImageRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const name = addDefaultTag(image);
    let failure: unknown;
    for (const login of [...matchCredentials(image, credentials), undefined]) {
      try {
        return await pullImage(this.#client, { image: name, login, signal });
      } catch (error) {
        signal.throwIfAborted();
        failure ??= error;
      }
    }
    throw failure;
  }
}

/** Adds ":latest" to a name without tag and digest, of which the engine would pull every tag. */
export function addDefaultTag(image: string): string {
  if (image.includes("@")) return image;
  const last = image.slice(image.lastIndexOf("/") + 1);
  return last.includes(":") ? image : `${image}:latest`;
}

/** Returns the logins that match an image's registry and path, the most specific first. */
export function matchCredentials(
  image: string,
  credentials: RegistryCredential[],
): RegistryLogin[] {
  const path = toRegistryPath(image);
  const matches = credentials.flatMap((credential) => {
    const prefix = toCredentialPrefix(credential.registry);
    return matchesPrefix(path, prefix)
      ? [{ credential, length: prefix.length }]
      : [];
  });
  matches.sort((left, right) => right.length - left.length);
  return matches.map(({ credential }) => ({
    server: credential.registry,
    username: credential.username,
    password: credential.password,
    identityToken: credential.identityToken,
  }));
}

/**
 * Returns whether a path has a prefix, of which each part of the host may contain `*`, as in
 * `*.r.example` (kubelet, pkg/credentialprovider).
 */
function matchesPrefix(path: string, prefix: string): boolean {
  const [host = "", ...parts] = path.split("/");
  const [hostPattern = "", ...expected] = prefix.split("/");
  return matchesHost(host, hostPattern) &&
    expected.every((part, index) => parts[index] === part);
}

function matchesHost(host: string, pattern: string): boolean {
  if (!pattern.includes("*")) return host === pattern;
  const expression = pattern
    .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^.:]*");
  return new RegExp(`^${expression}$`).test(host);
}

/**
 * Returns registry and path of an image's name. By Docker's rule a first part with a dot or colon,
 * or "localhost", is the registry.
 */
function toRegistryPath(image: string): string {
  const name = (image.split("@")[0] ?? image).replace(/:[^/:]*$/, "");
  const [first = "", ...rest] = name.split("/");
  const hasRegistry = rest.length > 0 && /[.:]|^localhost$/.test(first);
  if (hasRegistry) return name;
  return `${DEFAULT_REGISTRY}/${rest.length > 0 ? name : `library/${name}`}`;
}

/**
 * Returns registry and path of a credential's key in a Docker config file, e.g.
 * "https://r.example/v1/".
 */
function toCredentialPrefix(registry: string): string {
  const [host = "", ...path] = registry
    .replace(/^https?:\/\//, "").replace(/\/v[12]\/?$|\/$/, "").split("/");
  const known = DEFAULT_REGISTRY_NAMES.includes(host) ? DEFAULT_REGISTRY : host;
  return [known, ...path].join("/");
}
