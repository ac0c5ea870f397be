/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */

	.arch	armv8-a+fp+simd
	.text
/* void issue_hvc(uint64_t x[6]) and issue_smc: x0 to x5 before the call and after it. */
	.macro issue name insn
	.globl	issue_\name
issue_\name:
	str	x0, [sp, #-16]!
	ldp	x4, x5, [x0, #32]
	ldp	x2, x3, [x0, #16]
	ldp	x0, x1, [x0]
	\insn	#0
	ldr	x6, [sp], #16
	stp	x0, x1, [x6]
	stp	x2, x3, [x6, #16]
	stp	x4, x5, [x6, #32]
	ret
	.endm
	issue hvc hvc
	issue smc smc

/* uint64_t fp_leftover(void): every bit that a vector register holds. void fp_fill(uint64_t): what would be left. */
	.globl	fp_leftover
fp_leftover:
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	orr	v0.16b, v0.16b, v\n\().16b
	.endr
	umov	x0, v0.d[0]
	umov	x1, v0.d[1]
	orr	x0, x0, x1
	ret
	.globl	fp_fill
fp_fill:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	dup	v\n\().2d, x0
	.endr
	ret
