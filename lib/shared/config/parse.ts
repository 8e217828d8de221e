// SPDX-License-Identifier: Apache-2.0
/** Parses agent.yaml. */
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { defined, isEndpoint, KEY_BYTES } from "../base/mod.ts";
import type { AgentConfig, HostSwitches, PodSwitches } from "./agent_config.ts";
import {
  DEFAULT_EVICTION,
  EVICTION_SIGNALS,
  type EvictionSettings,
  parseEvictionQuantity,
} from "./eviction.ts";
import { type ConfigField, DocumentReader } from "./reader.ts";

const DEVICE = {
  pattern: /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/,
  expected: "a name of lower-case letters, digits and dashes",
};
const ENDPOINT = { isValid: isEndpoint, expected: '"host:port"' };
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
 * Parses the text of an agent.yaml and fills in the defaults. A wrong endpoint is left out as long
 * as another one is right, because the device can still be reached then.
 * @param options.file its path, for messages and for the default of `stateKeyFile`
 * @throws {AranyaError} code "invalid"; the message names every wrong, unknown and missing key with
 * its line
 */
export function parseAgentConfig(
  text: string,
  { file }: { file: string },
): AgentConfig {
  const reader = new DocumentReader(text, { file });
  const fields = reader.readFields(reader.root, [
    "device",
    "endpoints",
    "ca",
    "credential",
    "serverName",
    "insecure",
    "host",
    "pods",
    "runtime",
    "eviction",
    "stateDir",
    "stateKeyFile",
    "backoff",
    "offlineAfter",
  ]);
  const device =
    reader.require(fields.device, reader.readText(fields.device, DEVICE)) ?? "";
  const endpoints = reader.require(
    fields.endpoints,
    reader.readTextList(fields.endpoints, ENDPOINT),
  ) ?? [];
  const config: AgentConfig = {
    device,
    endpoints,
    credential: readCredential(reader, fields.credential),
    insecure: reader.readBoolean(fields.insecure) ?? false,
    host: readHost(reader, fields.host),
    pods: readPods(reader, fields.pods),
    runtime: readRuntime(reader, fields.runtime),
    eviction: readEviction(reader, fields.eviction),
    stateDir: reader.readText(fields.stateDir, PATH) ??
      `/var/lib/aranya/${device}`,
    stateKeyFile: reader.readText(fields.stateKeyFile, PATH) ??
      join(dirname(file), `${device}.key`),
    backoff: readBackoff(reader, fields.backoff),
    offlineAfterMs: reader.readDuration(fields.offlineAfter) ?? 40_000,
    warnings: reader.warnings,
    ...defined({
      ca: reader.readText(fields.ca, CA),
      serverName: reader.readText(fields.serverName),
    }),
  };
  reader.throwProblems();
  return config;
}

function readCredential(
  reader: DocumentReader,
  field: ConfigField,
): Uint8Array {
  const text = reader.require(field, reader.readText(field));
  if (text === undefined) return new Uint8Array(KEY_BYTES);
  const base64 = text.trim();
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  // Buffer skips characters that are not base64.
  if (bytes.length !== KEY_BYTES || !/^[A-Za-z0-9+/]+=*$/.test(base64)) {
    reader.addProblem(field, `must be ${KEY_BYTES} bytes in base64`);
  }
  return bytes;
}

function readHost(reader: DocumentReader, field: ConfigField): HostSwitches {
  const fields = reader.readFields(
    field,
    ["exec", "attach", "logs", "portForward", "shell", "logFile"],
  );
  return {
    exec: reader.readBoolean(fields.exec) ?? true,
    attach: reader.readBoolean(fields.attach) ?? true,
    logs: reader.readBoolean(fields.logs) ?? true,
    portForward: reader.readBoolean(fields.portForward) ?? true,
    ...defined({
      shell: reader.readText(fields.shell, PATH),
      logFile: reader.readText(fields.logFile, PATH),
    }),
  };
}

function readPods(reader: DocumentReader, field: ConfigField): PodSwitches {
  const fields = reader.readFields(
    field,
    ["privileged", "hostPath", "hostNamespaces"],
  );
  return {
    privileged: reader.readBoolean(fields.privileged) ?? true,
    hostPath: reader.readBoolean(fields.hostPath) ?? true,
    hostNamespaces: reader.readBoolean(fields.hostNamespaces) ?? true,
  };
}

function readRuntime(
  reader: DocumentReader,
  field: ConfigField,
): AgentConfig["runtime"] {
  const { docker } = reader.readFields(field, ["docker"]);
  const { host } = reader.readFields(docker, ["host"]);
  return { docker: defined({ host: reader.readText(host, DOCKER_HOST) }) };
}

function readEviction(
  reader: DocumentReader,
  field: ConfigField,
): EvictionSettings {
  const { hard, pressureTransitionPeriod } = reader.readFields(field, [
    "hard",
    "pressureTransitionPeriod",
  ]);
  const thresholds = reader.readFields(hard, EVICTION_SIGNALS);
  const quantities = { ...DEFAULT_EVICTION.hard };
  for (const signal of EVICTION_SIGNALS) {
    const threshold = thresholds[signal];
    const text = reader.readScalar(threshold);
    if (text === undefined) continue;
    const quantity = parseEvictionQuantity(text);
    if (quantity) quantities[signal] = quantity;
    else reader.addProblem(threshold, 'must be like "100Mi" or "10%"');
  }
  return {
    hard: quantities,
    pressureTransitionPeriodMs: reader.readDuration(pressureTransitionPeriod) ??
      DEFAULT_EVICTION.pressureTransitionPeriodMs,
  };
}

function readBackoff(
  reader: DocumentReader,
  field: ConfigField,
): AgentConfig["backoff"] {
  const fields = reader.readFields(
    field,
    ["initialDelay", "maxDelay", "factor"],
  );
  const initialDelayMs = reader.readDuration(fields.initialDelay) ?? 1000;
  const maxDelayMs = reader.readDuration(fields.maxDelay) ??
    Math.max(60_000, initialDelayMs);
  if (maxDelayMs < initialDelayMs) {
    reader.addProblem(fields.maxDelay, "must not be below initialDelay");
  }
  return {
    initialDelayMs,
    maxDelayMs,
    factor: reader.readNumber(fields.factor, { min: 1 }) ?? 1.5,
  };
}
