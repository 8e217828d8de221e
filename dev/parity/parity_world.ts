// SPDX-License-Identifier: Apache-2.0
/** A control plane with two Nodes to compare: a device of ours and a real kubelet. */
import { until } from "../base/wait.ts";
import {
  IMAGES,
  type Kubectl,
  Kubelet,
  NAMESPACE,
  Network,
  REACHABLE_APISERVER,
  World,
} from "../world/mod.ts";
import type { ObservedPod } from "./observed_objects.ts";

/** Which of the two Nodes. */
export type NodeRole = "device" | "kubelet";

/** A Node, and the namespace of the pods that run on it. */
export interface ParityNode {
  role: NodeRole;
  name: string;
  namespace: string;
}

/** Label by which the scheduler finds a Node of the comparison. */
export const NODE_LABEL = "parity.example/node";
const DNS = { server: "10.96.0.10", domain: "cluster.local" };

/** A running world. Disposing it ends all its programs. */
export class ParityWorld implements AsyncDisposable {
  readonly kubectl: Kubectl;
  readonly nodes: ParityNode[];
  /** Folder of all logs. */
  readonly logs: string;
  readonly #closes: AsyncDisposableStack;
  readonly #network: Network;

  private constructor(
    options: {
      world: World;
      nodes: ParityNode[];
      network: Network;
      closes: AsyncDisposableStack;
    },
  ) {
    this.kubectl = options.world.kubectl;
    this.nodes = options.nodes;
    this.logs = `${options.network.folder}/logs`;
    this.#network = options.network;
    this.#closes = options.closes;
  }

  /** Starts the control plane and the Nodes of these roles. */
  static async start(roles: readonly NodeRole[]): Promise<ParityWorld> {
    const closes = new AsyncDisposableStack();
    try {
      const network = closes.use(await Network.start());
      const nodes = roles.map((role): ParityNode => ({
        role,
        name: `node-of-${role}`,
        namespace: `ns-of-${role}`,
      }));
      const world = closes.use(
        await World.start({
          network,
          flags: REACHABLE_APISERVER,
          operatorFlags: ["--tenant-namespaces", "ns-of-device"],
        }),
      );
      for (const node of nodes) {
        await makeNamespace(world.kubectl, node.namespace);
        await world.kubectl.apply(tenantBinding(node.namespace));
        if (node.role === "device") await addDevice(world, node.name);
        else closes.use(await startKubelet(world, node.name));
        await untilServing(world.kubectl, node);
      }
      return new ParityWorld({ world, nodes, network, closes });
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  /** Makes disposal keep the logs. */
  keepLogs(): void {
    this.#network.keepFolder();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closes.disposeAsync();
  }
}

async function addDevice(world: World, name: string): Promise<void> {
  const { server, domain } = DNS;
  await world.addDevice(name, {
    spec: {
      connectivity: { method: "grpc" },
      node: { labels: { [NODE_LABEL]: name } },
      pod: {
        allocatable: 110,
        dns: {
          servers: [server],
          searches: [`svc.${domain}`, domain],
          options: ["ndots:5"],
        },
      },
    },
  });
  await world.untilNodeReady(name);
}

function startKubelet(world: World, name: string): Promise<Kubelet> {
  return Kubelet.start({
    network: world.network,
    apiserver: world.controlPlane.apiserver,
    name,
    labels: { [NODE_LABEL]: name },
    dns: DNS,
  });
}

/** Makes a namespace and waits for what controllers put into it. */
async function makeNamespace(kubectl: Kubectl, name: string): Promise<void> {
  await kubectl.apply({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  });
  for (const made of ["serviceaccount/default", "configmap/kube-root-ca.crt"]) {
    await until(
      async () => await kubectl.find(["-n", name, made]) !== undefined,
      { what: `${made} of namespace ${name}` },
    );
  }
}

/** Runs a pod to its end: afterwards the node has read its namespace. */
async function untilServing(
  kubectl: Kubectl,
  { name, namespace }: ParityNode,
): Promise<void> {
  const pod = ["--namespace", namespace, "pod", "first"];
  await kubectl.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "first", namespace },
    spec: {
      nodeName: name,
      restartPolicy: "Never",
      containers: [{ name: "c", image: IMAGES.busybox, command: ["true"] }],
    },
  });
  await until(
    async () =>
      (await kubectl.find<ObservedPod>(pod))?.status?.phase === "Succeeded",
    { what: `the first pod on ${name}`, timeoutMs: 120_000, intervalMs: 500 },
  );
  await kubectl.run(["delete", ...pod]);
}

/** Returns the operator's rights in a namespace of `--tenant-namespaces`. */
function tenantBinding(namespace: string): object {
  const name = "aranya-tenant";
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name, namespace },
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      name,
    },
    subjects: [{
      kind: "ServiceAccount",
      name: "aranya",
      namespace: NAMESPACE,
    }],
  };
}
