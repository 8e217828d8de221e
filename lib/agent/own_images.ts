// SPDX-License-Identifier: Apache-2.0
/** The list of images that pods of the device have used, in the state directory. */
import {
  AranyaError,
  asAranyaError,
  fromUtf8,
  utf8,
} from "../shared/base/mod.ts";
import type { OwnImagesRecord } from "./runtime/mod.ts";
import type { StateStore } from "./state/mod.ts";

const RECORD = { kind: "setting", key: "images" } as const;

/** Its keys are an on-disk format: do not rename them. */
interface EncodedImages {
  version: 1;
  ids: string[];
}

/** Returns the record of this state directory. An absent one is empty. */
export function createOwnImagesRecord(
  store: Pick<StateStore, "read" | "write">,
): OwnImagesRecord {
  return {
    load: async () => {
      const bytes = await store.read(RECORD);
      return bytes ? parseImages(bytes) : [];
    },
    save: async (ids) => {
      const encoded: EncodedImages = { version: 1, ids: [...ids] };
      await store.write(RECORD, utf8(JSON.stringify(encoded)));
    },
  };
}

/** @throws {AranyaError} code "invalid" */
function parseImages(bytes: Uint8Array): string[] {
  const action = "Cannot read list of images";
  let value: Partial<EncodedImages> | null;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (error) {
    throw new AranyaError("invalid", asAranyaError(error, action).message, {
      cause: error,
    });
  }
  if (value?.version !== 1 || !Array.isArray(value.ids)) {
    throw new AranyaError("invalid", `${action}: unknown format`);
  }
  return value.ids.filter((id) => typeof id === "string");
}
