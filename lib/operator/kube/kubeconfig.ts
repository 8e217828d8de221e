// SPDX-License-Identifier: Apache-2.0
/** Where the API server is and how we prove who we are: a kubeconfig file, or the account of the pod that we run in. */
import { parse } from "yaml";
import { AranyaError } from "../../shared/base/mod.ts";

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
 * Reads a kubeconfig. Certificates, keys, tokens and token files are read here; for credential programs and other plugins the official
 * client is loaded, and only then: it costs 80 MB.
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
  let document: unknown;
  try {
    document = parse(await Deno.readTextFile(file));
  } catch (error) {
    throw fail(reasonOf(error), error);
  }
  const config = asObject(document);
  const name = options.context ?? asText(config["current-context"]);
  if (!name) throw fail("it names no current context");
  const entry = (kind: "context" | "cluster" | "user", name: unknown) => {
    const found = find(config[`${kind}s`], { name, key: kind });
    if (!found) throw fail(`it has no ${kind} ${JSON.stringify(name ?? "")}`);
    return found;
  };
  const context = entry("context", name);
  const cluster = entry("cluster", context.cluster);
  const user = entry("user", context.user);
  if (cluster["proxy-url"] !== undefined) {
    throw fail("its cluster has a proxy-url, expected a direct way");
  }
  const read = (source: Json, key: string) =>
    readMaterial(source, { key, file, fail });
  const common = {
    server: checkServer(asText(cluster.server), fail),
    ca: await read(cluster, "certificate-authority"),
    serverName: asText(cluster["tls-server-name"]),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    namespace: asText(context.namespace),
  };
  if (user.exec !== undefined || user["auth-provider"] !== undefined) {
    const had = await askPlugin({ file, context: name, fail });
    return defined({ ...common, ...had, tokenFile: undefined });
  }
  const tokenFile = asText(user.tokenFile);
  return defined({
    ...common,
    cert: await read(user, "client-certificate"),
    key: await read(user, "client-key"),
    authorization: tokenFile ? undefined : authorizationOf(user),
    tokenFile: tokenFile ? besides(file, tokenFile) : undefined,
  });
}

/** PEM from the entry itself, or from the file that it names. */
async function readMaterial(
  source: Json,
  { key, file, fail }: { key: string; file: string; fail: Fail },
): Promise<string | undefined> {
  const data = asText(source[`${key}-data`]);
  const path = asText(source[key]);
  if (!data && !path) return undefined;
  let text: string;
  try {
    text = data
      ? atob(data.replace(/\s+/g, ""))
      : await Deno.readTextFile(besides(file, path ?? ""));
  } catch (error) {
    throw fail(
      data
        ? `${key}-data is no base64`
        : `${key} ${JSON.stringify(path)}: ${reasonOf(error)}`,
      error,
    );
  }
  if (!text.includes("-----BEGIN ")) throw fail(`${key} is no PEM`);
  return text;
}

function authorizationOf(user: Json): string | undefined {
  const token = asText(user.token);
  if (token) return `Bearer ${token}`;
  const username = asText(user.username);
  if (!username) return undefined;
  return `Basic ${btoa(`${username}:${asText(user.password) ?? ""}`)}`;
}

/** What the official client fills in: the options of a node:https request. */
interface Material {
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  headers?: { Authorization?: string };
}

/** Has the official client run the credential program or plugin. */
async function askPlugin(
  { file, context, fail }: { file: string; context: string; fail: Fail },
): Promise<
  Record<"cert" | "key" | "authorization", string | undefined>
> {
  const material: Material = {};
  try {
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    config.loadFromFile(file);
    config.setCurrentContext(context);
    await config.applyToHTTPSOptions(material);
  } catch (error) {
    throw fail(
      `its user's credentials can't be had: ${reasonOf(error)}`,
      error,
    );
  }
  const { cert, key, headers } = material;
  return {
    cert: cert === undefined ? undefined : String(cert),
    key: key === undefined ? undefined : String(key),
    authorization: headers?.Authorization,
  };
}

function find(
  list: unknown,
  { name, key }: { name: unknown; key: string },
): Json | undefined {
  if (!Array.isArray(list)) return undefined;
  const entry = list.map(asObject).find((item) => item.name === name);
  return entry && asObject(entry[key]);
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
  fields: { [K in keyof Credentials]?: Credentials[K] | undefined },
): Credentials {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as Credentials;
}
