// SPDX-License-Identifier: Apache-2.0
/** Reads agent.yaml. */
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { KEY_BYTES } from "../base/mod.ts";
import type { AgentConfig, HostSwitches } from "./agent_config.ts";
import { DocumentReader, type Place } from "./reader.ts";

const DEVICE = {
  pattern: /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/,
  expected: "a name of lower-case letters, digits and dashes",
};
const ENDPOINT = {
  pattern:
    /^(\[[0-9a-f:.]+\]|[^\s:[\]/@]+):(?!0+$)(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])$/i,
  expected: '"host:port"',
};
const CA = {
  pattern: /-----BEGIN CERTIFICATE-----[^]+-----END CERTIFICATE-----/,
  expected: "certificates in PEM",
};
const PATH = { pattern: /^\//, expected: "an absolute path" };
const DOCKER_HOST = {
  pattern: /^(unix:\/\/\/|tcp:\/\/)./,
  expected: 'like "unix:///var/run/docker.sock"',
};

/**
 * Reads an agent.yaml.
 * @throws {AranyaError} code "invalid"; the message names every wrong, unknown or missing key with its line
 */
export function parseAgentConfig(
  text: string,
  { file }: { file: string },
): AgentConfig {
  const reader = new DocumentReader(text, { file });
  const keys = reader.keys(reader.root, [
    "device",
    "endpoints",
    "ca",
    "credential",
    "serverName",
    "insecure",
    "host",
    "runtime",
    "stateDir",
    "stateKeyFile",
    "backoff",
    "offlineAfter",
  ]);
  const device =
    reader.require(keys.device, reader.text(keys.device, DEVICE)) ??
      "";
  const config: AgentConfig = {
    device,
    endpoints: reader.require(
      keys.endpoints,
      reader.texts(keys.endpoints, ENDPOINT),
    ) ?? [],
    ...present("ca", reader.text(keys.ca, CA)),
    credential: readCredential(reader, keys.credential),
    ...present("serverName", reader.text(keys.serverName)),
    insecure: reader.flag(keys.insecure) ?? false,
    host: readHost(reader, keys.host),
    runtime: readRuntime(reader, keys.runtime),
    stateDir: reader.text(keys.stateDir, PATH) ?? `/var/lib/aranya/${device}`,
    stateKeyFile: reader.text(keys.stateKeyFile, PATH) ??
      join(dirname(file), `${device}.key`),
    backoff: readBackoff(reader, keys.backoff),
    offlineAfterMs: reader.duration(keys.offlineAfter) ?? 40_000,
  };
  reader.finish();
  return config;
}

function readCredential(reader: DocumentReader, place: Place): Uint8Array {
  const text = reader.require(place, reader.text(place));
  if (text === undefined) return new Uint8Array(KEY_BYTES);
  const base64 = text.trim();
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  if (
    bytes.length !== KEY_BYTES || !/^[A-Za-z0-9+/]+=*$/.test(base64)
  ) {
    reader.complain(place, `must be ${KEY_BYTES} bytes in base64`);
  }
  return bytes;
}

function readHost(reader: DocumentReader, place: Place): HostSwitches {
  const keys = reader.keys(
    place,
    ["exec", "attach", "logs", "portForward", "shell", "logFile"],
  );
  return {
    exec: reader.flag(keys.exec) ?? true,
    attach: reader.flag(keys.attach) ?? true,
    logs: reader.flag(keys.logs) ?? true,
    portForward: reader.flag(keys.portForward) ?? true,
    ...present("shell", reader.text(keys.shell, PATH)),
    ...present("logFile", reader.text(keys.logFile, PATH)),
  };
}

function readRuntime(
  reader: DocumentReader,
  place: Place,
): AgentConfig["runtime"] {
  const { docker } = reader.keys(place, ["docker"]);
  const { host } = reader.keys(docker, ["host"]);
  return { docker: present("host", reader.text(host, DOCKER_HOST)) };
}

function readBackoff(
  reader: DocumentReader,
  place: Place,
): AgentConfig["backoff"] {
  const keys = reader.keys(place, ["initialDelay", "maxDelay", "factor"]);
  const initialDelayMs = reader.duration(keys.initialDelay) ?? 1000;
  const maxDelayMs = reader.duration(keys.maxDelay) ??
    Math.max(60_000, initialDelayMs);
  if (maxDelayMs < initialDelayMs) {
    reader.complain(keys.maxDelay, "must not be below initialDelay");
  }
  return {
    initialDelayMs,
    maxDelayMs,
    factor: reader.number(keys.factor, { least: 1 }) ?? 1.5,
  };
}

/** An object with this key, or without it when there is no value. */
function present<K extends string, V>(
  key: K,
  value: V | undefined,
): { [key in K]?: V } {
  return value === undefined ? {} : { [key]: value } as { [key in K]?: V };
}
