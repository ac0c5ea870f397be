/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* To EL0 and back. */

#define FRAME      112
#define FRAME_VBAR 96

	.text
/* uint64_t enter_el0(pc, pstate, x0): until the first exception from EL0; ESR_EL1. */
	.globl	enter_el0
enter_el0:
	stp	x19, x20, [sp, #-FRAME]!
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	mrs	x3, vbar_el1
	str	x3, [sp, #FRAME_VBAR]
	adr	x3, el0_vectors
	msr	vbar_el1, x3
	msr	elr_el1, x0
	msr	spsr_el1, x1
	mov	x0, x2
	isb
	eret

back:
	mrs	x0, esr_el1
	ldr	x3, [sp, #FRAME_VBAR]
	msr	vbar_el1, x3
	isb
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	x19, x20, [sp], #FRAME
	ret

	.balign	0x800
el0_vectors:
	.rept	16
	.balign	0x80
	b	back
	.endr
