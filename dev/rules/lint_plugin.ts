// SPDX-License-Identifier: Apache-2.0
/**
 * Rules of the house style as a plugin of `deno lint`, for feedback in the editor: the room table,
 * boolean arguments, the width of comments. `tests/rules` checks the import graph as a whole.
 */
import { checkDenoMember, checkImport, type Place, placeOf } from "./access.ts";

const HINT = "See docs/architecture.md, Rooms, and dev/rules/rooms.ts";

/** Globals that reach outside the process, or reach `Deno` without naming it. */
const CLOSED_GLOBALS = [
  "BroadcastChannel",
  "EventSource",
  "Function",
  "WebSocket",
  "WebSocketStream",
  "WebTransport",
  "Worker",
  "caches",
  "eval",
  "fetch",
  "global",
  "localStorage",
  "process",
  "self",
  "sessionStorage",
];

/** Checks one covered file, node by node. */
class RoomVisitor {
  readonly #context: Deno.lint.RuleContext;
  readonly #place: Place;

  constructor(context: Deno.lint.RuleContext, place: Place) {
    this.#context = context;
    this.#place = place;
  }

  /** Checks the module of a static import or export; other exports have none. */
  checkSpecifier(node: Deno.lint.Node, specifier: unknown): void {
    if (typeof specifier === "string") {
      this.#report(node, checkImport(this.#place, specifier));
    }
  }

  /** Checks `import(…)`, whose module must be a literal. */
  checkDynamicImport(node: Deno.lint.ImportExpression): void {
    if (
      node.source.type === "Literal" && typeof node.source.value === "string"
    ) {
      this.checkSpecifier(node, node.source.value);
    } else this.#report(node, "an import names its module literally");
  }

  /** Checks a use of `Deno`, of `globalThis`, and of globals that are closed in lib/. */
  checkIdentifier(node: Deno.lint.Identifier): void {
    const parent = node.parent;
    if (isName(node, parent)) return;
    if (CLOSED_GLOBALS.includes(node.name)) {
      this.#report(node, `${node.name} is not used in lib/`);
    }
    if (node.name === "globalThis") this.#checkGlobalThis(node, parent);
    if (node.name !== "Deno" || parent?.type === "TSQualifiedName") return;
    const member = memberOf(node, parent);
    this.#report(
      node,
      member === undefined
        ? "Deno is used only as Deno.member, for the room table"
        : checkDenoMember(this.#place, member),
    );
  }

  /** Other members of globalThis would evade this rule. */
  #checkGlobalThis(node: Deno.lint.Node, parent?: Deno.lint.Node): void {
    if (memberOf(node, parent) !== "addEventListener") {
      this.#report(node, "globalThis is used only for addEventListener");
    }
  }

  #report(node: Deno.lint.Node, message: string | undefined): void {
    if (message) this.#context.report({ node, message, hint: HINT });
  }
}

/** Returns `m` when the object stands in `object.m`, else undefined. */
function memberOf(
  object: Deno.lint.Node,
  parent?: Deno.lint.Node,
): string | undefined {
  return parent?.type === "MemberExpression" && parent.object === object &&
      !parent.computed && parent.property.type === "Identifier"
    ? parent.property.name
    : undefined;
}

/**
 * Returns whether an identifier is only a name here (a property, a key, a method), not a reference.
 */
function isName(node: Deno.lint.Identifier, parent?: Deno.lint.Node): boolean {
  switch (parent?.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
      return parent.key === node && !parent.computed && !parent.shorthand;
    case "MethodDefinition":
    case "PropertyDefinition":
      return parent.key === node && !parent.computed;
    case "TSPropertySignature":
    case "TSMethodSignature":
    case "TSTypeReference":
      return true;
    default:
      return false;
  }
}

/** Returns whether this is `true`, `false`, or `!0` and its like. */
function isBooleanLiteral(node: Deno.lint.Node): boolean {
  if (node.type === "Literal") return typeof node.value === "boolean";
  return node.type === "UnaryExpression" && node.operator === "!" &&
    node.argument.type === "Literal";
}

/** Rule "aranya/rooms": imports and runtime functions follow the room table. */
const ROOM_RULE: Deno.lint.Rule = {
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
};

/**
 * Rule "aranya/boolean-argument": no positional boolean literals in lib/. Deno's own
 * no-boolean-literal-for-arguments can't be kept out of tests, where assert.equal(x, true) is
 * right.
 */
const BOOLEAN_RULE: Deno.lint.Rule = {
  create(context) {
    if (!placeOf(context.filename)) return {};
    return {
      CallExpression(node) {
        for (const argument of node.arguments) {
          if (isBooleanLiteral(argument)) {
            context.report({
              node: argument,
              message: "a positional true or false has no name at the call",
              hint: "Take it as a named option",
            });
          }
        }
      },
    };
  },
};

/** Widest line of a comment, in columns. */
export const MAX_COMMENT_COLUMNS = 100;

/** Rule "aranya/comment-width": `deno fmt` does not wrap comments. */
const COMMENT_WIDTH_RULE: Deno.lint.Rule = {
  create(context) {
    const { sourceCode } = context;
    return {
      Program() {
        for (const { range: [start, end] } of sourceCode.getAllComments()) {
          const lineStart = sourceCode.text.lastIndexOf("\n", start) + 1;
          const lines = sourceCode.text.slice(lineStart, end).split("\n");
          if (lines.every(({ length }) => length <= MAX_COMMENT_COLUMNS)) {
            continue;
          }
          context.report({
            range: [start, end],
            message: `a comment is wider than ${MAX_COMMENT_COLUMNS} columns`,
            hint: "Wrap it",
          });
        }
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "aranya",
  rules: {
    rooms: ROOM_RULE,
    "boolean-argument": BOOLEAN_RULE,
    "comment-width": COMMENT_WIDTH_RULE,
  },
};

export default plugin;
