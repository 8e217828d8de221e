// SPDX-License-Identifier: Apache-2.0
/** The parts of the Engine API's JSON that are used here, under the API's own names (API version 1.41 to 1.44). */

/** Body of "create a container". */
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
  AttachStdin?: boolean;
  StopSignal?: string;
  Labels: Record<string, string>;
  /** Switches the image's own health check off. */
  Healthcheck?: { Test: ["NONE"] };
  HostConfig: HostConfig;
  NetworkingConfig?: { EndpointsConfig: Record<string, unknown> };
}

/** How a container stands on its host. */
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

/** One line of "list containers". */
export interface ContainerSummary {
  Id: string;
  Names: string[];
  Image: string;
  ImageID: string;
  State: string;
  Labels: Record<string, string>;
}

/** "Inspect a container". */
export interface ContainerInspect {
  Id: string;
  Name: string;
  Created: string;
  Image: string;
  State: {
    Status: string;
    Running: boolean;
    OOMKilled: boolean;
    Pid: number;
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

/** "Inspect an image". */
export interface ImageInspect {
  Id: string;
  RepoTags: string[] | null;
  Architecture: string;
  Config: { User?: string } | null;
}

/** "Inspect a network". */
export interface NetworkInspect {
  Id: string;
  Name: string;
  Driver: string;
  Labels: Record<string, string> | null;
  IPAM: { Config: { Subnet?: string }[] | null };
  Containers: Record<string, unknown> | null;
}

/** One reading of "container stats". */
export interface StatsReading {
  read: string;
  cpu_stats?: { cpu_usage?: { total_usage?: number } };
  memory_stats?: { usage?: number; stats?: Record<string, number> };
  networks?: Record<string, { rx_bytes: number; tx_bytes: number }>;
}

/** "System information". */
export interface SystemInfo {
  ServerVersion: string;
  DockerRootDir: string;
  OperatingSystem: string;
  OSType: string;
  Architecture: string;
  KernelVersion: string;
  NCPU: number;
  MemTotal: number;
  Name: string;
}

/** One line of "monitor events". */
export interface EngineEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}
