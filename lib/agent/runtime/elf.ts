// SPDX-License-Identifier: Apache-2.0
/** Static programs for Linux as ELF files. */
import { AranyaError, concatBytes, fromHex } from "../../shared/base/mod.ts";

/** Architectures that programs exist for, in Go's names. */
export type ElfArch = "amd64" | "arm64" | "arm";

/** One architecture in an ELF header. */
interface ElfTarget {
  bits: 32 | 64;
  /** e_machine: EM_X86_64, EM_AARCH64, EM_ARM. */
  machine: number;
  /** e_flags. */
  flags: number;
}

const TARGETS: Readonly<Record<ElfArch, ElfTarget>> = {
  amd64: { bits: 64, machine: 62, flags: 0 },
  arm64: { bits: 64, machine: 183, flags: 0 },
  // EF_ARM_EABI_VER5
  arm: { bits: 32, machine: 40, flags: 0x05000000 },
};

/** The largest page size of the three; the segment is aligned to it. */
const PAGE_BYTES = 0x10000;
const LOAD_ADDRESS = 0x400000;
const IDENT_BYTES = 16;
const ET_EXEC = 2;
const PT_LOAD = 1;
const PF_READ_EXECUTE = 5;
const LITTLE_ENDIAN = true;

/**
 * Builds a static program: ELF header, one program header that maps the whole file, code and data.
 * @param arch in Go's names
 * @param body code by architecture, which is entered at its first byte, as hexadecimal pieces
 * @throws {AranyaError} code "unsupported" for an architecture without code
 */
export function buildElf(
  arch: string,
  body: Readonly<Record<ElfArch, readonly string[]>>,
): Uint8Array {
  if (!isElfArch(arch)) {
    throw new AranyaError(
      "unsupported",
      `Cannot build infra image for architecture "${arch}": unsupported, expected one of ${
        Object.keys(TARGETS).join(", ")
      }`,
    );
  }
  const bytes = fromHex(body[arch].join(""));
  return concatBytes([encodeHeaders(TARGETS[arch], bytes.length), bytes]);
}

function isElfArch(arch: string): arch is ElfArch {
  return Object.hasOwn(TARGETS, arch);
}

/**
 * Encodes ELF header and program header (System V ABI, chapters 4 and 5). Fields have another width
 * with 32 bits, and p_flags another place.
 */
function encodeHeaders(target: ElfTarget, bodyBytes: number): Uint8Array {
  const is64Bit = target.bits === 64;
  const headerBytes = is64Bit ? 64 : 52;
  const programHeaderBytes = is64Bit ? 56 : 32;
  const start = headerBytes + programHeaderBytes;
  const view = new DataView(new ArrayBuffer(start));
  let offset = 0;
  const half = (value: number) => {
    view.setUint16(offset, value, LITTLE_ENDIAN);
    offset += 2;
  };
  const word = (value: number) => {
    view.setUint32(offset, value, LITTLE_ENDIAN);
    offset += 4;
  };
  const address = (value: number) => {
    word(value);
    if (is64Bit) word(0);
  };
  // e_ident: magic, class, little-endian, version 1, System V ABI, padding
  for (const byte of [0x7f, 0x45, 0x4c, 0x46, is64Bit ? 2 : 1, 1, 1, 0]) {
    view.setUint8(offset++, byte);
  }
  offset = IDENT_BYTES;
  half(ET_EXEC);
  half(target.machine);
  word(1); // e_version
  address(LOAD_ADDRESS + start); // e_entry
  address(headerBytes); // e_phoff
  address(0); // e_shoff
  word(target.flags);
  half(headerBytes);
  half(programHeaderBytes);
  half(1); // e_phnum
  half(0); // e_shentsize
  half(0); // e_shnum
  half(0); // e_shstrndx
  word(PT_LOAD);
  if (is64Bit) word(PF_READ_EXECUTE);
  address(0); // p_offset
  address(LOAD_ADDRESS); // p_vaddr
  address(LOAD_ADDRESS); // p_paddr
  address(start + bodyBytes); // p_filesz
  address(start + bodyBytes); // p_memsz
  if (!is64Bit) word(PF_READ_EXECUTE);
  address(PAGE_BYTES); // p_align
  return new Uint8Array(view.buffer);
}
