// SPDX-License-Identifier: Apache-2.0
/** Where the API server is and how we prove who we are: a kubeconfig file, or the account of the pod that we run in. */
import type { KubeConfig } from "@kubernetes/client-node";
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
type Fail = (state: string, cause?: unknown) => AranyaError;

/**
 * Reads a kubeconfig with the official client, in all the forms that it knows (certificates, tokens, credential programs, OpenID Connect).
 * The client is loaded here and not at the top: it costs 80 MB, which an operator in a pod has no need of.
 * @throws {AranyaError} code "invalid" naming file and entry
 */
export async function loadKubeconfig(
  options: LoadKubeconfigOptions,
): Promise<Credentials> {
  const { file } = options;
  const fail: Fail = (state, cause) =>
    new AranyaError(
      "invalid",
      `Cannot read kubeconfig ${JSON.stringify(file)}: ${state}`,
      { cause },
    );
  const text = await Deno.readTextFile(file).catch((error) => {
    throw fail(reasonOf(error), error);
  });
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    throw fail(reasonOf(error), error);
  }
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const { server, tokenFile, namespace } = checkContext(config, {
    file,
    text,
    fail,
  });
  const material: Material = {};
  try {
    await config.applyToHTTPSOptions(material);
  } catch (error) {
    throw fail(
      `its user's credentials can't be had: ${reasonOf(error)}`,
      error,
    );
  }
  const pem = (value: Material["ca"], name: string) => {
    const found = value === undefined ? undefined : String(value);
    if (found !== undefined && !found.includes("-----BEGIN ")) {
      throw fail(`${name} is no PEM`);
    }
    return found;
  };
  const basic = material.auth && `Basic ${btoa(material.auth)}`;
  return defined({
    server,
    ca: pem(material.ca, "certificate-authority"),
    cert: pem(material.cert, "client-certificate"),
    key: pem(material.key, "client-key"),
    authorization: tokenFile
      ? undefined
      : material.headers?.Authorization ?? basic,
    tokenFile,
    serverName: material.servername,
    insecure: material.rejectUnauthorized === false,
    namespace,
  });
}

/** What the official client fills in: the options of a node:https request. */
interface Material {
  ca?: string | Uint8Array;
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  servername?: string;
  rejectUnauthorized?: boolean;
  auth?: string;
  headers?: { Authorization?: string };
}

/** What the official client lets pass without a word: missing entries, a proxy, a token file. */
function checkContext(
  config: KubeConfig,
  options: { file: string; text: string; fail: Fail },
): { server: string; tokenFile?: string; namespace?: string } {
  const { file, text, fail } = options;
  const name = config.getCurrentContext();
  if (!name) throw fail("it names no current context");
  const context = config.getContextObject(name);
  if (!context) throw fail(`it has no context ${JSON.stringify(name)}`);
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw fail(`it has no cluster ${JSON.stringify(context.cluster)}`);
  }
  if (!config.getCurrentUser()) {
    throw fail(`it has no user ${JSON.stringify(context.user)}`);
  }
  if (cluster.proxyUrl) {
    throw fail("its cluster has a proxy-url, expected a direct way");
  }
  const users = asObject(parse(text)).users;
  const user = (Array.isArray(users) ? users : []).map(asObject).find((entry) =>
    entry.name === context.user
  );
  const tokenFile = asText(asObject(user?.user).tokenFile);
  return {
    server: checkServer(cluster.server, fail),
    ...(tokenFile ? { tokenFile: besides(file, tokenFile) } : {}),
    ...(context.namespace ? { namespace: context.namespace } : {}),
  };
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

function checkServer(
  server: string | undefined,
  fail: Fail,
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

function besides(file: string, path: string): string {
  if (path.startsWith("/")) return path;
  const slash = file.lastIndexOf("/");
  return slash < 0 ? path : `${file.slice(0, slash)}/${path}`;
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
