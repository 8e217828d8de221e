// SPDX-License-Identifier: Apache-2.0
/** One table of endpoints for everything that checks them: agent, operator and EdgeDevice. */

const LABEL_63 = "a".repeat(63);
const NAME_253 = `${LABEL_63}.${LABEL_63}.${LABEL_63}.${"b".repeat(61)}`;

/** Accepted everywhere. */
export const ENDPOINTS: readonly string[] = [
  "edge.example:443",
  "edge.example.:443",
  "a_b.example:443",
  "_edge:443",
  "edge-:443",
  "localhost:1",
  "7.example:443",
  "10.0.0.1:65535",
  "10.0.0.1:00443",
  "[fd00::1]:9443",
  "[FD00::A]:9443",
  "[64:ff9b::10.0.0.1]:443",
  `${LABEL_63}:443`,
  `${NAME_253}:65535`,
];

/** Refused everywhere. */
export const NO_ENDPOINTS: readonly string[] = [
  "",
  "edge",
  "edge:",
  "edge:0",
  "edge:65536",
  "edge:99999",
  "edge:100000",
  "edge:+1",
  ":443",
  "fd00::1:443",
  "[edge]:443",
  "[10.0.0.1]:443",
  "[fd00::g]:443",
  "[fd00::1::2]:443",
  "[]:443",
  "[fd00::1:443",
  "10.0.0.256:443",
  "10.0.0:443",
  "10.0.0.01:443",
  "10:443",
  "a..example:443",
  ".example:443",
  "-a.example:443",
  "a,b:443",
  "https://edge:443",
  "user@edge:443",
  "e dge:443",
  "edge:443/",
  "edge:443\n",
  `${LABEL_63}a:443`,
  `${NAME_253}c:443`,
];

/** Accepted in agent.yaml alone: they mean something on one machine, or are never needed. */
export const ENDPOINTS_OF_AGENT: readonly string[] = [
  "[fe80::1%eth0]:9443",
  "[::ffff:10.0.0.1]:9443",
];
