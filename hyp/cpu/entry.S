/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Into a guest and back. Its FP/SIMD registers: boot/vectors.S. */

/* struct vcpu begins with struct gpregs and then struct s2_syndrome (cpu/switch.c checks) */
#define REGS_PC   (31 * 8)
#define EXIT_ESR  (33 * 8)
#define EXIT_FAR  (34 * 8)
#define EXIT_HPFAR (35 * 8)

#define EC_HVC 0x16 /* ESR_EL2.EC */

#define FRAME      112
#define FRAME_VCPU 96

	.macro	each_pair op
	\op	x2, x3, [x0, #16]
	\op	x4, x5, [x0, #32]
	\op	x6, x7, [x0, #48]
	\op	x8, x9, [x0, #64]
	\op	x10, x11, [x0, #80]
	\op	x12, x13, [x0, #96]
	\op	x14, x15, [x0, #112]
	\op	x16, x17, [x0, #128]
	\op	x18, x19, [x0, #144]
	\op	x20, x21, [x0, #160]
	\op	x22, x23, [x0, #176]
	\op	x24, x25, [x0, #192]
	\op	x26, x27, [x0, #208]
	\op	x28, x29, [x0, #224]
	.endm

	.text
/* enum exit_class guest_enter(struct vcpu *): until the next exit. */
	.globl	guest_enter
guest_enter:
	stp	x29, x30, [sp, #-FRAME]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	str	x0, [sp, #FRAME_VCPU]
	msr	daifset, #4
	ldp	x1, x2, [x0, #REGS_PC]
	msr	elr_el2, x1
	msr	spsr_el2, x2
	each_pair ldp
	ldr	x30, [x0, #240]
	ldp	x0, x1, [x0]
	eret
	/* No speculation past the ERET with the guest's registers. */
	dsb	nsh
	isb

/* From the vectors: x0 and x1 on the stack, x1: class. */
	.globl	guest_exit
guest_exit:
	ldr	x0, [sp, #(16 + FRAME_VCPU)]
	each_pair stp
	str	x30, [x0, #240]
	ldp	x2, x3, [sp], #16
	stp	x2, x3, [x0]
	mrs	x2, elr_el2
	mrs	x3, spsr_el2
	stp	x2, x3, [x0, #REGS_PC]
	mrs	x2, esr_el2
	mrs	x3, far_el2
	stp	x2, x3, [x0, #EXIT_ESR]
	mrs	x2, hpfar_el2
	str	x2, [x0, #EXIT_HPFAR]
	/* An SError that is pending now is the guest's doing: take it here, where vectors.S knows it (it returns to the end of
	 * the window with x1 = EXIT_SERROR). What the guest exited for will happen again; an HVC, which its PC is past,
	 * after a step back. */
	dsb	sy
	isb
	mrs	x2, isr_el1
	tbz	x2, #8, 1f
	mrs	x2, esr_el2
	lsr	x2, x2, #26
	cmp	x2, #EC_HVC
	ccmp	w1, wzr, #0, eq         /* EXIT_SYNC */
	b.ne	serror_window
	ldr	x2, [x0, #REGS_PC]
	sub	x2, x2, #4
	str	x2, [x0, #REGS_PC]
	.globl	serror_window, serror_window_end
serror_window:
	msr	daifclr, #4
	isb
	nop
serror_window_end:
	mrs	x2, esr_el2
	str	x2, [x0, #EXIT_ESR]
1:	msr	daifclr, #4             /* from here on it is ours */
	mov	w0, w1
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #FRAME
	ret
