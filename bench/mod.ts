// SPDX-License-Identifier: Apache-2.0
/** `deno task bench NAME [options]`: runs one benchmark; without a name, says which there are. */
import { dirname, fromFileUrl, join } from "../dev/base/paths.ts";
import { warn } from "../dev/base/terminal.ts";

/** Name on the command line, and what it measures. */
const BENCHES: Record<string, string> = {
  deploy:
    "devices until they are usable, and back, against bare writes; --devices N",
  link: "packets over gRPC, sealed and bare",
  session: "streams over one link",
  streams:
    "kubectl exec, cp, logs, port-forward and pods through a whole world",
  kubelet: "a thousand kubelet servers in one process",
};

const [name = "", ...args] = Deno.args;
if (!Object.hasOwn(BENCHES, name)) {
  warn(
    `Cannot run benchmark "${name}": there is no such one, expected one of:`,
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
