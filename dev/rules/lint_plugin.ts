// SPDX-License-Identifier: Apache-2.0
/** The room table as a plugin of `deno lint`, for feedback in the editor. `tests/rules` checks the import graph as a whole. */
import { dirname, relative, ROOT } from "../base/paths.ts";
import {
  ENTRIES,
  FREE_DENO_MEMBERS,
  FREE_MODULES,
  type RoomRule,
  ROOMS,
} from "./rooms.ts";

/** A source file that the rules cover. */
export interface Place {
  /** Name of the room, or of the entry file. */
  room: string;
  /** Path from the repository's root, with forward slashes. */
  path: string;
  rule: RoomRule | undefined;
}

/**
 * Returns the place of a file, or undefined for files that the rules don't cover (tests, dev, bench).
 * @param filename absolute, or relative to the repository's root
 */
export function placeOf(filename: string): Place | undefined {
  const path = relative(ROOT, filename).replaceAll("\\", "/");
  if (ENTRIES.has(path)) return { room: path, path, rule: ENTRIES.get(path) };
  if (!path.startsWith("lib/")) return undefined;
  const room = dirname(path).slice("lib/".length);
  return { room, path, rule: ROOMS.get(room) };
}

/** Returns the npm package or `node:` module that an import specifier names. */
export function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Returns why this import is not allowed, or undefined when it is. */
export function checkImport(
  place: Place,
  specifier: string,
): string | undefined {
  const { room, rule } = place;
  if (!rule) return `lib/${room} is not in the room table`;
  if (specifier.startsWith(".")) {
    return checkLocalImport(place, `${dirname(place.path)}/${specifier}`);
  }
  if (/^(?:https?|file|data|jsr|npm):/.test(specifier)) {
    return "packages are imported by the names in deno.json";
  }
  const name = packageOf(specifier);
  if (FREE_MODULES.includes(name) || rule.packages?.includes(name)) {
    return undefined;
  }
  return `${name} is not among the packages of ${room}`;
}

function checkLocalImport(place: Place, target: string): string | undefined {
  const { room, rule } = place;
  const to = placeOf(new URL(target, `file://${ROOT}/`).pathname);
  if (!to) return `${room} may not import ${target}`;
  if (to.room === room) {
    return to.path.endsWith("/mod.ts")
      ? "a file does not import its own room's mod.ts"
      : undefined;
  }
  if (to.room === "agent.ts" && room === "main.ts") return undefined;
  if (!rule?.imports.includes(to.room)) {
    return `${room} may not import ${to.room}`;
  }
  return to.path === `lib/${to.room}/mod.ts`
    ? undefined
    : `lib/${to.room} is entered only through its mod.ts`;
}

/** Returns why this member of the `Deno` namespace is not allowed here, or undefined when it is. */
export function checkDenoMember(
  place: Place,
  member: string,
): string | undefined {
  if (FREE_DENO_MEMBERS.includes(member)) return undefined;
  if (place.rule?.deno?.includes(member)) return undefined;
  return member === "env"
    ? "Deno.env is read only in main.ts and agent.ts"
    : `Deno.${member} is not among the runtime functions of ${place.room}`;
}

const HINT = "See docs/architecture.md, Rooms, and dev/rules/rooms.ts";

/** Globals that reach outside the process without naming `Deno`. */
const CLOSED_GLOBALS = [
  "fetch",
  "process",
  "WebSocket",
  "EventSource",
  "Worker",
  "eval",
  "Function",
];

/** The visitor of one covered file. */
class RoomVisitor {
  readonly #context: Deno.lint.RuleContext;
  readonly #place: Place;

  constructor(context: Deno.lint.RuleContext, place: Place) {
    this.#context = context;
    this.#place = place;
  }

  checkSpecifier(node: Deno.lint.Node, specifier: unknown): void {
    if (typeof specifier === "string") {
      this.#report(node, checkImport(this.#place, specifier));
    }
  }

  checkDynamicImport(node: Deno.lint.ImportExpression): void {
    if (
      node.source.type === "Literal" && typeof node.source.value === "string"
    ) {
      this.checkSpecifier(node, node.source.value);
    } else this.#report(node, "an import names its module literally");
  }

  checkIdentifier(node: Deno.lint.Identifier): void {
    const parent = node.parent;
    if (isName(node, parent)) return;
    if (CLOSED_GLOBALS.includes(node.name)) {
      this.#report(node, `${node.name} is not used in lib/`);
    }
    if (node.name === "globalThis") this.#checkGlobalThis(node, parent);
    if (node.name !== "Deno" || parent?.type === "TSQualifiedName") return;
    if (
      parent?.type === "MemberExpression" && parent.object === node &&
      !parent.computed && parent.property.type === "Identifier"
    ) {
      this.#report(
        parent,
        checkDenoMember(this.#place, parent.property.name),
      );
    } else {
      this.#report(
        node,
        "Deno is used only as Deno.member, for the room table",
      );
    }
  }

  /** Members of globalThis that aren't on a list of their own would be a way around this rule. */
  #checkGlobalThis(node: Deno.lint.Node, parent?: Deno.lint.Node): void {
    const isListener = parent?.type === "MemberExpression" &&
      !parent.computed && parent.property.type === "Identifier" &&
      parent.property.name === "addEventListener";
    if (!isListener) {
      this.#report(node, "globalThis is used only for addEventListener");
    }
  }

  #report(node: Deno.lint.Node, message: string | undefined): void {
    if (message) this.#context.report({ node, message, hint: HINT });
  }
}

/** Whether an identifier is only a name here: a property, a key, a method. */
function isName(node: Deno.lint.Identifier, parent?: Deno.lint.Node): boolean {
  if (parent?.type === "MemberExpression") {
    return parent.property === node && !parent.computed;
  }
  if (parent?.type === "Property") {
    return parent.key === node && !parent.computed && !parent.shorthand;
  }
  return parent?.type === "MethodDefinition" ||
    parent?.type === "PropertyDefinition" ||
    parent?.type === "TSPropertySignature" ||
    parent?.type === "TSMethodSignature" ||
    parent?.type === "TSTypeReference";
}

/** `true`, `!0` and their like. */
function isBooleanLiteral(node: Deno.lint.Node): boolean {
  if (node.type === "Literal") return typeof node.value === "boolean";
  return node.type === "UnaryExpression" && node.operator === "!" &&
    node.argument.type === "Literal";
}

const plugin: Deno.lint.Plugin = {
  name: "aranya",
  rules: {
    rooms: {
      create(context) {
        const place = placeOf(context.filename);
        if (!place) return {};
        const visitor = new RoomVisitor(context, place);
        return {
          ImportDeclaration: (node) =>
            visitor.checkSpecifier(node, node.source.value),
          ExportNamedDeclaration: (node) =>
            visitor.checkSpecifier(node, node.source?.value),
          ExportAllDeclaration: (node) =>
            visitor.checkSpecifier(node, node.source.value),
          ImportExpression: (node) => visitor.checkDynamicImport(node),
          Identifier: (node) => visitor.checkIdentifier(node),
          TSImportType: (node) =>
            context.report({
              node,
              message: 'a type is imported by an import, not by import("…")',
              hint: HINT,
            }),
        };
      },
    },
    // Deno's own no-boolean-literal-for-arguments can't be kept out of tests, where assert.equal(x, true) is right.
    "boolean-argument": {
      create(context) {
        if (!placeOf(context.filename)) return {};
        return {
          CallExpression(node) {
            for (const argument of node.arguments) {
              if (isBooleanLiteral(argument)) {
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
