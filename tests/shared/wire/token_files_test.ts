// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  create,
  listTokenFiles,
  PodSpecSchema,
} from "../../../lib/shared/wire/mod.ts";

Deno.test("listTokenFiles() returns the files with a token of all volumes", () => {
  const spec = create(PodSpecSchema, {
    volumes: [
      { name: "a", source: { case: "emptyDir", value: {} } },
      { name: "b" },
      {
        name: "c",
        source: {
          case: "files",
          value: {
            files: [{ path: "ca.crt" }, {
              path: "token",
              token: { audience: "x" },
            }],
          },
        },
      },
      {
        name: "d",
        source: {
          case: "files",
          value: { files: [{ path: "other", token: {} }] },
        },
      },
    ],
  });
  assert.deepEqual(listTokenFiles(spec).map(({ path }) => path), [
    "token",
    "other",
  ]);
});
