// SPDX-License-Identifier: Apache-2.0
/** Credential plugins of a kubeconfig: programs that print an ExecCredential. */
import { AranyaError, defined, fromUtf8 } from "../../shared/base/mod.ts";

/** Options of {@linkcode runCredentialPlugin}: `users[].user.exec` of a kubeconfig. */
export interface CredentialPluginOptions {
  /** Path, or a name that is looked up in PATH. */
  command: string;
  args: string[];
  /** Added to the operator's environment. */
  env: Record<string, string>;
  /** Of the ExecCredential. */
  apiVersion: string;
  /** What to do when the program is missing, for the error's text. */
  installHint?: string;
  /** `spec.cluster` of the ExecCredential, for a plugin with `provideClusterInfo`. */
  cluster?: Record<string, unknown>;
  /** Whether the plugin only works with a terminal. */
  isInteractive?: boolean;
  /** Upper bound of its run, in milliseconds. @default 60000 */
  timeoutMs?: number;
}

/** What a plugin printed. */
export interface PluginCredential {
  /** Value of the Authorization header. */
  authorization?: string;
  /** Client certificate in PEM. */
  cert?: string;
  /** Private key of the client certificate in PEM. */
  key?: string;
  /** When it expires, in milliseconds since 1970. */
  expiresMs?: number;
}

const API_VERSIONS = [
  "client.authentication.k8s.io/v1",
  "client.authentication.k8s.io/v1beta1",
];
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_ERROR_LENGTH = 300;

/**
 * Runs a plugin and reads the credential that it prints, as client-go does (KEP-541).
 * @throws {AranyaError} code "invalid" when it can't be run, fails, or prints something else; the
 * text is the state alone, e.g. `program "aws" exited with 1`
 */
export async function runCredentialPlugin(
  options: CredentialPluginOptions,
): Promise<PluginCredential> {
  const { apiVersion, isInteractive } = options;
  if (!API_VERSIONS.includes(apiVersion)) {
    throw invalid(
      `its exec has apiVersion ${JSON.stringify(apiVersion)}, expected ${
        API_VERSIONS.join(" or ")
      }`,
    );
  }
  if (isInteractive) {
    throw invalid("its exec has interactiveMode Always, expected Never");
  }
  return readCredential(await run(options), options);
}

/** Returns what the plugin printed. */
async function run(
  { command, args, env, apiVersion, cluster, installHint, timeoutMs }:
    CredentialPluginOptions,
): Promise<string> {
  const spec = { interactive: false, ...defined({ cluster }) };
  const info = { apiVersion, kind: "ExecCredential", spec };
  const program = `program ${JSON.stringify(command)}`;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args,
      env: { ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    throw invalid(`${program} ${explain(error, { command, installHint })}`);
  }
  const limitMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    try {
      child.kill("SIGKILL");
    } catch {
      // It ended at this moment.
    }
  }, limitMs);
  const output = await child.output();
  clearTimeout(timer);
  if (isLate) throw invalid(`${program} did not end within ${limitMs} ms`);
  if (output.success) return fromUtf8(output.stdout);
  const text = fromUtf8(output.stderr).trim().slice(-MAX_ERROR_LENGTH);
  throw invalid(
    `${program} exited with ${output.code}${text === "" ? "" : `: ${text}`}`,
  );
}

function explain(
  error: unknown,
  { command, installHint }: {
    command: string;
    installHint: string | undefined;
  },
): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `may not be run by this process, expected the flag --allow-run=${command}`;
  }
  if (error instanceof Deno.errors.NotFound) {
    return `does not exist${installHint ? `: ${installHint}` : ""}`;
  }
  return `can't be run: ${error instanceof Error ? error.message : error}`;
}

function readCredential(
  text: string,
  { command, apiVersion }: CredentialPluginOptions,
): PluginCredential {
  const program = `program ${JSON.stringify(command)}`;
  let credential: ExecCredential;
  try {
    credential = JSON.parse(text);
  } catch {
    throw invalid(`${program} printed something else than JSON`);
  }
  if (
    credential?.kind !== "ExecCredential" ||
    credential.apiVersion !== apiVersion
  ) {
    throw invalid(
      `${program} printed ${JSON.stringify(credential?.kind ?? "")} of ${
        JSON.stringify(credential?.apiVersion ?? "")
      }, expected ExecCredential of ${apiVersion}`,
    );
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } =
    credential.status ?? {};
  if (!token && !(clientCertificateData && clientKeyData)) {
    throw invalid(
      `${program} printed no credential, expected a token or a client certificate with its key`,
    );
  }
  const expiresMs = Date.parse(expirationTimestamp ?? "");
  return defined({
    authorization: token ? `Bearer ${token}` : undefined,
    cert: clientCertificateData || undefined,
    key: clientKeyData || undefined,
    expiresMs: Number.isNaN(expiresMs) ? undefined : expiresMs,
  });
}

/** The fields of an ExecCredential that are read. */
interface ExecCredential {
  apiVersion?: string;
  kind?: string;
  status?: {
    token?: string;
    clientCertificateData?: string;
    clientKeyData?: string;
    expirationTimestamp?: string;
  };
}

function invalid(state: string): AranyaError {
  return new AranyaError("invalid", state);
}
