// SPDX-License-Identifier: Apache-2.0
/**
 * Finds what a room exports without saying what it is: each symbol behind `lib/<room>/mod.ts`, and each method of an exported class or interface, has a
 * docstring. `deno doc --lint` would ask for more than helps: one for each field, and no type of another room in a signature.
 */
import { join, ROOT } from "./base/paths.ts";
import { say, warn } from "./base/say.ts";

interface DocNode {
  name: string;
  jsDoc?: { doc?: string };
  declarations?: DocNode[];
  declarationKind?: string;
  kind?: string;
  location?: { filename: string; line: number };
}

/** Exported symbols of one room that have no docstring, as `file:line name`. */
async function findUndocumented(room: string): Promise<string[]> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", join(ROOT, "lib", room, "mod.ts")],
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(
      `Cannot read docs of lib/${room}: ${new TextDecoder().decode(stderr)}`,
    );
  }
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: DocNode[] | Record<string, { symbols?: DocNode[] }>;
  };
  const symbols = Array.isArray(nodes)
    ? nodes
    : Object.values(nodes).flatMap((file) => file.symbols ?? []);
  const own = symbols.flatMap((symbol) =>
    (symbol.declarations ?? [symbol]).map((declaration) => ({
      ...declaration,
      name: symbol.name,
    }))
  );
  return own
    .filter(({ location, jsDoc }) =>
      location?.filename.includes(`/lib/${room}/`) &&
      !location.filename.endsWith("_gen.ts") && !jsDoc?.doc
    )
    .map(({ location, name }) =>
      `${location?.filename.replace(/^.*\/lib\//, "lib/")}:${
        (location?.line ?? 0) + 1
      } ${name}`
    );
}

const rooms: string[] = [];
for await (const entry of Deno.readDir(join(ROOT, "lib"))) {
  rooms.push(entry.name);
}
const missing = (await Promise.all(rooms.sort().map(findUndocumented))).flat();
for (const line of missing) warn(`no docstring: ${line}`);
if (missing.length > 0) Deno.exit(1);
say(`Every export of ${rooms.length} rooms has its docstring.`);
