// SPDX-License-Identifier: Apache-2.0
/** The program of a pod's infra container, as machine code. */
import { buildElf, type ElfArch } from "./elf.ts";

/**
 * SIGTERM (15) and SIGINT (2) as a set, then struct sigaction with handler SIG_IGN (1); both
 * little-endian.
 */
const DATA_64 = [
  "0240000000000000", // set
  "0100000000000000", // sa_handler = SIG_IGN
  "0000000000000000", // sa_flags
  "0000000000000000", // sa_restorer
  "0000000000000000", // sa_mask
];
const DATA_32 = [
  "0240000000000000", // set
  "01000000", // sa_handler = SIG_IGN
  "00000000", // sa_flags
  "00000000", // sa_restorer
  "0000000000000000", // sa_mask
];

/**
 * Instructions in memory order, little-endian; the data follows at once. System call numbers:
 * arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h,
 * arch/arm/tools/syscall.tbl.
 */
const BODY: Readonly<Record<ElfArch, readonly string[]>> = {
  amd64: [
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
    ...DATA_64,
  ],
  arm64: [
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
    ...DATA_64,
  ],
  arm: [
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
    ...DATA_32,
  ],
};

/**
 * Builds the program of a pod's infra container, which only waits. As PID 1 of a shared process
 * namespace it must not leave zombies, so it ignores SIGCHLD: the kernel then reaps (sigaction(2),
 * NOTES). It must end on SIGTERM, which PID 1 receives only when it blocks or handles it
 * (pid_namespaces(7)): it blocks SIGTERM and SIGINT and waits for them. In C:
 *
 *     sigprocmask(SIG_BLOCK, {SIGTERM, SIGINT}); sigaction(SIGCHLD, SIG_IGN);
 *     while (sigtimedwait({SIGTERM, SIGINT}, NULL, NULL) < 0);
 *     exit_group(0);
 *
 * @param arch in Go's names
 * @throws {AranyaError} code "unsupported" for an architecture without code
 */
export function buildInfraProgram(arch: string): Uint8Array {
  return buildElf(arch, BODY);
}
