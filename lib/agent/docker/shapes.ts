// SPDX-License-Identifier: Apache-2.0
/**
 * The fields of the Engine API's JSON that this project uses, under the API's own names. They are
 * the same in API versions 1.41 to 1.44; https://docs.docker.com/reference/api/engine/ documents
 * them.
 */

/** Body of "Create a container". */
export interface ContainerCreate {
  Image: string;
  Hostname?: string;
  User?: string;
  Env?: string[];
  Cmd?: string[];
  Entrypoint?: string[];
  WorkingDir?: string;
  Tty?: boolean;
  OpenStdin?: boolean;
  StdinOnce?: boolean;
  Labels: Record<string, string>;
  /** Turns the health check of the image off. */
  Healthcheck?: { Test: ["NONE"] };
  HostConfig: HostConfig;
}

/** The part of a container's configuration that depends on its host. */
export interface HostConfig {
  NetworkMode?: string;
  PidMode?: string;
  IpcMode?: string;
  UTSMode?: string;
  Mounts?: Mount[];
  RestartPolicy?: { Name: "no" };
  LogConfig?: { Type: string; Config: Record<string, string> };
  Memory?: number;
  MemorySwap?: number;
  CpuShares?: number;
  CpuPeriod?: number;
  CpuQuota?: number;
  OomScoreAdj?: number;
  Privileged?: boolean;
  ReadonlyRootfs?: boolean;
  CapAdd?: string[];
  CapDrop?: string[];
  SecurityOpt?: string[];
  GroupAdd?: string[];
  Dns?: string[];
  DnsSearch?: string[];
  DnsOptions?: string[];
  ExtraHosts?: string[];
  Sysctls?: Record<string, string>;
  MaskedPaths?: string[];
  ReadonlyPaths?: string[];
}

/** A bind mount. */
export interface Mount {
  Type: "bind";
  Source: string;
  Target: string;
  ReadOnly: boolean;
  BindOptions?: { Propagation?: string };
}

/** An item of "List containers". */
export interface ContainerListItem {
  Id: string;
  ImageID: string;
  State: string;
  Labels: Record<string, string>;
  /** Bytes written to its layer; only when asked for. */
  SizeRw?: number;
}

/** Response of "Inspect a container". */
export interface ContainerInspect {
  Id: string;
  Created: string;
  Image: string;
  State: {
    Status: string;
    Running: boolean;
    OOMKilled: boolean;
    ExitCode: number;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  Config: {
    Image: string;
    Tty: boolean;
    OpenStdin: boolean;
    StopSignal?: string;
    Labels: Record<string, string> | null;
  };
  HostConfig: { NetworkMode: string };
  NetworkSettings: {
    Networks:
      | Record<
        string,
        { IPAddress: string; GlobalIPv6Address: string; Gateway: string }
      >
      | null;
  };
}

/** Response of "Inspect an image". */
export interface ImageInspect {
  Id: string;
  Architecture: string;
  Config: { User?: string } | null;
}

/** An item of "List images". */
export interface ImageListItem {
  Id: string;
  /** "name:tag"; null or "<none>:<none>" without a name. */
  RepoTags: string[] | null;
  /** In bytes, with layers that other images share. */
  Size: number;
  /** When it was built, in seconds since 1970. */
  Created: number;
}

/** Response of "Inspect a network". */
export interface NetworkInspect {
  Labels: Record<string, string> | null;
  IPAM: { Config: { Subnet?: string }[] | null };
  Containers: Record<string, unknown> | null;
}

/** Response of "Get container stats based on resource usage". */
export interface StatsResponse {
  cpu_stats?: { cpu_usage?: { total_usage?: number } };
  memory_stats?: { usage?: number; stats?: Record<string, number> };
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }>;
}

/** Response of "Get system information". */
export interface SystemInfo {
  ServerVersion: string;
  DockerRootDir: string;
  Architecture: string;
  /** Memory of the machine in bytes. */
  MemTotal?: number;
  /** Whether the kernel counts the memory of each container; absent: it does. */
  MemoryLimit?: boolean;
}

/** An item of "Monitor events". */
export interface EngineEvent {
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}
