// SPDX-License-Identifier: Apache-2.0
/** Address and credentials of the API server, from kubeconfigs. */
import { parse } from "yaml";
import { AranyaError, defined, toFileReason } from "../../shared/base/mod.ts";
import { runCredentialPlugin } from "./credential_plugin.ts";
import type { Credentials } from "./credentials.ts";

/** Options of {@linkcode loadKubeconfig}. */
export interface LoadKubeconfigOptions {
  /** Paths. Of several, those that don't exist are left out, as with KUBECONFIG. */
  files: readonly string[];
  /** @default the kubeconfig's `current-context` */
  context?: string | undefined;
}

type Json = Record<string, unknown>;

/** The content of one file. */
interface ParsedFile {
  file: string;
  content: Json;
}

/** A context, cluster or user, and the file that it stands in. */
interface Entry extends ParsedFile {
  kind: EntryKind;
  name: string;
}

type EntryKind = "context" | "cluster" | "user";

/**
 * Reads kubeconfigs, and the certificate, key and token files that they name. Several files are
 * merged as kubectl does: the first one that has an entry of a name, or a current context, wins;
 * paths are relative to the file in which they stand. A credential plugin (`exec`) is run.
 * @throws {AranyaError} code "invalid"; the text names the file and the entry
 */
export async function loadKubeconfig(
  { files, context }: LoadKubeconfigOptions,
): Promise<Credentials> {
  const config = new MergedConfig(files.join(":"), await readFiles(files));
  const contextName = context ?? config.currentContext;
  const chosen = config.find("context", contextName);
  const cluster = config.find("cluster", chosen.content.cluster);
  const user = config.find("user", chosen.content.user);
  const { exec } = user.content;
  return {
    ...await readCluster(cluster),
    ...readImpersonation(user),
    ...defined({ namespace: toText(chosen.content.namespace) }),
    ...exec === undefined
      ? await readUser(user)
      : await runPlugin(user, { exec: toObject(exec), cluster }),
  };
}

/** The entries of all files. */
class MergedConfig {
  readonly #paths: string;
  readonly #files: readonly ParsedFile[];

  constructor(paths: string, files: readonly ParsedFile[]) {
    this.#paths = paths;
    this.#files = files;
  }

  get currentContext(): string {
    for (const { content } of this.#files) {
      const name = toText(content["current-context"]);
      if (name) return name;
    }
    throw cannotRead(this.#paths, { state: "it has no current-context" });
  }

  /** Returns `contexts[].context`, `clusters[].cluster` or `users[].user` of this name. */
  find(kind: EntryKind, name: unknown): Entry {
    for (const { file, content } of this.#files) {
      const list = content[`${kind}s`];
      const found = Array.isArray(list)
        ? list.map(toObject).find((item) => item.name === name)
        : undefined;
      if (found) {
        return {
          file,
          kind,
          name: String(name),
          content: toObject(found[kind]),
        };
      }
    }
    const quoted = JSON.stringify(name ?? "");
    throw cannotRead(this.#paths, { state: `it has no ${kind} ${quoted}` });
  }
}

async function readFiles(files: readonly string[]): Promise<ParsedFile[]> {
  const parsed: ParsedFile[] = [];
  for (const file of files) {
    try {
      const content = toObject(parse(await Deno.readTextFile(file)));
      parsed.push({ file, content });
    } catch (error) {
      const isMissing = error instanceof Deno.errors.NotFound;
      if (isMissing && files.length > 1) continue;
      throw cannotRead(file, { state: toFileReason(error), cause: error });
    }
  }
  if (parsed.length > 0) return parsed;
  throw cannotRead(files.join(":"), { state: "none of these files exists" });
}

async function readCluster(
  cluster: Entry,
): Promise<
  Pick<Credentials, "server" | "ca" | "serverName" | "insecure" | "proxy">
> {
  const { content } = cluster;
  const server = toText(content.server) ?? "";
  if (!URL.canParse(server) || !server.startsWith("https://")) {
    throw cannotUse(cluster, {
      state: `its server is ${JSON.stringify(server)}, expected an https URL`,
    });
  }
  const ca = await readPem(cluster, "certificate-authority");
  return {
    server: server.replace(/\/+$/, ""),
    ...defined({
      ca,
      serverName: toText(content["tls-server-name"]),
      proxy: readProxy(cluster),
    }),
    insecure: content["insecure-skip-tls-verify"] === true,
  };
}

function readProxy(cluster: Entry): string | undefined {
  const proxy = toText(cluster.content["proxy-url"]);
  if (proxy === undefined || /^https?:\/\/[^/]/.test(proxy)) return proxy;
  throw cannotUse(cluster, {
    state: `its proxy-url is ${
      JSON.stringify(proxy)
    }, expected an http or https URL`,
  });
}

/** Returns the headers for `as`, `as-uid`, `as-groups` and `as-user-extra`. */
function readImpersonation(user: Entry): Pick<Credentials, "headers"> {
  const { content } = user;
  const name = toText(content.as);
  const uid = toText(content["as-uid"]);
  const groups = toTexts(content["as-groups"]);
  const extra = Object.entries(toObject(content["as-user-extra"]));
  if (!name) {
    if (!uid && groups.length === 0 && extra.length === 0) return {};
    throw cannotUse(user, {
      state: "it has as-uid, as-groups or as-user-extra, expected also as",
    });
  }
  const headers: Record<string, string | string[]> = {
    "impersonate-user": name,
  };
  if (uid) headers["impersonate-uid"] = uid;
  if (groups.length > 0) headers["impersonate-group"] = groups;
  for (const [key, values] of extra) {
    headers[`impersonate-extra-${toHeaderName(key)}`] = toTexts(values);
  }
  return { headers };
}

/** Encodes a key for a header name, which can't hold every character; the API server decodes it. */
function toHeaderName(key: string): string {
  return encodeURIComponent(key).replace(
    /[()]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  ).toLowerCase();
}

async function readUser(user: Entry): Promise<Partial<Credentials>> {
  const { content, file } = user;
  if (content["auth-provider"] !== undefined) {
    throw cannotUse(user, {
      state: "it has an auth-provider, which is not supported, expected exec",
    });
  }
  const tokenFile = toText(content.tokenFile);
  return defined({
    cert: await readPem(user, "client-certificate"),
    key: await readPem(user, "client-key"),
    authorization: tokenFile ? undefined : toAuthorization(content),
    tokenFile: tokenFile && resolvePath(file, tokenFile),
  });
}

async function runPlugin(
  user: Entry,
  { exec, cluster }: { exec: Json; cluster: Entry },
): Promise<Partial<Credentials>> {
  const command = toText(exec.command) ?? "";
  try {
    return await runCredentialPlugin({
      // A bare name is looked up in PATH.
      command: command.includes("/")
        ? resolvePath(user.file, command)
        : command,
      args: toTexts(exec.args),
      env: Object.fromEntries(
        (Array.isArray(exec.env) ? exec.env : []).map(toObject).map((
          { name, value },
        ) => [String(name), String(value ?? "")]),
      ),
      apiVersion: toText(exec.apiVersion) ?? "",
      ...defined({
        installHint: toText(exec.installHint),
        cluster: exec.provideClusterInfo === true
          ? await toClusterInfo(cluster)
          : undefined,
      }),
      isInteractive: exec.interactiveMode === "Always",
    });
  } catch (error) {
    throw cannotUse(user, { state: toFileReason(error), cause: error });
  }
}

/** Returns `spec.cluster` of an ExecCredential. */
async function toClusterInfo(cluster: Entry): Promise<Json> {
  const { server, ca, serverName, insecure, proxy } = await readCluster(
    cluster,
  );
  const { extensions } = cluster.content;
  const extension = (Array.isArray(extensions) ? extensions : []).map(toObject)
    .find(({ name }) => name === "client.authentication.k8s.io/exec");
  return defined({
    server,
    "certificate-authority-data": ca && btoa(ca),
    "tls-server-name": serverName,
    "insecure-skip-tls-verify": insecure || undefined,
    "proxy-url": proxy,
    config: extension?.extension,
  });
}

/** Returns the PEM in `<key>-data`, or of the file that `<key>` names. */
async function readPem(
  entry: Entry,
  key: string,
): Promise<string | undefined> {
  const data = toText(entry.content[`${key}-data`]);
  const path = toText(entry.content[key]);
  if (!data && !path) return undefined;
  let text: string;
  try {
    text = data
      ? atob(data.replace(/\s+/g, ""))
      : await Deno.readTextFile(resolvePath(entry.file, path ?? ""));
  } catch (error) {
    throw cannotUse(entry, {
      state: data
        ? `${key}-data is not base64`
        : `${key} ${JSON.stringify(path)}: ${toFileReason(error)}`,
      cause: error,
    });
  }
  if (!text.includes("-----BEGIN ")) {
    throw cannotUse(entry, { state: `${key} is not PEM` });
  }
  return text;
}

function toAuthorization(user: Json): string | undefined {
  const token = toText(user.token);
  if (token) return `Bearer ${token}`;
  const username = toText(user.username);
  if (!username) return undefined;
  return `Basic ${btoa(`${username}:${toText(user.password) ?? ""}`)}`;
}

/** Resolves a path relative to the folder of the kubeconfig. */
function resolvePath(file: string, path: string): string {
  if (path.startsWith("/")) return path;
  const slash = file.lastIndexOf("/");
  return slash < 0 ? path : `${file.slice(0, slash)}/${path}`;
}

/** What is wrong with a file or an entry. */
interface Problem {
  state: string;
  cause?: unknown;
}

function cannotRead(file: string, { state, cause }: Problem): AranyaError {
  return new AranyaError(
    "invalid",
    `Cannot read kubeconfig ${JSON.stringify(file)}: ${state}`,
    { cause },
  );
}

function cannotUse(
  { file, kind, name }: Entry,
  { state, cause }: Problem,
): AranyaError {
  const entry = `${kind} ${JSON.stringify(name)}`;
  return cannotRead(file, { state: `${entry}: ${state}`, cause });
}

function toObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function toText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function toTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
