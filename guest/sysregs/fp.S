/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The FP/SIMD half of the patterns: C is compiled for the general registers alone. */
    .arch armv8-a+fp+simd

#define FPCR_PATTERN_BITS 0x03c00000    /* rounding mode, flush-to-zero, default NaN: any value is legal */
#define FPSR_PATTERN_BITS 0xf800009f    /* flags and cumulative exceptions */

    .text
/* x0 = pattern, register n gets pattern + n in its low half and the inverse in its high half. */
    .globl fp_fill
fp_fill:
    mov x1, x0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    mvn x2, x1
    fmov d\n, x1
    mov v\n\().d[1], x2
    add x1, x1, #1
    .endr
    ldr w2, =FPCR_PATTERN_BITS
    and w2, w0, w2
    msr fpcr, x2
    ldr w2, =FPSR_PATTERN_BITS
    and w2, w0, w2
    msr fpsr, x2
    ret

    .globl fp_same
fp_same:
    mov x1, x0
    mov x3, #0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    mvn x2, x1
    fmov x4, d\n
    eor x4, x4, x1
    orr x3, x3, x4
    mov x4, v\n\().d[1]
    eor x4, x4, x2
    orr x3, x3, x4
    add x1, x1, #1
    .endr
    ldr w2, =FPCR_PATTERN_BITS
    and w4, w0, w2
    mrs x2, fpcr
    eor x4, x4, x2
    orr x3, x3, x4
    ldr w2, =FPSR_PATTERN_BITS
    and w4, w0, w2
    mrs x2, fpsr
    eor x4, x4, x2
    orr x3, x3, x4
    cmp x3, #0
    cset w0, eq
    ret
