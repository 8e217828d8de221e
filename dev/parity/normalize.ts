// SPDX-License-Identifier: Apache-2.0
/**
 * Replaces what must differ between two nodes, or between two runs, by names in angle brackets.
 * docs/parity.md lists the rules.
 */

/** A rule that holds for every text. */
export interface NormalRule {
  pattern: RegExp;
  replacement: string;
  /** What the rule hides, for docs/parity.md. */
  hides: string;
}

/** Rules in the order in which they are applied. */
export const RULES: readonly NormalRule[] = [
  {
    pattern: /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g,
    replacement: "<time>",
    hides: "points in time",
  },
  {
    pattern:
      /(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f-])/g,
    replacement: "<uid>",
    hides: "UIDs",
  },
  {
    pattern: /\b(?:docker|containerd):\/\/(?=[0-9a-f]{64})/g,
    replacement: "<runtime>://",
    hides: "the container runtime's name in container IDs",
  },
  {
    pattern: /\b(?:sha256:)?(?=[0-9a-f]*[1-9a-f])[0-9a-f]{64}\b/g,
    replacement: "<id>",
    hides: "IDs of containers, sandboxes and images",
  },
  {
    pattern: /docker\.io\/(?:library\/)?/g,
    replacement: "",
    hides: "the registry that containerd adds to short image names",
  },
  {
    pattern:
      /\b(10\.88\.0|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+)\.\d+\b/g,
    replacement: "<podIP>",
    hides: "addresses of pods",
  },
  {
    pattern: /\b10\.213\.0\.\d+\b/g,
    replacement: "<hostIP>",
    hides: "addresses of nodes",
  },
  {
    pattern: /\b[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d\b/g,
    replacement: "<date>",
    hides: "dates of files",
  },
  {
    pattern: /\bcontainer [0-9a-f]{12}\b/g,
    replacement: "container <id>",
    hides: "IDs of containers, sandboxes and images",
  },
  {
    pattern: /, used: \d+, capacity: \d+/g,
    replacement: ", used: <n>, capacity: <n>",
    hides: "what other pods of the node use",
  },
  {
    pattern: /failed to create containerd task: /g,
    replacement: "",
    hides: "containerd's name before an error of runc",
  },
  {
    pattern: /kube-api-access-[a-z0-9]{5}/g,
    replacement: "kube-api-access-<random>",
    hides: "the random name of the token's volume",
  },
  {
    pattern:
      /\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:µs|ms|s)\b(?= \(|\)| including)/g,
    replacement: "<duration>",
    hides: "how long an image pull took",
  },
  {
    pattern: /(Failed to pull image "[^"]*": )[\s\S]*/g,
    replacement: "$1<engine's text>",
    hides: "the text of a registry's or engine's error after the image's name",
  },
  {
    pattern: /127\.0\.0\.1:\d{5}->/g,
    replacement: "<local>->",
    hides: "local ports of connections",
  },
  {
    pattern: /<podIP>:\d{5}->/g,
    replacement: "<local>->",
    hides: "local ports of connections",
  },
  {
    pattern: /<hostIP>:\d{5}->/g,
    replacement: "<local>->",
    hides: "local ports of connections",
  },
];

/** Names of a node's own, which are replaced too. */
export interface NodeNames {
  node: string;
  namespace: string;
}

/** Returns a text without what differs from node to node and from run to run. */
export function normalizeText(text: string, names: NodeNames): string {
  const named = text.replaceAll(names.node, "<node>")
    .replaceAll(names.namespace, "<namespace>");
  return RULES.reduce(
    (result, { pattern, replacement }) => result.replace(pattern, replacement),
    named,
  );
}
