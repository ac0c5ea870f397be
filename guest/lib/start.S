/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Entry of every bare-metal guest, its exception vectors, and the few instructions that C cannot say. */

#define STACK_SHIFT 12

    .section .text.head, "ax"
    .globl guest_image
/* The header of an arm64 Image (Linux, Documentation/arm64/booting.rst). */
guest_image:
    b start
    .word 0
    .quad 0                             /* text_offset */
    .quad guest_end - guest_image       /* image_size */
    .quad 2                             /* little endian, 4K pages */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .word 0

start:
    .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    orr x1, x1, x\n
    .endr
    mov x19, x0
    mov x20, x1
    adr x1, guest_bss
    adr x2, guest_bss_end
1:  cmp x1, x2
    b.hs 2f
    stp xzr, xzr, [x1], #16
    b 1b
2:  ldr x1, =guest_leftover
    str x20, [x1]
    mov x0, #0
    bl cpu_init
    mov x0, x19
    bl guest_main
    b halt

    .bss
    .balign 8
    .globl guest_leftover
guest_leftover:
    .quad 0
    .section .text.head, "ax"

/* PSCI CPU_ON starts a vCPU here with its index in x0. */
    .globl guest_secondary
guest_secondary:
    mov x19, x0
    bl cpu_init
    mov x0, x19
    bl guest_main_secondary
halt:
    wfi
    b halt

/* x0 = index: stack, vectors, FP/SIMD on. */
cpu_init:
    ldr x1, =guest_stacks_end
    sub x1, x1, x0, lsl #STACK_SHIFT
    mov sp, x1
    ldr x1, =guest_vectors
    msr vbar_el1, x1
    mov x1, #(3 << 20)
    msr cpacr_el1, x1
    isb
    ret

    .weak guest_main_secondary
guest_main_secondary:
    ret

/* An exception frame: x0..x30, then ELR and SPSR (struct guest_frame). */
#define FRAME_BYTES 272
    .macro vector kind
    .balign 0x80
    sub sp, sp, #FRAME_BYTES
    stp x0, x1, [sp]
    mov x0, #\kind
    b exception
    .endm

    .text
    .balign 0x800
guest_vectors:
    .irp kind, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vector \kind
    .endr

exception:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x2, elr_el1
    mrs x3, spsr_el1
    stp x30, x2, [sp, #240]
    str x3, [sp, #256]
    mov x1, sp
    bl guest_exception
    ldp x30, x2, [sp, #240]
    ldr x3, [sp, #256]
    msr elr_el1, x2
    msr spsr_el1, x3
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp], #FRAME_BYTES
    eret

/* uint64_t guest_hvc(fn, a1, a2, a3) and guest_smc: the SMC Calling Convention's fast form. */
    .globl guest_hvc
guest_hvc:
    hvc #0
    ret
    .globl guest_smc
guest_smc:
    smc #0
    ret
