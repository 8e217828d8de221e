// SPDX-License-Identifier: Apache-2.0
/** Where the API server is and how we prove who we are: a kubeconfig file, or the account of the pod that we run in. */
import { parse } from "yaml";
import { AranyaError } from "../base/mod.ts";

/** What a connection needs. Certificates and keys are PEM. */
export interface Credentials {
  /** https URL without a slash at its end. */
  server: string;
  /** Absent: the system's authorities. */
  ca?: string;
  cert?: string;
  key?: string;
  /** Value of the Authorization header, when it does not change. */
  authorization?: string;
  /** File that holds a bearer token and is changed from time to time. */
  tokenFile?: string;
  /** Name that the server's certificate must bear, when it is not the URL's. */
  serverName?: string;
  insecure: boolean;
  namespace?: string;
}

/** Options of {@linkcode loadKubeconfig}. */
export interface LoadKubeconfigOptions {
  file: string;
  context?: string | undefined;
}

/** Options of {@linkcode loadAccount}. */
export interface LoadAccountOptions {
  dir: string;
  /** host:port */
  server: string;
}

type Json = Record<string, unknown>;

/** Reads a kubeconfig. @throws {AranyaError} code "invalid" naming file and entry */
export async function loadKubeconfig(
  options: LoadKubeconfigOptions,
): Promise<Credentials> {
  const { file } = options;
  const fail = (state: string, cause?: unknown) =>
    new AranyaError(
      "invalid",
      `Cannot read kubeconfig ${JSON.stringify(file)}: ${state}`,
      { cause },
    );
  let document: unknown;
  try {
    document = parse(await Deno.readTextFile(file));
  } catch (error) {
    throw fail(reasonOf(error), error);
  }
  const config = asObject(document);
  const contextName = options.context ?? asText(config["current-context"]);
  if (!contextName) throw fail("it names no current context");
  const context = find(config.contexts, { name: contextName, key: "context" });
  if (!context) throw fail(`it has no context ${JSON.stringify(contextName)}`);
  const clusterName = asText(context.cluster) ?? "";
  const cluster = find(config.clusters, { name: clusterName, key: "cluster" });
  if (!cluster) throw fail(`it has no cluster ${JSON.stringify(clusterName)}`);
  const userName = asText(context.user) ?? "";
  const user = find(config.users, { name: userName, key: "user" });
  if (!user) throw fail(`it has no user ${JSON.stringify(userName)}`);
  refuseUnsupported({ cluster, user, fail });
  const material = async (source: Json, name: string) => {
    const data = asText(source[`${name}-data`]);
    if (data) {
      return decodeBase64(data, () => fail(`${name}-data isn't base64`));
    }
    const path = asText(source[name]);
    if (!path) return undefined;
    try {
      return await Deno.readTextFile(besides(file, path));
    } catch (error) {
      throw fail(`${name} ${JSON.stringify(path)}: ${reasonOf(error)}`, error);
    }
  };
  const tokenFile = asText(user.tokenFile);
  return defined({
    server: checkServer(asText(cluster.server), fail),
    ca: await material(cluster, "certificate-authority"),
    cert: await material(user, "client-certificate"),
    key: await material(user, "client-key"),
    authorization: tokenFile ? undefined : authorizationOf(user),
    tokenFile: tokenFile ? besides(file, tokenFile) : undefined,
    serverName: asText(cluster["tls-server-name"]),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    namespace: asText(context.namespace),
  });
}

/** Reads the files that Kubernetes puts into each pod. @throws {AranyaError} code "invalid" naming the file */
export async function loadAccount(
  options: LoadAccountOptions,
): Promise<Credentials> {
  const read = async (name: string) => {
    const path = `${options.dir}/${name}`;
    try {
      return await Deno.readTextFile(path);
    } catch (error) {
      throw new AranyaError(
        "invalid",
        `Cannot read service account file ${JSON.stringify(path)}: ${
          reasonOf(error)
        }, expected a kubeconfig or to run in a pod`,
        { cause: error },
      );
    }
  };
  await read("token");
  return {
    server: `https://${options.server}`,
    ca: await read("ca.crt"),
    tokenFile: `${options.dir}/token`,
    insecure: false,
    namespace: (await read("namespace")).trim(),
  };
}

/** Names what we can't do instead of failing later with something unclear. */
function refuseUnsupported(
  { cluster, user, fail }: {
    cluster: Json;
    user: Json;
    fail: (state: string) => AranyaError;
  },
): void {
  if (user.exec !== undefined || user["auth-provider"] !== undefined) {
    throw fail(
      "its user gets credentials from a program, expected a certificate or a token: the operator runs no programs",
    );
  }
  if (cluster["proxy-url"] !== undefined) {
    throw fail("its cluster has a proxy-url, expected a direct way");
  }
}

function authorizationOf(user: Json): string | undefined {
  const token = asText(user.token);
  if (token) return `Bearer ${token}`;
  const username = asText(user.username);
  if (!username) return undefined;
  return `Basic ${btoa(`${username}:${asText(user.password) ?? ""}`)}`;
}

function checkServer(
  server: string | undefined,
  fail: (state: string) => AranyaError,
): string {
  if (!server || !URL.canParse(server) || !server.startsWith("https://")) {
    throw fail(
      `its cluster has the server ${
        JSON.stringify(server ?? "")
      }, expected an https URL`,
    );
  }
  return server.replace(/\/+$/, "");
}

function find(
  list: unknown,
  { name, key }: { name: string; key: string },
): Json | undefined {
  if (!Array.isArray(list)) return undefined;
  const entry = list.map(asObject).find((item) => item.name === name);
  return entry && asObject(entry[key]);
}

function besides(file: string, path: string): string {
  if (path.startsWith("/")) return path;
  const slash = file.lastIndexOf("/");
  return slash < 0 ? path : `${file.slice(0, slash)}/${path}`;
}

function decodeBase64(text: string, fail: () => AranyaError): string {
  try {
    return atob(text.replace(/\s+/g, ""));
  } catch {
    throw fail();
  }
}

function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "it isn't there";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "no permission to read it";
  }
  return error instanceof Error
    ? error.message.split("\n")[0] ?? error.name
    : String(error);
}

/** Leaves out keys without a value, as exact optional properties want it. */
function defined(
  fields: { [K in keyof Credentials]: Credentials[K] | undefined },
): Credentials {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as Credentials;
}
