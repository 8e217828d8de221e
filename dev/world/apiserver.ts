// SPDX-License-Identifier: Apache-2.0
/**
 * A kube-apiserver with the settings of kubeadm: RBAC, NodeRestriction, verified kubelet
 * certificates.
 */
import { kubernetesProgram } from "../build/binaries.ts";
import { Etcd } from "./etcd.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { Kubectl } from "./kubectl.ts";
import { type Launched, untilReady } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import { join } from "../base/paths.ts";
import {
  type KeyFiles,
  makeAuthority,
  makeCertificate,
  makeKey,
} from "./pki.ts";

/** Options of {@linkcode Apiserver.start}. */
export interface ApiserverOptions {
  /** Where it runs. @default this machine, with a new world folder */
  network?: Network;
  /**
   * Whether {@linkcode Apiserver.auditLog} is written, with the metadata of each request.
   * @default false
   */
  audits?: boolean;
  /** Whether other machines can reach it, at its machine's address. @default false */
  isReachable?: boolean;
  /** More flags. */
  flags?: string[];
}

/** Keys and certificates of one control plane. */
export interface ClusterKeys {
  /** CA of the API server's and the kubelets' serving certificates. */
  servers: KeyFiles;
  /** CA of client certificates. */
  clients: KeyFiles;
  serving: KeyFiles;
  /** The API server's client certificate for kubelets. */
  kubeletClient: KeyFiles;
  /** Path of the key that signs service account tokens. */
  tokens: string;
}

const KUBELET_CLIENT = "kube-apiserver-kubelet-client";

/**
 * A running API server with its etcd. It listens on loopback only, so that devices can't reach it.
 */
export class Apiserver implements AsyncDisposable {
  readonly machine: Machine;
  /** `https://127.0.0.1:<port>`, on its machine. */
  readonly url: string;
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** kubectl as the administrator. */
  readonly kubectl: Kubectl;
  readonly keys: ClusterKeys;
  readonly auditLog: string;
  /** Folder for logs. */
  readonly logs: string;
  readonly #args: string[];
  readonly #folder: string;
  readonly #closes: AsyncDisposableStack;
  #program: Launched | undefined;

  private constructor(
    options: {
      machine: Machine;
      url: string;
      kubeconfig: string;
      kubectl: Kubectl;
      keys: ClusterKeys;
      folder: string;
      logs: string;
      args: string[];
      closes: AsyncDisposableStack;
    },
  ) {
    this.machine = options.machine;
    this.url = options.url;
    this.kubeconfig = options.kubeconfig;
    this.kubectl = options.kubectl;
    this.keys = options.keys;
    this.logs = options.logs;
    this.auditLog = join(options.logs, "audit.log");
    this.#folder = options.folder;
    this.#args = options.args;
    this.#closes = options.closes;
  }

  /**
   * Starts etcd and the API server, waits until it is ready, and binds the rights of its kubelet
   * client.
   */
  static async start(options: ApiserverOptions = {}): Promise<Apiserver> {
    const closes = new AsyncDisposableStack();
    try {
      const network = options.network ??
        closes.use(await Network.start({ isolated: false }));
      const machine = network.controlPlane;
      const logs = join(network.folder, "logs");
      const folder = join(machine.folder, "pki");
      await Deno.mkdir(folder, { recursive: true });
      const etcd = closes.use(await Etcd.start({ machine, logs }));
      const keys = await makeKeys(folder, machine.address);
      const port = await machine.freePort();
      const url = `https://127.0.0.1:${port}`;
      const kubeconfig = await makeClient(
        { folder, keys, url },
        { name: "admin", user: "admin", groups: ["system:masters"] },
      );
      const kubectl = await Kubectl.create({ machine, kubeconfig });
      const args = flagsOf({
        keys,
        port,
        machine,
        etcdUrl: etcd.url,
        bindAddress: options.isReachable ? "0.0.0.0" : "127.0.0.1",
      });
      if (options.audits) args.push(...await auditFlags(folder, logs));
      args.push(...options.flags ?? []);
      const server = new Apiserver(
        { machine, url, kubeconfig, kubectl, keys, folder, logs, args, closes },
      );
      closes.defer(async () =>
        void await server.#program?.stop({ graceMs: 0 })
      );
      await server.restart();
      await kubectl.apply(KUBELET_CLIENT_BINDING);
      return server;
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  /** Its URL on other machines, when they can reach it. */
  get outerUrl(): string {
    const url = new URL(this.url);
    url.hostname = this.machine.address;
    return url.origin;
  }

  /** Kills it with SIGKILL; its data stay. */
  async crash(): Promise<void> {
    this.#program?.kill("SIGKILL");
    await this.#program?.exited;
  }

  /** Makes it hang: connections stay open, but nothing is answered until {@linkcode thaw}. */
  freeze(): void {
    this.#program?.freeze();
  }

  /** Ends what {@linkcode freeze} did. */
  thaw(): void {
    this.#program?.thaw();
  }

  /** Starts it, after killing it if it runs, and waits until it is ready. */
  async restart(): Promise<void> {
    await this.crash();
    this.#program = await this.machine.launch(
      await kubernetesProgram("kube-apiserver"),
      {
        name: "kube-apiserver",
        log: join(this.logs, "kube-apiserver.log"),
        args: this.#args,
        graceMs: 0,
      },
    );
    await untilReady(
      this.#program,
      async () =>
        (await this.kubectl.tryRun(["get", "--raw", "/readyz"])).stdout ===
          "ok",
      { what: "a ready API server", timeoutMs: 90_000 },
    );
  }

  /**
   * Writes a kubeconfig for a user with a client certificate, and returns its path.
   * @param user.name file name and, by default, user name
   */
  makeUser(
    user: { name: string; user?: string; groups?: string[] },
  ): Promise<string> {
    return makeClient(
      { folder: this.#folder, keys: this.keys, url: this.url },
      {
        name: user.name,
        user: user.user ?? user.name,
        groups: user.groups ?? [],
      },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closes.disposeAsync();
  }
}

async function makeKeys(folder: string, address: string): Promise<ClusterKeys> {
  const [servers, clients, tokens] = await Promise.all([
    makeAuthority(folder, "servers-ca"),
    makeAuthority(folder, "clients-ca"),
    makeKey(folder, "tokens"),
  ]);
  const [serving, kubeletClient] = await Promise.all([
    makeCertificate(folder, servers, {
      name: "apiserver",
      commonName: "kube-apiserver",
      names: [
        "DNS:localhost",
        "DNS:kubernetes",
        "DNS:kubernetes.default.svc",
        "IP:127.0.0.1",
        "IP:10.96.0.1",
        `IP:${address}`,
      ],
    }),
    makeCertificate(folder, clients, {
      name: KUBELET_CLIENT,
      commonName: KUBELET_CLIENT,
    }),
  ]);
  return { servers, clients, tokens, serving, kubeletClient };
}

async function makeClient(
  cluster: { folder: string; keys: ClusterKeys; url: string },
  client: { name: string; user: string; groups: string[] },
): Promise<string> {
  const { folder, keys, url } = cluster;
  const pair = await makeCertificate(folder, keys.clients, {
    name: `client-${client.name}`,
    commonName: client.user,
    organizations: client.groups,
  });
  return await writeKubeconfig({
    path: join(folder, `${client.name}.kubeconfig`),
    url,
    authority: keys.servers.cert,
    client: pair,
  });
}

function flagsOf(
  options: {
    keys: ClusterKeys;
    port: number;
    machine: Machine;
    etcdUrl: string;
    bindAddress: string;
  },
): string[] {
  const { keys, port, machine, etcdUrl, bindAddress } = options;
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${bindAddress}`,
    `--secure-port=${port}`,
    `--advertise-address=${machine.address}`,
    "--endpoint-reconciler-type=none",
    `--cert-dir=${join(machine.folder, "apiserver")}`,
    `--tls-cert-file=${keys.serving.cert}`,
    `--tls-private-key-file=${keys.serving.key}`,
    `--client-ca-file=${keys.clients.cert}`,
    `--kubelet-certificate-authority=${keys.servers.cert}`,
    `--kubelet-client-certificate=${keys.kubeletClient.cert}`,
    `--kubelet-client-key=${keys.kubeletClient.key}`,
    "--kubelet-preferred-address-types=InternalIP",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${keys.tokens}`,
    `--service-account-signing-key-file=${keys.tokens}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--profiling=false",
  ];
}

async function auditFlags(folder: string, logs: string): Promise<string[]> {
  const policy = join(folder, "audit-policy.yaml");
  await Deno.writeTextFile(
    policy,
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n",
  );
  return [
    `--audit-policy-file=${policy}`,
    `--audit-log-path=${join(logs, "audit.log")}`,
    "--audit-log-mode=blocking",
  ];
}

/** As kubeadm does: the API server's client certificate for kubelets is in no group with rights. */
const KUBELET_CLIENT_BINDING = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: KUBELET_CLIENT },
  roleRef: {
    apiGroup: "rbac.authorization.k8s.io",
    kind: "ClusterRole",
    name: "system:kubelet-api-admin",
  },
  subjects: [{
    apiGroup: "rbac.authorization.k8s.io",
    kind: "User",
    name: KUBELET_CLIENT,
  }],
};
