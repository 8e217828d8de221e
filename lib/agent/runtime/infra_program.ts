// SPDX-License-Identifier: Apache-2.0
/**
 * The program of a pod's infra container: a static ELF file that only waits. As PID 1 of a shared process namespace it must
 * not leave zombies, so it ignores SIGCHLD (the kernel then reaps, sigaction(2) NOTES), and must end on SIGTERM, which PID 1
 * gets only when it blocks or handles it (pid_namespaces(7)): it blocks SIGTERM and SIGINT and waits for them. In C:
 *
 *     sigprocmask(SIG_BLOCK, {SIGTERM, SIGINT}); sigaction(SIGCHLD, SIG_IGN);
 *     while (sigtimedwait({SIGTERM, SIGINT}, NULL, NULL) < 0);
 *     exit_group(0);
 *
 * System call numbers: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h, arch/arm/tools/syscall.tbl.
 */
import { AranyaError, concatBytes, fromHex } from "../../shared/base/mod.ts";

/** Architectures that the program exists for, in Go's names. */
export type InfraArch = "amd64" | "arm64" | "arm";

/** One architecture's machine code and its place in an ELF header. */
interface Target {
  bits: 32 | 64;
  /** e_machine: EM_X86_64, EM_AARCH64, EM_ARM. */
  machine: number;
  /** e_flags. */
  flags: number;
  /** Instructions in memory order, little-endian; the data follows at once. */
  code: string[];
}

/** SIGTERM (15) and SIGINT (2) as a set, then struct sigaction with handler SIG_IGN (1); both little-endian. */
const DATA: Record<32 | 64, string[]> = {
  64: [
    "0240000000000000", // set
    "0100000000000000", // sa_handler = SIG_IGN
    "0000000000000000", // sa_flags
    "0000000000000000", // sa_restorer
    "0000000000000000", // sa_mask
  ],
  32: [
    "0240000000000000", // set
    "01000000", // sa_handler = SIG_IGN
    "00000000", // sa_flags
    "00000000", // sa_restorer
    "0000000000000000", // sa_mask
  ],
};

const TARGETS: Record<InfraArch, Target> = {
  amd64: {
    bits: 64,
    machine: 62,
    flags: 0,
    code: [
      "b80e000000", //       mov eax, 14        rt_sigprocmask
      "31ff", //             xor edi, edi       SIG_BLOCK
      "488d353a000000", //   lea rsi, [set]
      "31d2", //             xor edx, edx
      "41ba08000000", //     mov r10d, 8
      "0f05", //             syscall
      "b80d000000", //       mov eax, 13        rt_sigaction
      "bf11000000", //       mov edi, 17        SIGCHLD
      "488d3527000000", //   lea rsi, [ignore]
      "0f05", //             syscall
      "b880000000", // wait: mov eax, 128       rt_sigtimedwait
      "488d3d11000000", //   lea rdi, [set]
      "31f6", //             xor esi, esi
      "0f05", //             syscall
      "85c0", //             test eax, eax
      "78ec", //             js wait
      "b8e7000000", //       mov eax, 231       exit_group
      "31ff", //             xor edi, edi
      "0f05", //             syscall
    ],
  },
  arm64: {
    bits: 64,
    machine: 183,
    flags: 0,
    code: [
      "e81080d2", //       mov x8, #135         rt_sigprocmask
      "000080d2", //       mov x0, #0           SIG_BLOCK
      "41020010", //       adr x1, set
      "020080d2", //       mov x2, #0
      "030180d2", //       mov x3, #8
      "010000d4", //       svc #0
      "c81080d2", //       mov x8, #134         rt_sigaction
      "200280d2", //       mov x0, #17          SIGCHLD
      "c1010010", //       adr x1, ignore
      "020080d2", //       mov x2, #0
      "010000d4", //       svc #0
      "281180d2", // wait: mov x8, #137         rt_sigtimedwait
      "00010010", //       adr x0, set
      "010080d2", //       mov x1, #0
      "010000d4", //       svc #0
      "80ffff37", //       tbnz w0, #31, wait
      "c80b80d2", //       mov x8, #94          exit_group
      "000080d2", //       mov x0, #0
      "010000d4", //       svc #0
      "1f2003d5", //       nop                  (the set is aligned to 8)
    ],
  },
  arm: {
    bits: 32,
    machine: 40,
    flags: 0x05000000, // EF_ARM_EABI_VER5
    code: [
      "af70a0e3", //       mov r7, #175         rt_sigprocmask
      "0000a0e3", //       mov r0, #0           SIG_BLOCK
      "3c108fe2", //       adr r1, set
      "0020a0e3", //       mov r2, #0
      "0830a0e3", //       mov r3, #8
      "000000ef", //       svc #0
      "ae70a0e3", //       mov r7, #174         rt_sigaction
      "1100a0e3", //       mov r0, #17          SIGCHLD
      "2c108fe2", //       adr r1, ignore
      "000000ef", //       svc #0
      "b170a0e3", // wait: mov r7, #177         rt_sigtimedwait
      "18008fe2", //       adr r0, set
      "0010a0e3", //       mov r1, #0
      "000000ef", //       svc #0
      "000050e3", //       cmp r0, #0
      "f9ffffba", //       blt wait
      "f870a0e3", //       mov r7, #248         exit_group
      "0000a0e3", //       mov r0, #0
      "000000ef", //       svc #0
    ],
  },
};

const PAGE_BYTES = 0x10000; // the largest page of the three; the segment is aligned to it
const LOAD_ADDRESS = 0x400000;
const ET_EXEC = 2;
const PT_LOAD = 1;
const PF_READ_EXECUTE = 5;

/** The infra program's file. @throws {AranyaError} code "unsupported" for another architecture */
export function buildInfraProgram(arch: string): Uint8Array {
  return buildElf(
    arch,
    (known) => [...TARGETS[known].code, ...DATA[TARGETS[known].bits]],
  );
}

/**
 * A static program from hexadecimal pieces of code and data: ELF header, one program header that maps the whole file, code.
 * @throws {AranyaError} code "unsupported" for another architecture
 */
export function buildElf(
  arch: string,
  piecesFor: (arch: InfraArch) => string[],
): Uint8Array {
  if (!Object.hasOwn(TARGETS, arch)) {
    throw new AranyaError(
      "unsupported",
      `Cannot make infra container for architecture "${arch}": there is no program for it, expected one of ${
        Object.keys(TARGETS).join(", ")
      }`,
    );
  }
  const target = TARGETS[arch as InfraArch];
  const body = fromHex(piecesFor(arch as InfraArch).join(""));
  return concatBytes([encodeHeaders(target, body.length), body]);
}

/** ELF and program header (System V ABI, chapters 4 and 5); their fields are in another order with 32 bits. */
function encodeHeaders(target: Target, bodyBytes: number): Uint8Array {
  const wide = target.bits === 64;
  const headerBytes = wide ? 64 : 52;
  const programHeaderBytes = wide ? 56 : 32;
  const start = headerBytes + programHeaderBytes;
  const view = new DataView(new ArrayBuffer(start));
  let at = 0;
  const half = (value: number) => {
    view.setUint16(at, value, LITTLE_ENDIAN);
    at += 2;
  };
  const word = (value: number) => {
    view.setUint32(at, value, LITTLE_ENDIAN);
    at += 4;
  };
  const address = (value: number) => {
    word(value);
    if (wide) word(0);
  };
  // e_ident: magic, class, little-endian, version 1, System V ABI, padding
  for (const byte of [0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1, 0]) {
    view.setUint8(at++, byte);
  }
  at = 16;
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
  if (wide) word(PF_READ_EXECUTE);
  address(0); // p_offset
  address(LOAD_ADDRESS); // p_vaddr
  address(LOAD_ADDRESS); // p_paddr
  address(start + bodyBytes); // p_filesz
  address(start + bodyBytes); // p_memsz
  if (!wide) word(PF_READ_EXECUTE);
  address(PAGE_BYTES); // p_align
  return new Uint8Array(view.buffer);
}

const LITTLE_ENDIAN = true;
