// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { isOlder } from "../../../dev/build/binaries.ts";
import { kubernetesModule } from "../../../dev/build/go_build.ts";

Deno.test("isOlder() compares versions by number", () => {
  assert.equal(isOlder("1.9.0", "1.36.3"), true);
  assert.equal(isOlder("1.36.3", "1.36.3"), false);
  assert.equal(isOlder("1.36.10", "1.36.3"), false);
});

Deno.test("kubernetesModule() replaces each staging module by its published one", () => {
  const original = `module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	k8s.io/api v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
)
`;
  assert.equal(
    kubernetesModule(original, "1.36.3").replaceAll(/\n+/g, "\n"),
    `module aranya.dev/kubernetes
go 1.26.0
godebug default=go1.26
require k8s.io/kubernetes v1.36.3
replace (
	k8s.io/api => k8s.io/api v0.36.3
	k8s.io/client-go => k8s.io/client-go v0.36.3
)
`,
  );
});
