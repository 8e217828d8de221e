// SPDX-License-Identifier: Apache-2.0
/**
 * The house rules as a lint plugin: rooms, doors, fences, and who may read the environment.
 * The table is `dev/rules/rooms.ts`; docs/architecture.md shows the same one.
 */
import { ENTRIES, FREE_MODULES, ROOMS } from "./rooms.ts";

/** Where a file stands in the house. */
interface Place {
  /** Room name, "main.ts", "agent.ts", or "" for files outside the rules (tests, dev, bench). */
  room: string;
  /** Path below `lib/`, or the file name of an entry. */
  path: string;
}

/** Finds the place of an absolute or relative path. */
export function placeOf(filename: string): Place {
  const path = filename.replaceAll("\\", "/");
  const inLib = path.match(/(?:^|\/)lib\/([^/]+)\/(.+)$/);
  if (inLib) return { room: inLib[1] ?? "", path: `${inLib[1]}/${inLib[2]}` };
  const entry = path.match(/(?:^|\/)(main|agent)\.ts$/);
  if (entry && !/\/(tests|dev|bench)\//.test(path)) {
    return { room: `${entry[1]}.ts`, path: `${entry[1]}.ts` };
  }
  return { room: "", path };
}

/** The sentence that says why this import is not allowed, or undefined when it is. */
export function judgeImport(place: Place, source: string): string | undefined {
  if (place.room === "") return undefined;
  if (source.startsWith(".")) return judgeLocal(place, source);
  if (source.startsWith("node:")) {
    const holders = Object.keys(ROOMS).filter((room) =>
      ROOMS[room]?.fences.includes(source)
    );
    if (FREE_MODULES.includes(source) || holders.includes(place.room)) {
      return undefined;
    }
    return holders.length > 0
      ? `${source} is fenced in lib/${holders.join(", lib/")}`
      : `${source} is not in the rule table`;
  }
  const name = source.split("/").slice(0, source.startsWith("@") ? 2 : 1).join(
    "/",
  );
  if (ROOMS[place.room]?.fences.includes(name)) return undefined;
  return `package ${name} is not fenced in ${place.room}`;
}

function judgeLocal(place: Place, source: string): string | undefined {
  const target = placeOf(
    new URL(
      source,
      `file:///lib/${place.room in ROOMS ? place.path : "../" + place.path}`,
    ).pathname,
  );
  if (target.room === place.room) {
    return target.path === `${place.room}/mod.ts`
      ? "a file does not import its own room's mod.ts"
      : undefined;
  }
  if (target.room === "agent.ts" && place.room === "main.ts") return undefined;
  const allowed = ENTRIES[place.room] ?? ROOMS[place.room]?.imports ?? [];
  if (!allowed.includes(target.room)) {
    return `${place.room} may not import ${target.room || source}`;
  }
  if (target.path !== `${target.room}/mod.ts`) {
    return `lib/${target.room} is entered only through its mod.ts`;
  }
  return undefined;
}

const HINT = "See docs/architecture.md, Rooms, and dev/rules/rooms.ts";

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    rooms: {
      create(context) {
        const place = placeOf(context.filename);
        const check = (node: Deno.lint.Node, source: unknown) => {
          if (typeof source !== "string") return;
          const message = judgeImport(place, source);
          if (message) context.report({ node, message, hint: HINT });
        };
        return {
          ImportDeclaration: (node) => check(node, node.source.value),
          ExportNamedDeclaration: (node) => check(node, node.source?.value),
          ExportAllDeclaration: (node) => check(node, node.source.value),
          ImportExpression: (node) =>
            check(
              node,
              node.source.type === "Literal" ? node.source.value : undefined,
            ),
        };
      },
    },
    environment: {
      create(context) {
        const place = placeOf(context.filename);
        if (!(place.room in ROOMS)) return {};
        return {
          "MemberExpression[object.name=/^(Deno|process)$/][property.name='env']":
            (node: Deno.lint.Node) => {
              context.report({
                node,
                message: "the environment is read only in main.ts and agent.ts",
                hint: "Take the value as an option",
              });
            },
        };
      },
    },
    // Deno's own no-boolean-literal-for-arguments can't be kept out of tests, where assert.equal(x, true) is right.
    "boolean-argument": {
      create(context) {
        const place = placeOf(context.filename);
        if (place.room === "") return {};
        return {
          CallExpression(node) {
            for (const argument of node.arguments) {
              if (
                argument.type === "Literal" &&
                typeof argument.value === "boolean"
              ) {
                context.report({
                  node: argument,
                  message: "a bare true or false says nothing at the call",
                  hint: "Take it as a named option",
                });
              }
            }
          },
        };
      },
    },
  },
};

export default plugin;
