// SPDX-License-Identifier: Apache-2.0
/** The relay program of a pod's infra container, as machine code. */
import { buildElf, type ElfArch } from "./elf.ts";

/** Instructions in memory order, little-endian. */
const BODY: Readonly<Record<ElfArch, readonly string[]>> = {
  amd64: [
    "488b742410", //         mov rsi, [rsp+16]
    "31db", //         xor ebx, ebx
    "0fb606", // digit:  movzx eax, byte ptr [rsi]
    "48ffc6", //         inc rsi
    "83e830", //         sub eax, 48
    "7807", //         js parsed
    "6bdb0a", //         imul ebx, ebx, 10
    "01c3", //         add ebx, eax
    "ebee", //         jmp digit
    "86fb", // parsed: xchg bl, bh
    "c1e310", //         shl ebx, 16
    "83cb02", //         or ebx, 2
    "b87f000001", //         mov eax, 0x0100007f
    "48c1e020", //         shl rax, 32
    "4809c3", //         or rbx, rax
    "6a00", //         push 0
    "53", //         push rbx
    "b829000000", //         mov eax, 41  ; socket
    "bf02000000", //         mov edi, 2
    "be01000000", //         mov esi, 1
    "31d2", //         xor edx, edx
    "0f05", //         syscall
    "89c5", //         mov ebp, eax
    "89c7", //         mov edi, eax
    "4889e6", //         mov rsi, rsp
    "ba10000000", //         mov edx, 16
    "b82a000000", //         mov eax, 42  ; connect
    "0f05", //         syscall
    "85c0", //         test eax, eax
    "7567", //         jnz fail
    "4881ec00000100", //         sub rsp, 65536
    "b838000000", //         mov eax, 56  ; clone
    "bf11000000", //         mov edi, 17
    "31f6", //         xor esi, esi
    "31d2", //         xor edx, edx
    "4531d2", //         xor r10d, r10d
    "4531c0", //         xor r8d, r8d
    "0f05", //         syscall
    "85c0", //         test eax, eax
    "7429", //         jz child
    "7844", //         js fail
    "89c3", //         mov ebx, eax
    "4189ec", //         mov r12d, ebp
    "41bd01000000", //         mov r13d, 1
    "e83a000000", //         call copy
    "b83e000000", //         mov eax, 62  ; kill
    "89df", //         mov edi, ebx
    "be09000000", //         mov esi, 9
    "0f05", //         syscall
    "31ff", //         xor edi, edi
    "b8e7000000", // exit:   mov eax, 231  ; exit_group
    "0f05", //         syscall
    "4531e4", // child:  xor r12d, r12d
    "4189ed", //         mov r13d, ebp
    "e818000000", //         call copy
    "b830000000", //         mov eax, 48  ; shutdown
    "89ef", //         mov edi, ebp
    "be01000000", //         mov esi, 1
    "0f05", //         syscall
    "31ff", //         xor edi, edi
    "ebdc", //         jmp exit
    "f7d8", // fail:   neg eax
    "89c7", //         mov edi, eax
    "ebd6", //         jmp exit
    "31c0", // copy:   xor eax, eax
    "4489e7", //         mov edi, r12d
    "488d742408", //         lea rsi, [rsp+8]
    "ba00000100", //         mov edx, 65536
    "0f05", //         syscall
    "4885c0", //         test rax, rax
    "7e27", //         jle done
    "4989c6", //         mov r14, rax
    "4c8d7c2408", //         lea r15, [rsp+8]
    "b801000000", // put:    mov eax, 1  ; write
    "4489ef", //         mov edi, r13d
    "4c89fe", //         mov rsi, r15
    "4c89f2", //         mov rdx, r14
    "0f05", //         syscall
    "4885c0", //         test rax, rax
    "7e0a", //         jle done
    "4901c7", //         add r15, rax
    "4929c6", //         sub r14, rax
    "75e3", //         jnz put
    "ebc3", //         jmp copy
    "c3", // done:   ret
  ],
  arm64: [
    "e10b40f9", //         ldr x1, [sp, #16]
    "13008052", //         mov w19, #0
    "49018052", //         mov w9, #10
    "20144038", // digit:  ldrb w0, [x1], #1
    "00c00071", //         subs w0, w0, #48
    "64000054", //         b.mi parsed
    "7302091b", //         madd w19, w19, w9, w0
    "fcffff17", //         b digit
    "7306c05a", // parsed: rev16 w19, w19
    "733e1053", //         lsl w19, w19, #16
    "73021f32", //         orr w19, w19, #2
    "e20fc0d2", //         movz x2, #0x007f, lsl #32
    "0220e0f2", //         movk x2, #0x0100, lsl #48
    "420013aa", //         orr x2, x2, x19
    "e27fbfa9", //         stp x2, xzr, [sp, #-16]!
    "c81880d2", //         mov x8, #198  ; socket
    "400080d2", //         mov x0, #2
    "210080d2", //         mov x1, #1
    "020080d2", //         mov x2, #0
    "010000d4", //         svc #0
    "f403002a", //         mov w20, w0
    "e1030091", //         mov x1, sp
    "020280d2", //         mov x2, #16
    "681980d2", //         mov x8, #203  ; connect
    "010000d4", //         svc #0
    "e0030035", //         cbnz w0, fail
    "ff4340d1", //         sub sp, sp, #16, lsl #12
    "881b80d2", //         mov x8, #220  ; clone
    "200280d2", //         mov x0, #17
    "010080d2", //         mov x1, #0
    "020080d2", //         mov x2, #0
    "030080d2", //         mov x3, #0
    "040080d2", //         mov x4, #0
    "010000d4", //         svc #0
    "a0010034", //         cbz w0, child
    "a002f837", //         tbnz w0, #31, fail
    "f503002a", //         mov w21, w0
    "f603142a", //         mov w22, w20
    "37008052", //         mov w23, #1
    "13000094", //         bl copy
    "281080d2", //         mov x8, #129  ; kill
    "e003152a", //         mov w0, w21
    "210180d2", //         mov x1, #9
    "010000d4", //         svc #0
    "000080d2", //         mov x0, #0
    "c80b80d2", // exit:   mov x8, #94  ; exit_group
    "010000d4", //         svc #0
    "16008052", // child:  mov w22, #0
    "f703142a", //         mov w23, w20
    "09000094", //         bl copy
    "481a80d2", //         mov x8, #210  ; shutdown
    "e003142a", //         mov w0, w20
    "210080d2", //         mov x1, #1
    "010000d4", //         svc #0
    "000080d2", //         mov x0, #0
    "f6ffff17", //         b exit
    "e003004b", // fail:   neg w0, w0
    "f4ffff17", //         b exit
    "e80780d2", // copy:   mov x8, #63  ; read
    "e003162a", //         mov w0, w22
    "e1030091", //         mov x1, sp
    "2200a0d2", //         mov x2, #65536
    "010000d4", //         svc #0
    "1f0000f1", //         cmp x0, #0
    "cd010054", //         b.le done
    "f80300aa", //         mov x24, x0
    "f9030091", //         mov x25, sp
    "080880d2", // put:    mov x8, #64  ; write
    "e003172a", //         mov w0, w23
    "e10319aa", //         mov x1, x25
    "e20318aa", //         mov x2, x24
    "010000d4", //         svc #0
    "1f0000f1", //         cmp x0, #0
    "ad000054", //         b.le done
    "3903008b", //         add x25, x25, x0
    "180300eb", //         subs x24, x24, x0
    "e1feff54", //         b.ne put
    "edffff17", //         b copy
    "c0035fd6", // done:   ret
  ],
  arm: [
    "08109de5", //         ldr r1, [sp, #8]
    "0040a0e3", //         mov r4, #0
    "0a50a0e3", //         mov r5, #10
    "0100d1e4", // digit:  ldrb r0, [r1], #1
    "300050e2", //         subs r0, r0, #48
    "0100004a", //         bmi parsed
    "950424e0", //         mla r4, r5, r4, r0
    "faffffea", //         b digit
    "ff6004e2", // parsed: and r6, r4, #0xff
    "2444a0e1", //         mov r4, r4, lsr #8
    "064484e1", //         orr r4, r4, r6, lsl #8
    "0448a0e1", //         mov r4, r4, lsl #16
    "024084e3", //         orr r4, r4, #2
    "7f50a0e3", //         mov r5, #0x7f
    "015485e3", //         orr r5, r5, #0x01000000
    "0060a0e3", //         mov r6, #0
    "0070a0e3", //         mov r7, #0
    "10d04de2", //         sub sp, sp, #16
    "f0008de8", //         stmia sp, {r4, r5, r6, r7}
    "017ca0e3", //         mov r7, #256
    "197087e2", //         add r7, r7, #25  ; socket (281)
    "0200a0e3", //         mov r0, #2
    "0110a0e3", //         mov r1, #1
    "0020a0e3", //         mov r2, #0
    "000000ef", //         svc #0
    "0080a0e1", //         mov r8, r0
    "027087e2", //         add r7, r7, #2  ; connect (283)
    "0d10a0e1", //         mov r1, sp
    "1020a0e3", //         mov r2, #16
    "000000ef", //         svc #0
    "000050e3", //         cmp r0, #0
    "1f00001a", //         bne fail
    "01d84de2", //         sub sp, sp, #65536
    "7870a0e3", //         mov r7, #120  ; clone
    "1100a0e3", //         mov r0, #17
    "0010a0e3", //         mov r1, #0
    "0020a0e3", //         mov r2, #0
    "0030a0e3", //         mov r3, #0
    "0040a0e3", //         mov r4, #0
    "000000ef", //         svc #0
    "000050e3", //         cmp r0, #0
    "0b00000a", //         beq child
    "140000ba", //         blt fail
    "0090a0e1", //         mov r9, r0
    "08a0a0e1", //         mov r10, r8
    "01b0a0e3", //         mov r11, #1
    "120000eb", //         bl copy
    "2570a0e3", //         mov r7, #37  ; kill
    "0900a0e1", //         mov r0, r9
    "0910a0e3", //         mov r1, #9
    "000000ef", //         svc #0
    "0000a0e3", //         mov r0, #0
    "f870a0e3", // exit:   mov r7, #248  ; exit_group
    "000000ef", //         svc #0
    "00a0a0e3", // child:  mov r10, #0
    "08b0a0e1", //         mov r11, r8
    "080000eb", //         bl copy
    "017ca0e3", //         mov r7, #256
    "257087e2", //         add r7, r7, #37  ; shutdown (293)
    "0800a0e1", //         mov r0, r8
    "0110a0e3", //         mov r1, #1
    "000000ef", //         svc #0
    "0000a0e3", //         mov r0, #0
    "f3ffffea", //         b exit
    "000060e2", // fail:   rsb r0, r0, #0
    "f1ffffea", //         b exit
    "0370a0e3", // copy:   mov r7, #3  ; read
    "0a00a0e1", //         mov r0, r10
    "0d10a0e1", //         mov r1, sp
    "0128a0e3", //         mov r2, #65536
    "000000ef", //         svc #0
    "000050e3", //         cmp r0, #0
    "0ef0a0d1", //         movle pc, lr
    "0050a0e1", //         mov r5, r0
    "0d60a0e1", //         mov r6, sp
    "0470a0e3", // put:    mov r7, #4  ; write
    "0b00a0e1", //         mov r0, r11
    "0610a0e1", //         mov r1, r6
    "0520a0e1", //         mov r2, r5
    "000000ef", //         svc #0
    "000050e3", //         cmp r0, #0
    "0ef0a0d1", //         movle pc, lr
    "006086e0", //         add r6, r6, r0
    "005055e0", //         subs r5, r5, r0
    "f5ffff1a", //         bne put
    "ebffffea", //         b copy
  ],
};

/**
 * Builds the relay program for port-forward: `/relay PORT`, run in a pod's infra container,
 * connects its stdin and stdout to a service on the pod's loopback. In C:
 *
 *     fd = socket(AF_INET, SOCK_STREAM, 0);
 *     if (connect(fd, 127.0.0.1:PORT)) exit_group(errno);
 *     if ((child = clone(SIGCHLD)) == 0) { copy(0, fd); shutdown(fd, SHUT_WR); exit_group(0); }
 *     copy(fd, 1); kill(child, SIGKILL); exit_group(0);
 *     // copy: reads and writes 64 KiB at a time, to the end of the input
 *
 * It ends when the service has closed its side; nothing reads the rest of the client's input then.
 *
 * @param arch in Go's names
 * @throws {AranyaError} code "unsupported" for an architecture without code
 */
export function buildRelayProgram(arch: string): Uint8Array {
  return buildElf(arch, BODY);
}
