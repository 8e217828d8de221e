// SPDX-License-Identifier: Apache-2.0
/**
 * Golden bytes of protocol version 1: one sample of every message, and one envelope of every kind
 * in both directions. `deno run -A tests/shared/wire/_support/golden.ts` adds samples of new
 * messages. Recorded bytes never change. Names of messages and fields may, as they aren't sent.
 */
import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { toHex, utf8 } from "../../../../lib/shared/base/mod.ts";
import {
  CommandSchema,
  EnvelopeKind,
  EnvelopeKindSchema,
  file_aranya,
  MessageSchema,
} from "../../../../lib/shared/wire/mod.ts";

/** One recorded message. */
export interface Golden {
  /** Name of the message in proto/aranya.proto. */
  message: string;
  /** Value as protobuf JSON. */
  json: unknown;
  hex: string;
}

/** Samples by name. */
export type GoldenTable = Record<string, Golden>;

const MAX_DEPTH = 3;
const TABLE = new URL("../golden/v1.json", import.meta.url);

/** Reads the recorded samples of version 1. */
export async function readGolden(): Promise<GoldenTable> {
  return JSON.parse(await Deno.readTextFile(TABLE));
}

/** Makes a sample of everything in the current schema. */
export function makeGolden(): GoldenTable {
  const table: GoldenTable = {};
  const add = (name: string, schema: DescMessage, message: Message) => {
    const json = toJson(schema, message);
    const hex = toHex(toBinary(schema, message));
    table[name] = { message: schema.name, json, hex };
  };
  for (const schema of file_aranya.messages) {
    if (schema === CommandSchema || schema === MessageSchema) continue;
    const choices = Math.max(
      1,
      ...schema.oneofs.map(({ fields }) => fields.length),
    );
    for (let choice = 0; choice < choices; choice++) {
      const name = choices === 1 ? schema.name : `${schema.name} ${choice}`;
      add(name, schema, sampleOf(schema, { choice, depth: 0 }));
    }
  }
  for (const schema of [CommandSchema, MessageSchema]) {
    for (const { number, localName } of EnvelopeKindSchema.values) {
      const envelope = create(schema, {
        kind: number,
        stream: number < EnvelopeKind.OPEN ? 0 : 300,
        sequence: number < EnvelopeKind.OPEN ? 0n : 5_000_000_000n,
        complete: true,
        payload: utf8(`payload of ${localName}`),
      });
      add(`${schema.name} ${localName}`, schema, envelope);
    }
  }
  return table;
}

/** Makes a message with all fields set, to values derived from their numbers. */
function sampleOf(
  schema: DescMessage,
  { choice, depth }: { choice: number; depth: number },
): Message {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const { oneof, localName } = field;
    if (oneof) {
      if (oneof.fields[choice % oneof.fields.length] !== field) continue;
      const value = valueOf(field, { step: 0, depth });
      if (value !== undefined) {
        init[oneof.localName] = { case: localName, value };
      }
    } else if (field.fieldKind === "list") {
      init[localName] = [0, 1].map((step) => valueOf(field, { step, depth }))
        .filter((value) => value !== undefined);
    } else init[localName] = valueOf(field, { step: 0, depth });
  }
  return create(schema, init as never);
}

function valueOf(
  field: DescField,
  { step, depth }: { step: number; depth: number },
): unknown {
  const number = field.number * 100 + step;
  if (field.message) {
    if (depth >= MAX_DEPTH) return undefined;
    return sampleOf(field.message, { choice: step, depth: depth + 1 });
  }
  if (field.enum) return field.enum.values.at(-1)?.number;
  switch (field.scalar) {
    case ScalarType.STRING:
      return `${field.name} ${number} ü`;
    case ScalarType.BYTES:
      return Uint8Array.of(0, 255, number % 256);
    case ScalarType.BOOL:
      return true;
    case ScalarType.INT64:
      return -BigInt(number) - 2n ** 40n;
    case ScalarType.UINT64:
      return BigInt(number) + 2n ** 40n;
    case ScalarType.INT32:
      return -number;
    default:
      return number;
  }
}

if (import.meta.main) {
  const before = await readGolden().catch(() => ({}));
  const table = { ...makeGolden(), ...before };
  await Deno.writeTextFile(TABLE, JSON.stringify(table, null, 1) + "\n");
}
