// SPDX-License-Identifier: Apache-2.0
/**
 * Address and credentials of the API server, from a kubeconfig or from the pod's service account.
 */
import { parse } from "yaml";
import { AranyaError, defined } from "../../shared/base/mod.ts";

/** What a connection to the API server needs. Certificates and keys are PEM. */
export interface Credentials {
  /** https URL without a slash at the end. */
  server: string;
  /** CA of the server's certificate. Undefined: those of the system. */
  ca?: string;
  /** Client certificate. */
  cert?: string;
  /** Private key of the client certificate. */
  key?: string;
  /** Value of the Authorization header, when it never changes. */
  authorization?: string;
  /** File with a bearer token that is replaced from time to time. */
  tokenFile?: string;
  /** Name in the server's certificate, when it isn't the host of the URL. */
  serverName?: string;
  /** Accepts any certificate of the server. */
  insecure: boolean;
  namespace?: string;
}

/** Options of {@linkcode loadKubeconfig}. */
export interface LoadKubeconfigOptions {
  file: string;
  /** @default the kubeconfig's `current-context` */
  context?: string | undefined;
}

/** Options of {@linkcode loadServiceAccount}. */
export interface LoadServiceAccountOptions {
  /** Folder with the files "token", "ca.crt" and "namespace". */
  dir: string;
  /** "host:port" of the API server. */
  server: string;
}

type Json = Record<string, unknown>;

/** A parsed kubeconfig, its path, and its error. */
interface Kubeconfig {
  file: string;
  content: Json;
  fail(state: string, cause?: unknown): AranyaError;
}

/**
 * Reads a kubeconfig, and the certificate, key and token files that it names. Credential plugins
 * (`exec`, `auth-provider`) are run by the official client, which is loaded only for them because
 * it takes 80 MB of memory.
 * @throws {AranyaError} code "invalid"; the text names the file and the entry
 */
export async function loadKubeconfig(
  options: LoadKubeconfigOptions,
): Promise<Credentials> {
  const config = await readKubeconfig(options.file);
  const { content, fail } = config;
  const contextName = options.context ?? toText(content["current-context"]);
  if (!contextName) throw fail("it has no current-context");
  const context = findEntry(config, { kind: "context", name: contextName });
  const cluster = findEntry(config, { kind: "cluster", name: context.cluster });
  const user = findEntry(config, { kind: "user", name: context.user });
  const hasPlugin = user.exec !== undefined ||
    user["auth-provider"] !== undefined;
  return {
    ...await readCluster(config, cluster),
    ...defined({ namespace: toText(context.namespace) }),
    ...hasPlugin
      ? await runPlugin(config, contextName)
      : await readUser(config, user),
  };
}

/**
 * Reads the files of the pod's service account. The token is read by the transport, since the
 * kubelet replaces it.
 * @throws {AranyaError} code "invalid"; the text names the file
 */
export async function loadServiceAccount(
  options: LoadServiceAccountOptions,
): Promise<Credentials> {
  const read = async (name: string) => {
    const path = `${options.dir}/${name}`;
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      throw new AranyaError(
        "invalid",
        `Cannot read service account file ${JSON.stringify(path)}: ${
          toReason(error)
        }, expected a kubeconfig or to run in a pod`,
        { cause: error },
      );
    }
  };
  // Fails early when there is no token.
  await read("token");
  return {
    server: `https://${options.server}`,
    ca: await read("ca.crt"),
    tokenFile: `${options.dir}/token`,
    insecure: false,
    namespace: (await read("namespace")).trim(),
  };
}

async function readKubeconfig(file: string): Promise<Kubeconfig> {
  const fail = (state: string, cause?: unknown) =>
    new AranyaError(
      "invalid",
      `Cannot read kubeconfig ${JSON.stringify(file)}: ${state}`,
      { cause },
    );
  try {
    const content = toObject(parse(await Deno.readTextFile(file)));
    return { file, content, fail };
  } catch (error) {
    throw fail(toReason(error), error);
  }
}

/** Returns `contexts[].context`, `clusters[].cluster` or `users[].user` of this name. */
function findEntry(
  { content, fail }: Kubeconfig,
  { kind, name }: { kind: "context" | "cluster" | "user"; name: unknown },
): Json {
  const list = content[`${kind}s`];
  const entry = Array.isArray(list)
    ? list.map(toObject).find((item) => item.name === name)
    : undefined;
  if (!entry) throw fail(`it has no ${kind} ${JSON.stringify(name ?? "")}`);
  return toObject(entry[kind]);
}

async function readCluster(
  config: Kubeconfig,
  cluster: Json,
): Promise<Pick<Credentials, "server" | "ca" | "serverName" | "insecure">> {
  const { fail } = config;
  if (cluster["proxy-url"] !== undefined) {
    throw fail("its cluster has a proxy-url, which is not supported");
  }
  const server = toText(cluster.server) ?? "";
  if (!URL.canParse(server) || !server.startsWith("https://")) {
    const state = `its cluster has the server ${JSON.stringify(server)}`;
    throw fail(`${state}, expected an https URL`);
  }
  const ca = await readPem(config, {
    entry: cluster,
    key: "certificate-authority",
  });
  return {
    server: server.replace(/\/+$/, ""),
    ...defined({ ca, serverName: toText(cluster["tls-server-name"]) }),
    insecure: cluster["insecure-skip-tls-verify"] === true,
  };
}

async function readUser(
  config: Kubeconfig,
  user: Json,
): Promise<Partial<Credentials>> {
  const tokenFile = toText(user.tokenFile);
  return defined({
    cert: await readPem(config, { entry: user, key: "client-certificate" }),
    key: await readPem(config, { entry: user, key: "client-key" }),
    authorization: tokenFile ? undefined : toAuthorization(user),
    tokenFile: tokenFile && resolvePath(config.file, tokenFile),
  });
}

/** Returns the PEM in `<key>-data`, or of the file that `<key>` names. */
async function readPem(
  { file, fail }: Kubeconfig,
  { entry, key }: { entry: Json; key: string },
): Promise<string | undefined> {
  const data = toText(entry[`${key}-data`]);
  const path = toText(entry[key]);
  if (!data && !path) return undefined;
  let text: string;
  try {
    text = data
      ? atob(data.replace(/\s+/g, ""))
      : await Deno.readTextFile(resolvePath(file, path ?? ""));
  } catch (error) {
    throw fail(
      data
        ? `${key}-data is not base64`
        : `${key} ${JSON.stringify(path)}: ${toReason(error)}`,
      error,
    );
  }
  if (!text.includes("-----BEGIN ")) throw fail(`${key} is not PEM`);
  return text;
}

function toAuthorization(user: Json): string | undefined {
  const token = toText(user.token);
  if (token) return `Bearer ${token}`;
  const username = toText(user.username);
  if (!username) return undefined;
  return `Basic ${btoa(`${username}:${toText(user.password) ?? ""}`)}`;
}

/** The properties that the official client sets: options of a `node:https` request. */
interface HttpsOptions {
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  headers?: { Authorization?: string };
}

/** Has the official client run the credential plugin of the context's user. */
async function runPlugin(
  { file, fail }: Kubeconfig,
  context: string,
): Promise<Partial<Credentials>> {
  const options: HttpsOptions = {};
  try {
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    config.loadFromFile(file);
    config.setCurrentContext(context);
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw fail(
      `its credential plugin failed: ${toReason(error)}`,
      error,
    );
  }
  const { cert, key, headers } = options;
  return defined({
    cert: cert === undefined ? undefined : String(cert),
    key: key === undefined ? undefined : String(key),
    authorization: headers?.Authorization,
  });
}

/** Resolves a path relative to the folder of the kubeconfig. */
function resolvePath(file: string, path: string): string {
  if (path.startsWith("/")) return path;
  const slash = file.lastIndexOf("/");
  return slash < 0 ? path : `${file.slice(0, slash)}/${path}`;
}

function toObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function toText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function toReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "the file does not exist";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "no permission to read it";
  }
  return error instanceof Error
    ? error.message.split("\n")[0] ?? error.name
    : String(error);
}
