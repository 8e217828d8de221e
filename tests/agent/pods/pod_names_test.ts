// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { checkPodNames } from "../../../lib/agent/pods/pod_names.ts";
import {
  create,
  type PodSpec,
  PodSpecSchema,
} from "../../../lib/shared/wire/mod.ts";

type SpecInit = MessageInitShape<typeof PodSpecSchema>;

const GOOD = {
  uid: "0b1f6a4e-6d0a-4f6e-9d51-1a2b3c4d5e6f",
  initContainers: [{ name: "setup" }],
  containers: [{ name: "app-2" }],
  volumes: [{ name: "kube-api-access-x7z" }],
};

/** Returns a spec with good names, except those in `init`. */
function toSpec(init: SpecInit = {}): PodSpec {
  const spec = create(PodSpecSchema, GOOD);
  const changed = create(PodSpecSchema, init);
  return Object.assign(
    spec,
    Object.fromEntries(
      Object.keys(init).map((
        key,
      ) => [key, changed[key as keyof PodSpec]]),
    ),
  );
}

Deno.test("checkPodNames() accepts the names that Kubernetes allows", () => {
  checkPodNames(toSpec());
  checkPodNames(toSpec({ uid: "u1" }));
});

for (const wrong of ["", ".", "..", "../../../etc", "a/b", "a\0", "-a"]) {
  const cases: { what: string; spec: SpecInit }[] = [
    { what: "UID", spec: { uid: wrong } },
    { what: "name of a container", spec: { containers: [{ name: wrong }] } },
    {
      what: "name of a container",
      spec: { initContainers: [{ name: wrong }] },
    },
    { what: "name of a volume", spec: { volumes: [{ name: wrong }] } },
  ];
  for (const { what, spec } of cases) {
    const text = JSON.stringify(wrong);
    Deno.test(`checkPodNames() refuses ${text} as ${what} (${Object.keys(spec)[0]})`, () => {
      const pod = toSpec(spec);
      assert.throws(() => checkPodNames(pod), {
        code: "invalid",
        message:
          `Cannot apply pod: ${what} is ${text}, expected letters, digits and "-"`,
      });
    });
  }
}
