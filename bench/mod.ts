// SPDX-License-Identifier: Apache-2.0
/** `deno task bench NAME [options]`: runs one benchmark; without a name, lists them. */
import { dirname, fromFileUrl, join } from "../dev/base/paths.ts";
import { warn } from "../dev/base/terminal.ts";

/** Benchmarks by name, with what they measure. */
const BENCHES: Record<string, string> = {
  deploy:
    "creation and deletion of devices, compared with bare writes; --devices N",
  link: "packets over gRPC, encrypted and not; --megabytes N",
  session: "one stream over a link in memory; SECONDS",
  streams:
    "kubectl exec, cp, logs, port-forward and pods through all parts; --megabytes N",
  kubelet: "many kubelet servers in one process; --servers N",
};

const [name = "", ...args] = Deno.args;
if (!Object.hasOwn(BENCHES, name)) {
  warn(
    `Cannot run benchmark "${name}": it does not exist, expected one of:`,
  );
  for (const [key, text] of Object.entries(BENCHES)) {
    warn(`  ${key.padEnd(10)}${text}`);
  }
  Deno.exit(2);
}
const file = join(dirname(fromFileUrl(import.meta.url)), `${name}.ts`);
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", file, ...args],
}).spawn().status;
Deno.exit(code);
