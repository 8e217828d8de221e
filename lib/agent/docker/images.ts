// SPDX-License-Identifier: Apache-2.0
/** Calls about images. */
import { AranyaError, onAbort, utf8 } from "../../shared/base/mod.ts";
import type { DockerClient } from "./client.ts";
import { readJsonLines } from "./json_lines.ts";
import type { ImageInspect, ImageListItem } from "./shapes.ts";

const PULL_START_TIMEOUT_MS = 120_000;
/** As containerd's `image_pull_progress_timeout`. */
const PULL_STALL_TIMEOUT_MS = 300_000;
const REMOVE_TIMEOUT_MS = 120_000;

/** Credentials for a registry: username and password, or a token. */
export interface RegistryLogin {
  server: string;
  username: string;
  password: string;
  /** Used instead of username and password unless empty. */
  identityToken: string;
}

/** Returns the state of an image, by name or id. @throws {AranyaError} code "not_found" */
export function inspectImage(
  client: DockerClient,
  image: string,
): Promise<ImageInspect> {
  return client.request({
    method: "GET",
    path: `/images/${encodeURIComponent(image)}/json`,
    action: `Cannot inspect image "${image}"`,
  });
}

/** Returns all images on the engine that are not only layers of others. */
export function listImages(client: DockerClient): Promise<ImageListItem[]> {
  return client.request({
    method: "GET",
    path: "/images/json",
    action: "Cannot list images",
  });
}

/**
 * Removes a name of an image, or the image by its id; with its last name the image is removed.
 * @throws {AranyaError} code "not_found", or "conflict" when a container uses it
 */
export async function removeImage(
  client: DockerClient,
  image: string,
): Promise<void> {
  await client.request({
    method: "DELETE",
    path: `/images/${encodeURIComponent(image)}`,
    action: `Cannot remove image "${image}"`,
    timeoutMs: REMOVE_TIMEOUT_MS,
  });
}

/** Options of {@linkcode pullImage}. */
export interface PullImageOptions {
  /** Name with tag or digest. */
  image: string;
  login?: RegistryLogin | undefined;
  /** Gives up after this time without any progress, in milliseconds. @default 300000 */
  stallTimeoutMs?: number;
  signal?: AbortSignal | undefined;
}

/**
 * Pulls an image; resolves when it is on the engine.
 * @throws {AranyaError} code "not_found", "unauthorized", "invalid" or "unavailable", with the
 * engine's sentence; "unavailable" when there is no progress
 */
export async function pullImage(
  client: DockerClient,
  options: PullImageOptions,
): Promise<void> {
  const { image, login, stallTimeoutMs = PULL_STALL_TIMEOUT_MS } = options;
  const action = `Cannot pull image "${image}"`;
  const controller = new AbortController();
  const { signal } = controller;
  using _listener = onAbort(
    options.signal,
    (reason) => controller.abort(reason),
  );
  const progress = await client.stream({
    method: "POST",
    path: "/images/create",
    query: { fromImage: image },
    headers: login ? { "x-registry-auth": encodeLogin(login) } : {},
    action,
    timeoutMs: PULL_START_TIMEOUT_MS,
    signal,
  }).catch((error) => {
    throw refinePullError(error, action);
  });
  const onStall = () =>
    controller.abort(
      new AranyaError(
        "unavailable",
        `${action}: no progress for ${stallTimeoutMs} ms`,
      ),
    );
  let timer = setTimeout(onStall, stallTimeoutMs);
  try {
    for await (const line of readJsonLines<{ error?: string }>(progress)) {
      clearTimeout(timer);
      if (line.error !== undefined) throw toPullError(line.error, action);
      timer = setTimeout(onStall, stallTimeoutMs);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Loads images from a tar archive of the form that `docker save` writes. */
export async function loadImage(
  client: DockerClient,
  archive: Uint8Array,
): Promise<void> {
  const action = "Cannot load image";
  const progress = await client.stream({
    method: "POST",
    path: "/images/load",
    query: { quiet: true },
    body: archive,
    action,
  });
  for await (const line of readJsonLines<{ error?: string }>(progress)) {
    if (line.error !== undefined) {
      throw new AranyaError("internal", `${action}: ${line.error}`);
    }
  }
}

/**
 * Encodes a login for the header X-Registry-Auth: JSON as base64url (Engine API, "Authentication").
 */
function encodeLogin(login: RegistryLogin): string {
  const json = JSON.stringify(
    login.identityToken === ""
      ? {
        username: login.username,
        password: login.password,
        serveraddress: login.server,
      }
      : { identitytoken: login.identityToken, serveraddress: login.server },
  );
  return btoa(String.fromCharCode(...utf8(json)))
    .replaceAll("+", "-").replaceAll("/", "_");
}

/**
 * The engine returns status 500 for most errors of a registry; only its message differs.
 */
function refinePullError(error: unknown, action: string): unknown {
  if (!(error instanceof AranyaError) || error.code !== "internal") {
    return error;
  }
  return toPullError(error.message.slice(action.length + 2), action);
}

function toPullError(text: string, action: string): AranyaError {
  const code = /unauthorized|authentication required|denied/i.test(text)
    ? "unauthorized"
    : /not found|manifest unknown|does not exist/i.test(text)
    ? "not_found"
    : /invalid reference/i.test(text)
    ? "invalid"
    : "unavailable";
  return new AranyaError(code, `${action}: ${text}`);
}
