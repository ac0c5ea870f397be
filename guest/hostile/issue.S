/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */

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
