// SPDX-License-Identifier: Apache-2.0
/**
 * A plugin of `deno lint` that finds no faults: it reports each file's {@linkcode FileFacts} as
 * JSON.
 */

/** A comment as it stands in the file. */
export interface Comment {
  /** The text between the comment marks. */
  text: string;
  /** Line numbers, from 1. */
  firstLine: number;
  lastLine: number;
}

/** A function, method or arrow function with a body, closures inside it included. */
export interface FunctionFact {
  /** Its name, or that of the variable, property or argument that it is the value of. */
  name: string;
  line: number;
  lineCount: number;
}

/** A class declaration. */
export interface ClassFact {
  name: string;
  line: number;
  fieldCount: number;
}

/** What the checks and the review need to know of one file, apart from its imports. */
export interface FileFacts {
  comments: Comment[];
  /** Texts of string literals and template parts. */
  strings: { text: string; line: number }[];
  functions: FunctionFact[];
  classes: ClassFact[];
  /** Names of exported classes and interfaces. */
  exportedTypes: string[];
  /** Members of the `Deno` namespace that are used as values, once for each use. */
  denoMembers: string[];
  /** Calls of `Deno.test(…)`. */
  testCount: number;
}

/** A node as far as names are looked for. */
interface Named {
  type: string;
  id?: { name?: string } | null;
  key?: { name?: string; value?: unknown };
  parent?: Named;
}

class FactsVisitor {
  readonly facts: FileFacts = {
    comments: [],
    strings: [],
    functions: [],
    classes: [],
    exportedTypes: [],
    denoMembers: [],
    testCount: 0,
  };
  readonly #text: string;

  constructor(context: Deno.lint.RuleContext) {
    const { text } = context.sourceCode;
    this.#text = text;
    for (const { value, range } of context.sourceCode.getAllComments()) {
      this.facts.comments.push({
        text: value,
        firstLine: this.#lineAt(range[0]),
        lastLine: this.#lineAt(range[1]),
      });
    }
  }

  addString(text: string, node: { range: Deno.lint.Range }): void {
    this.facts.strings.push({ text, line: this.#lineAt(node.range[0]) });
  }

  addFunction(node: Deno.lint.Node & { range: Deno.lint.Range }): void {
    const line = this.#lineAt(node.range[0]);
    this.facts.functions.push({
      name: nameOf(node as unknown as Named),
      line,
      lineCount: this.#lineAt(node.range[1]) - line + 1,
    });
  }

  addClass(node: Deno.lint.ClassDeclaration): void {
    this.facts.classes.push({
      name: node.id?.name ?? "",
      line: this.#lineAt(node.range[0]),
      fieldCount: node.body.body.filter((one) =>
        one.type === "PropertyDefinition"
      ).length,
    });
  }

  addExport(node: Deno.lint.ExportNamedDeclaration): void {
    const { declaration } = node;
    if (
      declaration?.type === "ClassDeclaration" ||
      declaration?.type === "TSInterfaceDeclaration"
    ) this.facts.exportedTypes.push(declaration.id?.name ?? "");
  }

  addMember(node: Deno.lint.MemberExpression): void {
    if (
      node.object.type === "Identifier" && node.object.name === "Deno" &&
      node.property.type === "Identifier"
    ) {
      this.facts.denoMembers.push(node.property.name);
      const { parent } = node;
      if (
        node.property.name === "test" && parent?.type === "CallExpression" &&
        parent.callee === node
      ) this.facts.testCount++;
    }
  }

  #lineAt(offset: number): number {
    let line = 1;
    for (
      let at = this.#text.indexOf("\n");
      at >= 0 && at < offset;
      at = this.#text.indexOf("\n", at + 1)
    ) line++;
    return line;
  }
}

function nameOf(node: Named): string {
  if (node.id?.name) return node.id.name;
  const { parent } = node;
  return parent?.id?.name ?? parent?.key?.name ??
    String(parent?.key?.value ?? "(anonymous)");
}

const plugin: Deno.lint.Plugin = {
  name: "facts",
  rules: {
    file: {
      create(context) {
        const visitor = new FactsVisitor(context);
        return {
          FunctionDeclaration: (node) => visitor.addFunction(node),
          FunctionExpression: (node) => visitor.addFunction(node),
          ArrowFunctionExpression: (node) => visitor.addFunction(node),
          ClassDeclaration: (node) => visitor.addClass(node),
          ExportNamedDeclaration: (node) => visitor.addExport(node),
          MemberExpression: (node) => visitor.addMember(node),
          Literal(node) {
            if (typeof node.value === "string") {
              visitor.addString(node.value, node);
            }
          },
          TemplateElement: (node) => visitor.addString(node.cooked, node),
          "Program:exit": (node) =>
            context.report({ node, message: JSON.stringify(visitor.facts) }),
        };
      },
    },
  },
};

export default plugin;
