// SPDX-License-Identifier: Apache-2.0
/** Calls about images. */
import { AranyaError, fromUtf8 } from "../../shared/base/mod.ts";
import type { DockerClient } from "./client.ts";
import { readJsonLines } from "./json_lines.ts";
import type { ImageInspect } from "./shapes.ts";

/** A registry login. */
export interface RegistryLogin {
  server: string;
  username: string;
  password: string;
  /** In the place of username and password. */
  identityToken: string;
}

/** What the engine knows of one image, by name or id. @throws {AranyaError} "not_found" */
export function inspectImage(
  client: DockerClient,
  image: string,
): Promise<ImageInspect> {
  return client.request({
    method: "GET",
    path: `/images/${encodeURIComponent(image)}/json`,
    action: `Cannot find image "${image}"`,
  });
}

/** Options of {@linkcode pullImage}. */
export interface PullImageOptions {
  /** Name with tag or digest. */
  image: string;
  login?: RegistryLogin | undefined;
  signal?: AbortSignal | undefined;
}

/** Pulls an image to its end. @throws {AranyaError} "not_found", "unauthorized", "unavailable" with the engine's sentence */
export async function pullImage(
  client: DockerClient,
  options: PullImageOptions,
): Promise<void> {
  const action = `Cannot pull image "${options.image}"`;
  const lines = await client.stream({
    method: "POST",
    path: "/images/create",
    query: { fromImage: options.image },
    headers: options.login ? { "x-registry-auth": encode(options.login) } : {},
    action,
    timeoutMs: 120_000,
    signal: options.signal,
  }).catch((error) => {
    throw refine(error, action);
  });
  for await (const line of readJsonLines<{ error?: string }>(lines)) {
    if (line.error !== undefined) throw pullFailure(line.error, action);
  }
}

/** Loads images from a tar archive as `docker save` makes it. */
export async function loadImage(
  client: DockerClient,
  archive: Uint8Array,
): Promise<void> {
  const action = "Cannot load image";
  const lines = await client.stream({
    method: "POST",
    path: "/images/load",
    query: { quiet: true },
    body: archive,
    action,
  });
  for await (const line of readJsonLines<{ error?: string }>(lines)) {
    if (line.error !== undefined) {
      throw new AranyaError("internal", `${action}: ${line.error}`);
    }
  }
}

function encode(login: RegistryLogin): string {
  const json = JSON.stringify(
    login.identityToken === ""
      ? {
        username: login.username,
        password: login.password,
        serveraddress: login.server,
      }
      : { identitytoken: login.identityToken, serveraddress: login.server },
  );
  return btoa(
    String.fromCharCode(...new TextEncoder().encode(json)),
  ).replaceAll("+", "-").replaceAll("/", "_");
}

/** The engine answers 500 for most of what a registry may say; its sentence tells more. */
function refine(error: unknown, action: string): unknown {
  if (!(error instanceof AranyaError) || error.code !== "internal") {
    return error;
  }
  return pullFailure(error.message.slice(action.length + 2), action);
}

function pullFailure(text: string, action: string): AranyaError {
  const code = /unauthorized|authentication required|denied/i.test(text)
    ? "unauthorized"
    : /not found|manifest unknown|does not exist/i.test(text)
    ? "not_found"
    : /invalid reference/i.test(text)
    ? "invalid"
    : "unavailable";
  return new AranyaError(code, `${action}: ${text}`);
}

/** For tests of what is sent: the inverse of the login's encoding. */
export function decodeLogin(header: string): unknown {
  const bytes = Uint8Array.from(
    atob(header.replaceAll("-", "+").replaceAll("_", "/")),
    (character) => character.charCodeAt(0),
  );
  return JSON.parse(fromUtf8(bytes));
}
