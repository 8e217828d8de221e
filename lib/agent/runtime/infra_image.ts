// SPDX-License-Identifier: Apache-2.0
/**
 * The image of infra containers, which is built here and loaded into the engine: nothing is pulled.
 */
import {
  concatBytes,
  hasCode,
  sha256Hex,
  utf8,
} from "../../shared/base/mod.ts";
import { type DockerClient, inspectImage, loadImage } from "../docker/mod.ts";
import { buildInfraProgram } from "./infra_program.ts";
import { buildRelayProgram } from "./relay_program.ts";

/** Name of the image; raise the tag with every change of a program. */
export const INFRA_IMAGE = "aranya/infra:1";
const PROGRAM = "infra";
const RELAY = "relay";
/** Path of the relay program in the image. */
export const RELAY_PATH = `/${RELAY}`;
const BLOCK_BYTES = 512;

/** Makes sure that the engine has the image for its own architecture, in Go's names. */
export async function ensureInfraImage(
  client: DockerClient,
  arch: string,
): Promise<void> {
  try {
    if ((await inspectImage(client, INFRA_IMAGE)).Architecture === arch) return;
  } catch (error) {
    if (!hasCode(error, "not_found")) throw error;
  }
  await loadImage(client, await buildInfraArchive(arch));
}

/**
 * Builds an archive as `docker save` writes it (Docker Image Specification v1.2): manifest, config,
 * and one layer with both programs. The same architecture always gives the same bytes.
 * @throws {AranyaError} code "unsupported" for an architecture without programs
 */
export async function buildInfraArchive(arch: string): Promise<Uint8Array> {
  const layer = encodeTar([
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
  return encodeTar([
    { name: configName, mode: 0o644, content: config },
    { name: "layer.tar", mode: 0o644, content: layer },
    { name: "manifest.json", mode: 0o644, content: manifest },
  ]);
}

/** A file of a tar archive. */
interface TarFile {
  /** Shorter than 100 bytes. */
  name: string;
  mode: number;
  content: Uint8Array;
}

/**
 * Encodes a ustar archive (POSIX.1-1988): for each file a header block and its content padded to
 * whole blocks, then two empty blocks.
 */
function encodeTar(files: TarFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const paddingBytes = (BLOCK_BYTES - file.content.length % BLOCK_BYTES) %
      BLOCK_BYTES;
    parts.push(encodeTarHeader(file), file.content);
    parts.push(new Uint8Array(paddingBytes));
  }
  parts.push(new Uint8Array(2 * BLOCK_BYTES));
  return concatBytes(parts);
}

function encodeTarHeader({ name, mode, content }: TarFile): Uint8Array {
  const header = new Uint8Array(BLOCK_BYTES);
  const put = (offset: number, text: string) => header.set(utf8(text), offset);
  const octal = (value: number, digits: number) =>
    value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, octal(mode, 7));
  put(108, octal(0, 7)); // uid
  put(116, octal(0, 7)); // gid
  put(124, octal(content.length, 11));
  put(136, octal(0, 11)); // mtime
  put(148, " ".repeat(8)); // the checksum counts spaces in its own place
  put(156, "0"); // typeflag: a regular file
  put(257, "ustar\0" + "00");
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  put(148, `${octal(checksum, 6)}\0 `);
  return header;
}
