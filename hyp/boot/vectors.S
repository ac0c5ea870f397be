/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Exception vectors. From a guest: back into vcpu_enter (cpu/entry.S). From the hypervisor itself: a crash, told by
 * crash() on a stack of its own if this one is what broke. */
#include <boot/layout.h>

	.arch	armv8-a+fp+simd

#define EC_DABT_EL2 0x25     /* ESR_EL2.EC */
#define AT_S1       0xd50878 /* AT S1E*: SYS #0, C7, C8, #op2, Xt, without op2 and Xt */

#define FRAME (34 * 8) /* struct crash_frame: x0 to x30, sp, and room */

/* Is there stack left? Stacks are 16 KiB in the upper half of 32 KiB, so bit 14 of sp tells (without a free register). */
	.macro	prepare
	.balign	128
	sub	sp, sp, #FRAME
	add	sp, sp, x0
	sub	x0, sp, x0
	tbz	x0, #14, overflow
	sub	x0, sp, x0
	sub	sp, sp, x0
	stp	x0, x1, [sp]
	.endm

	.macro	own kind
	prepare
	mov	x0, #\kind
	b	crashed
	.endm

	.macro	guest kind
	.balign	128
	stp	x0, x1, [sp, #-16]!
	mov	x1, #\kind
	b	guest_exit
	.endm

	.macro	each_vector op
	\op	q0, q1, [x0]
	\op	q2, q3, [x0, #32]
	\op	q4, q5, [x0, #64]
	\op	q6, q7, [x0, #96]
	\op	q8, q9, [x0, #128]
	\op	q10, q11, [x0, #160]
	\op	q12, q13, [x0, #192]
	\op	q14, q15, [x0, #224]
	\op	q16, q17, [x0, #256]
	\op	q18, q19, [x0, #288]
	\op	q20, q21, [x0, #320]
	\op	q22, q23, [x0, #352]
	\op	q24, q25, [x0, #384]
	\op	q26, q27, [x0, #416]
	\op	q28, q29, [x0, #448]
	\op	q30, q31, [x0, #480]
	.endm

	.section .text.vectors, "ax"
	.balign	2048
	.globl	vectors
vectors:
	own	0                       /* on SP_EL0, which is not used */
	own	1
	own	2
	own	3
/* On SP_EL2. A walk that AT makes may meet an external abort, where a guest has its tables in what does not answer: a data
 * abort of EL2, by the guest's doing. AT answers then what it does of all other faults, PAR_EL1.F. */
	prepare
	mrs	x0, esr_el2
	lsr	x0, x0, #26
	cmp	x0, #EC_DABT_EL2        /* so what ELR points to was executed, and can be read */
	b.ne	1f
	mrs	x0, elr_el2
	ldr	w1, [x0], #4
	lsr	w1, w1, #8
	sub	w1, w1, #(AT_S1 & ~0xfff)
	cmp	w1, #(AT_S1 & 0xfff)
	b.ne	1f
	msr	elr_el2, x0
	mov	x0, #1                  /* PAR_EL1.F */
	msr	par_el1, x0
	ldp	x0, x1, [sp], #FRAME
	eret
1:	mov	x0, #0
	b	crashed
	own	1
	own	2
	.balign	128
/* An SError that was pending when a guest was left is the guest's (cpu/entry.S opens a window for it). */
	stp	x0, x1, [sp, #-16]!
	mrs	x0, elr_el2
	ldr	x1, =serror_window
	cmp	x0, x1
	b.lo	1f
	ldr	x1, =serror_window_end
	cmp	x0, x1
	b.hs	1f
	msr	elr_el2, x1
	ldp	x0, x1, [sp], #16
	mov	x1, #2
	eret
1:	ldp	x0, x1, [sp], #16
	sub	sp, sp, #FRAME
	stp	x0, x1, [sp]
	mov	x0, #3
	b	crashed

	guest	0                       /* AArch64 */
/* Most of an entry's 32 instructions are not needed there; what follows lies in the rest.
 * x0: kind; sp: a frame that holds x0 and x1. */
crashed:
	add	x1, sp, #FRAME
	str	x1, [sp, #(31 * 8)]
crashed_elsewhere:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	str	x30, [sp, #240]
	mov	x1, sp
	bl	crash
	b	.
	guest	1
/* x0: the frame that there is no room for; sp: that plus what x0 was. The guest's thread registers serve as scratch. */
overflow:
	sub	x0, sp, x0
	msr	tpidr_el0, x1
	msr	tpidrro_el0, x0
	mov	x1, sp
	sub	x1, x1, x0
	ldr	x0, =crash_stack_end
	sub	x0, x0, #FRAME
	mov	sp, x0
	add	x1, x1, #FRAME
	str	x1, [sp, #(31 * 8)]
	mrs	x0, tpidrro_el0
	mrs	x1, tpidr_el0
	stp	x0, x1, [sp]
	mov	x0, #0
	b	crashed_elsewhere
	guest	1
	.ltorg
	guest	2
/* void fp_save(struct fpregs *), fp_restore(const struct fpregs *): cpu/internal.h */
	.globl	fp_save
fp_save:
	each_vector stp
	mrs	x1, fpcr
	mrs	x2, fpsr
	str	x1, [x0, #512]
	str	x2, [x0, #520]
	ret
	guest	0                       /* AArch32, EL0 only */
	.globl	fp_restore
fp_restore:
	each_vector ldp
	ldr	x1, [x0, #512]
	ldr	x2, [x0, #520]
	msr	fpcr, x1
	msr	fpsr, x2
	ret
	guest	1
	guest	1
	guest	2
	.balign	128

	.bss
	.balign	16
	.space	2048
crash_stack_end:
