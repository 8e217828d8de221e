// SPDX-License-Identifier: Apache-2.0
/** The infra container's image, made here and loaded into the engine: nothing is pulled. */
import {
  AranyaError,
  concatBytes,
  sha256Hex,
  utf8,
} from "../../shared/base/mod.ts";
import { type DockerClient, inspectImage, loadImage } from "../docker/mod.ts";
import { buildInfraProgram } from "./infra_program.ts";
import { buildRelayProgram } from "./relay_program.ts";

/** Its name; the tag is raised with every change of the program. */
export const INFRA_IMAGE = "aranya/infra:1";
const PROGRAM = "infra";
const RELAY = "relay";
/** Path of the relay program in it. */
export const RELAY_PATH = `/${RELAY}`;
const BLOCK_BYTES = 512;

/** Makes sure that the engine has the image for its own architecture. May be called many times. */
export async function ensureInfraImage(
  client: DockerClient,
  arch: string,
): Promise<void> {
  try {
    if ((await inspectImage(client, INFRA_IMAGE)).Architecture === arch) return;
  } catch (error) {
    if (!(error instanceof AranyaError && error.code === "not_found")) {
      throw error;
    }
  }
  await loadImage(client, await buildInfraArchive(arch));
}

/** An archive as `docker save` writes it (Docker Image Specification v1.2): manifest, config, one layer with both programs. */
export async function buildInfraArchive(arch: string): Promise<Uint8Array> {
  const layer = tar([
    { name: PROGRAM, mode: 0o755, content: buildInfraProgram(arch) },
    { name: RELAY, mode: 0o755, content: buildRelayProgram(arch) },
  ]);
  const config = utf8(JSON.stringify({
    architecture: arch,
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: { Entrypoint: [`/${PROGRAM}`] },
    rootfs: { type: "layers", diff_ids: [`sha256:${await sha256Hex(layer)}`] },
    history: [{ created: "1970-01-01T00:00:00Z", created_by: "aranya" }],
  }));
  const configName = `${await sha256Hex(config)}.json`;
  const manifest = utf8(JSON.stringify([{
    Config: configName,
    RepoTags: [INFRA_IMAGE],
    Layers: ["layer.tar"],
  }]));
  return tar([
    { name: configName, mode: 0o644, content: config },
    { name: "layer.tar", mode: 0o644, content: layer },
    { name: "manifest.json", mode: 0o644, content: manifest },
  ]);
}

/** A file of an archive; names are shorter than 100 bytes here. */
interface TarFile {
  name: string;
  mode: number;
  content: Uint8Array;
}

/** A ustar archive (POSIX.1-1988): per file a header block and the content padded to blocks, then two empty blocks. */
function tar(files: TarFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const padding = (BLOCK_BYTES - file.content.length % BLOCK_BYTES) %
      BLOCK_BYTES;
    parts.push(tarHeader(file), file.content, new Uint8Array(padding));
  }
  parts.push(new Uint8Array(2 * BLOCK_BYTES));
  return concatBytes(parts);
}

function tarHeader(file: TarFile): Uint8Array {
  const header = new Uint8Array(BLOCK_BYTES);
  const put = (offset: number, text: string) => header.set(utf8(text), offset);
  const octal = (value: number, digits: number) =>
    value.toString(8).padStart(digits, "0");
  put(0, file.name);
  put(100, octal(file.mode, 7));
  put(108, octal(0, 7)); // owner
  put(116, octal(0, 7)); // group
  put(124, octal(file.content.length, 11));
  put(136, octal(0, 11)); // time of change
  put(148, " ".repeat(8)); // the sum is taken with spaces in its place
  put(156, "0"); // a regular file
  put(257, "ustar\0" + "00");
  put(148, `${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return header;
}
