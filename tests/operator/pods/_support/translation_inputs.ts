// SPDX-License-Identifier: Apache-2.0
/** Translations of a pod over plain values, which count how often they translate. */
import type {
  ConfigMap,
  Pod,
  Secret,
  Service,
} from "../../../../lib/operator/kube/mod.ts";
import {
  type PodDns,
  toFileBytes,
  toPodSpec,
} from "../../../../lib/operator/podspec/mod.ts";
import { toPodToken } from "../../podspec/_support/fixtures.ts";
import { PodTranslations } from "../../../../lib/operator/pods/pod_translations.ts";

/**
 * A pod that refers to a ConfigMap, a Secret, a token, Services, its labels and the Node's size.
 */
export const REFERRING_POD: Pod = {
  metadata: {
    namespace: "ns",
    name: "web",
    uid: "u-1",
    resourceVersion: "1",
    labels: { app: "web" },
  },
  spec: {
    nodeName: "edge-1",
    dnsConfig: { searches: ["pod"] },
    containers: [{
      name: "app",
      image: "busybox:1",
      envFrom: [{ secretRef: { name: "s" } }],
      env: [{
        name: "CPU",
        valueFrom: { resourceFieldRef: { resource: "limits.cpu" } },
      }],
    }],
    volumes: [
      { name: "config", configMap: { name: "cm" } },
      {
        name: "token",
        projected: {
          sources: [{ serviceAccountToken: { path: "token" } }],
        },
      },
    ],
  },
};

/** Objects and settings that {@linkcode REFERRING_POD} refers to; tests replace them. */
export class TranslationInputs {
  configMaps = new Map<string, ConfigMap>([
    ["ns/cm", { metadata: { namespace: "ns", name: "cm" }, data: { a: "1" } }],
  ]);
  secrets = new Map<string, Secret>([
    ["ns/s", {
      metadata: { namespace: "ns", name: "s" },
      data: { KEY: btoa("x") },
    }],
  ]);
  services: Service[] = [];
  token = "t1";
  readonly node = { allocatable: { cpuMillis: 4000, memoryBytes: 1024 } };
  readonly settings: { dns: PodDns | undefined } = {
    dns: { servers: ["10.0.0.53"], searches: [], options: [] },
  };
  /** Number of translations so far. */
  translationCount = 0;
  readonly translations = new PodTranslations({
    node: this.node,
    settings: this.settings,
    sources: {
      findConfigMap: (namespace, name) =>
        this.configMaps.get(`${namespace}/${name}`),
      findSecret: (namespace, name) => this.secrets.get(`${namespace}/${name}`),
      listServices: (namespace) =>
        this.services.filter(({ metadata }) =>
          metadata.namespace === namespace
        ),
    },
    tokens: { find: () => toPodToken(this.token) },
    translate: (pod, lookups) => {
      this.translationCount++;
      return toPodSpec(pod, lookups);
    },
  });

  /** Returns the texts of the files of a pod, sorted. */
  readTexts(pod: Pod): string[] {
    return [...this.translations.findContents(pod).values()].map((content) =>
      new TextDecoder().decode(toFileBytes(content))
    ).sort();
  }
}
