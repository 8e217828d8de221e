// SPDX-License-Identifier: Apache-2.0
/**
 * Regenerates `lib/shared/wire/_gen.ts` from `proto/aranya.proto`, or with `--check` fails when it
 * differs. The compiler is buf, from its npm package; the plugin is protobuf-es's own.
 */
import { join, ROOT } from "./base/paths.ts";
import { run } from "./base/run.ts";
import { warn } from "./base/terminal.ts";

const GENERATED = join(ROOT, "lib/shared/wire/_gen.ts");

/** Runs buf in a temporary folder and returns the text of the generated module. */
async function generate(): Promise<string> {
  const out = await Deno.makeTempDir({ prefix: "aranya-proto-" });
  try {
    const deno = Deno.execPath();
    const plugin = join(out, "protoc-gen-es");
    await Deno.writeTextFile(
      plugin,
      `#!/bin/sh\nexec '${deno}' run -A --no-config npm:@bufbuild/protoc-gen-es@2.17.0/protoc-gen-es "$@"\n`,
    );
    await Deno.chmod(plugin, 0o755);
    const template = JSON.stringify({
      version: "v2",
      plugins: [{
        local: plugin,
        out,
        opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"],
      }],
    });
    await run(deno, {
      args: [
        ...["run", "-A", "--no-config", "npm:@bufbuild/buf@1.74.0/buf"],
        ...["generate", join(ROOT, "proto"), "--template", template],
      ],
      // The first run downloads the compiler.
      timeoutMs: 240_000,
    });
    return await Deno.readTextFile(join(out, "aranya_pb.ts"));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

if (import.meta.main) {
  const text = await generate();
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(GENERATED, text);
  } else if (text !== await Deno.readTextFile(GENERATED)) {
    warn(
      "lib/shared/wire/_gen.ts differs from proto/aranya.proto: run `deno task proto`",
    );
    Deno.exit(1);
  }
}
