// SPDX-License-Identifier: Apache-2.0
/**
 * The room table: which folder of `lib/` may import which others, and which packages and runtime
 * functions each may use. `lint_plugin.ts` and `tests/rules` enforce it; `deno task rooms` writes
 * it into docs/architecture.md.
 *
 * Rooms stand in topological order, and the type of `imports` names only rooms above: an import
 * cycle, or an import from the operator to the agent, does not compile.
 */

/** What one room may use. */
export interface RoomRule<Above extends string = string> {
  /** What the room is for, in one line. */
  readonly summary: string;
  /** Rooms that it may enter, through their `mod.ts`. */
  readonly imports: readonly Above[];
  /** npm packages by bare name, and `node:` modules that reach outside the process. */
  readonly packages?: readonly string[];
  /** Members of the `Deno` namespace that reach outside the process. */
  readonly deno?: readonly string[];
}

/** Rooms among `Names` that room `Name` may import: its own program's, and shared ones. */
type Reachable<Names extends string, Name extends string> = Name extends
  `operator${string}` ? Extract<Names, `operator${string}` | `shared/${string}`>
  : Name extends `agent${string}`
    ? Extract<Names, `agent${string}` | `shared/${string}`>
  : Extract<Names, `shared/${string}`>;

class RoomTable<Names extends string = never> {
  readonly rooms = new Map<string, RoomRule>();

  /** Adds a room below those that were added before. */
  room<Name extends string>(
    name: Name,
    rule: RoomRule<Reachable<Names, Name>>,
  ): RoomTable<Names | Name> {
    this.rooms.set(name, rule);
    return this as unknown as RoomTable<Names | Name>;
  }
}

/** Every room, each below those that it may import. Names are paths below `lib/`. */
export const ROOMS: ReadonlyMap<string, RoomRule> = new RoomTable()
  .room("shared/base", {
    summary:
      "errors, logger, metrics interface, clock, time, abort, queues, back-off, bytes",
    imports: [],
    packages: ["node:net", "pino"],
    deno: ["stderr"],
  })
  .room("shared/guard", {
    summary: "bounds on what unauthenticated clients may hold of a server",
    imports: ["shared/base"],
    packages: ["node:http", "node:net"],
  })
  .room("shared/exec", {
    summary:
      "types of exec, attach, logs and port-forward, the same at every hop",
    imports: [],
  })
  .room("shared/wire", {
    summary:
      "protobuf codec of proto/aranya.proto, envelopes, chunks, limits, protocol version",
    imports: ["shared/base"],
    packages: ["@bufbuild/protobuf"],
  })
  .room("shared/link", {
    summary: "transports: the `Link` interface, gRPC listener and dialer",
    imports: ["shared/base", "shared/guard"],
    packages: ["@grpc/grpc-js", "node:net", "node:tls"],
  })
  .room("shared/noise", {
    summary: "Noise handshake and sealed packets: a Link in, a Link out",
    imports: ["shared/base", "shared/guard", "shared/wire", "shared/link"],
  })
  .room("shared/session", {
    summary:
      "requests and streams multiplexed over one link, with resume and flow control",
    imports: ["shared/base", "shared/wire", "shared/link"],
  })
  .room("shared/config", {
    summary:
      "agent.yaml: rendered by the operator, parsed and changed by the agent",
    imports: ["shared/base"],
    packages: ["yaml"],
  })
  .room("shared/admission", {
    summary:
      "which pods a device may run: the switches of agent.yaml, and rejection under pressure",
    imports: ["shared/base", "shared/wire", "shared/config"],
  })
  .room("operator/kube", {
    summary:
      "client of the API server: requests, informers, leader election, Events, the EdgeDevice type",
    imports: ["shared/base"],
    packages: [
      "node:http",
      "node:https",
      "node:net",
      "node:tls",
      "yaml",
    ],
    deno: ["Command", "readTextFile"],
  })
  .room("operator/pki", {
    summary: "CA, keys, signing requests, device credentials",
    imports: ["shared/base"],
    packages: ["@peculiar/x509", "node:net", "reflect-metadata"],
  })
  .room("operator/streaming", {
    summary: "SPDY/3.1 codec, remotecommand and port-forward protocols",
    imports: ["shared/base", "shared/exec"],
    packages: ["node:net", "node:zlib"],
  })
  .room("operator/kubelet", {
    summary:
      "HTTPS server that speaks the kubelet API: routes, authentication, authorization",
    imports: [
      "shared/base",
      "shared/guard",
      "shared/exec",
      "operator/streaming",
    ],
    packages: ["node:https", "node:net", "node:tls"],
  })
  .room("operator/podspec", {
    summary: "pure functions: PodSpec to command, device report to PodStatus",
    imports: [
      "shared/base",
      "shared/wire",
      "shared/admission",
      "operator/kube",
    ],
  })
  .room("operator/pods", {
    summary:
      "pod controller of one device: desired pods, reported pods, and the difference",
    imports: [
      "shared/base",
      "shared/exec",
      "shared/wire",
      "shared/session",
      "shared/config",
      "shared/admission",
      "operator/kube",
      "operator/podspec",
    ],
  })
  .room("operator/proxy", {
    summary:
      "kubelet API calls (exec, attach, logs, port-forward, stats) relayed to the device's session",
    imports: [
      "shared/base",
      "shared/exec",
      "shared/wire",
      "shared/session",
      "operator/kubelet",
      "operator/pods",
    ],
  })
  .room("operator/device", {
    summary: "one EdgeDevice: its objects and their repair, its link, its end",
    imports: [
      "shared/base",
      "shared/guard",
      "shared/exec",
      "shared/wire",
      "shared/link",
      "shared/session",
      "operator/kube",
      "operator/pki",
      "operator/kubelet",
      "operator/pods",
      "operator/proxy",
    ],
    packages: ["node:net"],
  })
  .room("operator/fleet", {
    summary:
      "all devices: registry, addresses, certificates, heartbeats, kubelet ports, links",
    imports: [
      "shared/base",
      "shared/guard",
      "shared/link",
      "shared/noise",
      "shared/session",
      "shared/config",
      "operator/kube",
      "operator/pki",
      "operator/kubelet",
      "operator/pods",
      "operator/device",
    ],
    packages: ["node:net"],
  })
  .room("operator", {
    summary:
      "the operator process: flags, leadership, one term, health and metrics pages",
    imports: [
      "shared/base",
      "shared/guard",
      "shared/link",
      "shared/noise",
      "operator/kube",
      "operator/pki",
      "operator/device",
      "operator/fleet",
    ],
    packages: ["node:http", "node:net", "prom-client"],
    deno: ["connect", "hostname", "memoryUsage", "networkInterfaces"],
  })
  .room("agent/docker", {
    summary: "Docker Engine API client",
    imports: ["shared/base"],
    deno: ["connect"],
  })
  .room("agent/host", {
    summary: "the machine: facts, processes, terminals, loopback ports",
    imports: ["shared/base", "shared/exec", "shared/config"],
    packages: ["@lydell/node-pty", "node:child_process", "node:fs"],
    deno: [
      "Command",
      "build",
      "connect",
      "hostname",
      "kill",
      "networkInterfaces",
      "osRelease",
      "permissions",
      "systemMemoryInfo",
    ],
  })
  .room("agent/runtime", {
    summary: "`PodRuntime` and `StreamRuntime`, implemented on docker and host",
    imports: [
      "shared/base",
      "shared/exec",
      "shared/wire",
      "shared/config",
      "agent/docker",
      "agent/host",
    ],
  })
  .room("agent/state", {
    summary:
      "what the device keeps on disk: pods, tombstones, blobs; locked, atomic, checksummed, sealed",
    imports: ["shared/base"],
    deno: ["mkdir", "open", "readDir", "readFile", "remove", "rename"],
  })
  .room("agent/volumes", {
    summary: "volume contents and mounts",
    imports: ["shared/base", "shared/wire", "agent/runtime"],
    deno: [
      "SeekMode",
      "chmod",
      "chown",
      "lstat",
      "mkdir",
      "open",
      "readDir",
      "readFile",
      "readLink",
      "realPath",
      "remove",
      "rename",
      "stat",
      "symlink",
      "writeFile",
    ],
  })
  .room("agent/pods", {
    summary: "one worker per pod; what to do next is a pure plan; eviction",
    imports: [
      "shared/base",
      "shared/wire",
      "shared/config",
      "shared/admission",
      "agent/runtime",
      "agent/state",
      "agent/volumes",
    ],
    packages: ["node:net", "node:tls"],
  })
  .room("agent/commands", {
    summary: "commands from the operator, one file each; reports to it",
    imports: [
      "shared/base",
      "shared/exec",
      "shared/wire",
      "shared/session",
      "shared/config",
      "agent/runtime",
      "agent/pods",
    ],
  })
  .room("agent", {
    summary:
      "the agent process: connection, endpoints, credential, changes of agent.yaml, start and stop",
    imports: [
      "shared/base",
      "shared/wire",
      "shared/link",
      "shared/noise",
      "shared/session",
      "shared/config",
      "agent/runtime",
      "agent/state",
      "agent/pods",
      "agent/commands",
    ],
    deno: ["readTextFile", "stat"],
  })
  .rooms;

/** `node:` modules that any room may import: they reach neither network, disk nor processes. */
export const FREE_MODULES: readonly string[] = [
  "node:buffer",
  "node:crypto",
  "node:path",
  "node:stream",
  "node:util",
];

/** Members of the `Deno` namespace that any room may use. */
export const FREE_DENO_MEMBERS: readonly string[] = ["errors", "SeekMode"];

/** What the entry files may use; they may also read `Deno.env`. */
export const ENTRIES: ReadonlyMap<string, RoomRule> = new Map(
  Object.entries({
    "main.ts": {
      summary: "reads the mode and starts that program",
      imports: ["shared/base", "operator"],
      deno: ["addSignalListener", "args", "env", "exit", "stderr"],
    },
    "agent.ts": {
      summary: "builds the agent from its rooms",
      imports: [
        "shared/base",
        "shared/config",
        "agent/docker",
        "agent/host",
        "agent/runtime",
        "agent",
      ],
      deno: [
        "addSignalListener",
        "args",
        "env",
        "exit",
        "readTextFile",
        "stderr",
      ],
    },
  }),
);
