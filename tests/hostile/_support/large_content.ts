// SPDX-License-Identifier: Apache-2.0
/** A large file of a pod, as a device may fetch it. */
import { createHash } from "node:crypto";
import { until } from "../../../dev/base/wait.ts";
import { NAMESPACE } from "../../../dev/world/mod.ts";
import type { Target } from "./target.ts";

/** Names a file of a pod, as FETCH_BLOBS does. */
export interface LargeContent {
  readonly podUid: string;
  /** Hexadecimal. */
  readonly sha256: string;
}

const CONTENT_BYTES = 900_000;
const NAME = "large-content";

/** Creates a pod of the first compromised device that has a file of 900 KB, from base64. */
export async function createLargeContent(
  { apiserver: { kubectl } }: Target,
): Promise<LargeContent> {
  const content = new Uint8Array(CONTENT_BYTES).map((_, at) => at % 251);
  const metadata = { name: NAME, namespace: NAMESPACE };
  const items = [{
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata,
    binaryData: { file: content.toBase64() },
  }, {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: {
      nodeName: "compromised-1",
      automountServiceAccountToken: false,
      containers: [{
        name: "main",
        image: "none",
        volumeMounts: [{ name: "content", mountPath: "/content" }],
      }],
      tolerations: [{ operator: "Exists" }],
      volumes: [{ name: "content", configMap: { name: NAME } }],
    },
  }];
  const list = { apiVersion: "v1", kind: "List", items };
  // Not by apply(), which would put all of it into an annotation, too.
  await kubectl.run(["create", "-f", "-"], { stdin: JSON.stringify(list) });
  const pod = await until(
    () =>
      kubectl.find<{ metadata: { uid: string } }>([
        ...["-n", NAMESPACE, "pod", NAME],
      ]),
    "the pod of the compromised device",
  );
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { podUid: pod.metadata.uid, sha256 };
}
