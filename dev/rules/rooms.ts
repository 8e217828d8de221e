// SPDX-License-Identifier: Apache-2.0
/** The rule table of the house: which room may import which, and which outside packages it fences. `dev/rules/lint_plugin.ts` enforces it. */

/** What one room under `lib/` may use. */
export interface RoomRule {
  /** Rooms that it may enter, through their `mod.ts`. */
  imports: string[];
  /** npm packages by bare name, and `node:` modules, that only this room may name. */
  fences: string[];
}

/** Every room under `lib/`, in the order of the layers. */
export const ROOMS: Record<string, RoomRule> = {
  base: { imports: [], fences: ["pino"] },
  wire: { imports: ["base"], fences: ["@bufbuild/protobuf"] },
  connectivity: {
    imports: ["base"],
    fences: ["@grpc/grpc-js", "node:tls"],
  },
  secure: { imports: ["base", "wire", "connectivity"], fences: [] },
  session: { imports: ["base", "wire", "connectivity"], fences: [] },
  config: { imports: ["base"], fences: ["yaml"] },
  kube: {
    imports: ["base"],
    fences: ["@kubernetes/client-node", "node:http", "node:https", "yaml"],
  },
  pki: { imports: ["base"], fences: ["@peculiar/x509", "reflect-metadata"] },
  streaming: { imports: ["base"], fences: ["node:zlib"] },
  kubelet: {
    imports: ["base", "streaming"],
    fences: ["node:https", "node:tls"],
  },
  pod: { imports: ["base", "wire", "kube"], fences: [] },
  pods: { imports: ["base", "wire", "session", "kube", "pod"], fences: [] },
  streams: {
    imports: ["base", "wire", "session", "kubelet"],
    fences: [],
  },
  device: {
    imports: [
      "base",
      "wire",
      "connectivity",
      "session",
      "kube",
      "pki",
      "kubelet",
      "pods",
      "streams",
    ],
    fences: [],
  },
  operator: {
    imports: [
      "base",
      "connectivity",
      "secure",
      "config",
      "kube",
      "pki",
      "kubelet",
      "pods",
      "device",
    ],
    fences: ["prom-client"],
  },
  docker: { imports: ["base"], fences: [] },
  host: {
    imports: ["base"],
    fences: ["node:child_process", "node:fs", "@lydell/node-pty"],
  },
  runtime: { imports: ["base", "wire", "docker", "host"], fences: [] },
  state: { imports: ["base"], fences: [] },
  volumes: { imports: ["base", "wire", "runtime"], fences: [] },
  workload: {
    imports: ["base", "wire", "runtime", "volumes", "state"],
    fences: ["node:tls"],
  },
  agent: {
    imports: [
      "base",
      "wire",
      "connectivity",
      "secure",
      "session",
      "config",
      "runtime",
      "state",
      "workload",
    ],
    fences: [],
  },
};

/** `node:` modules free for every room: they touch neither network, disk nor processes. */
export const FREE_MODULES: string[] = [
  "node:assert/strict",
  "node:buffer",
  "node:crypto",
  "node:net",
  "node:path",
  "node:stream",
  "node:util",
  "node:timers/promises",
  "node:events",
];

/** Rooms that the two halves' entry files may import. */
export const ENTRIES: Record<string, string[]> = {
  "main.ts": ["base", "operator"],
  "agent.ts": ["base", "config", "docker", "host", "runtime", "agent"],
};
