// SPDX-License-Identifier: Apache-2.0
/** The conditions of pressure that were true at last, in the state directory. */
import {
  AranyaError,
  asAranyaError,
  fromUtf8,
  utf8,
} from "../shared/base/mod.ts";
import type { PressureRecord } from "./runtime/mod.ts";
import type { StateStore } from "./state/mod.ts";

const RECORD = { kind: "setting", key: "pressure" } as const;

/** Its keys are an on-disk format: do not rename them. */
interface EncodedPressure {
  version: 1;
  types: string[];
}

/** Returns the record of this state directory. An absent one is empty. */
export function createPressureRecord(
  store: Pick<StateStore, "read" | "write">,
): PressureRecord {
  return {
    load: async () => {
      const bytes = await store.read(RECORD);
      return bytes ? parseTypes(bytes) : [];
    },
    save: async (types) => {
      const encoded: EncodedPressure = { version: 1, types: [...types] };
      await store.write(RECORD, utf8(JSON.stringify(encoded)));
    },
  };
}

/** @throws {AranyaError} code "invalid" */
function parseTypes(bytes: Uint8Array): string[] {
  const action = "Cannot read conditions of pressure";
  let value: Partial<EncodedPressure> | null;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (error) {
    throw new AranyaError("invalid", asAranyaError(error, action).message, {
      cause: error,
    });
  }
  if (value?.version !== 1 || !Array.isArray(value.types)) {
    throw new AranyaError("invalid", `${action}: unknown format`);
  }
  return value.types.filter((type) => typeof type === "string");
}
