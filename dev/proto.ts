// SPDX-License-Identifier: Apache-2.0
/**
 * Regenerates `lib/shared/wire/_gen.ts` from `proto/aranya.proto`, or with `--check` fails when it
 * differs. The compiler is buf, from its npm package; the plugin is protobuf-es's own.
 */
import { fromFileUrl, join } from "./base/paths.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const GENERATED = join(ROOT, "lib/shared/wire/_gen.ts");

/** Runs buf in a temporary folder and returns the generated module's text. */
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
    const { success, stderr } = await new Deno.Command(deno, {
      args: [
        "run",
        "-A",
        "--no-config",
        "npm:@bufbuild/buf@1.74.0/buf",
        "generate",
        join(ROOT, "proto"),
        "--template",
        template,
      ],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(
        `Cannot generate lib/shared/wire/_gen.ts: ${
          new TextDecoder().decode(stderr)
        }`,
      );
    }
    return await Deno.readTextFile(join(out, "aranya_pb.ts"));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

const text = await generate();
if (Deno.args.includes("--check")) {
  if (text !== await Deno.readTextFile(GENERATED)) {
    Deno.stderr.writeSync(
      new TextEncoder().encode(
        "lib/shared/wire/_gen.ts differs from proto/aranya.proto: run `deno task proto`\n",
      ),
    );
    Deno.exit(1);
  }
} else {
  await Deno.writeTextFile(GENERATED, text);
}
