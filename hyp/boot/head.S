/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Entry from the boot loader and, for secondary CPUs, from the firmware: MMU off, at the address where the image lies.
 * This page alone is mapped one to one while the MMU goes on. Entry at EL1 or EL3 is carried as far as the console, so
 * that a person reads why nothing starts. */
#include <boot/layout.h>

#define IMAGE_FLAGS     0xa /* little endian, 4K pages, placed anywhere that is 2 MiB aligned */
#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_CPU_OFF    0x84000002
#define EL1             (1 << 2)
#define EL2             (2 << 2)
#define EL3             (3 << 2)

	.section .text.head, "ax"
	.globl image_start
image_start:
	b	entry
	nop
	.quad	0                       /* offset within a 2 MiB block */
	.quad	image_end - image_start
	.quad	IMAGE_FLAGS
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

/* Data cache lines of [x0, x1) to the point of coherency: \op. Clobbers x2 to x4. */
	.macro	dcache op
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4
	mov	x3, #4
	lsl	x3, x3, x2
	sub	x4, x3, #1
	bic	x4, x0, x4
1:	dc	\op, x4
	add	x4, x4, x3
	cmp	x4, x1
	b.lo	1b
	dsb	sy
	.endm

	.macro	mmu_registers el
	msr	mair_\el, x1
	msr	tcr_\el, x2
	msr	ttbr0_\el, x0
	.endm

/* Device tree x21, counter x22, exception level x23, where the image lies x24. */
entry:
	msr	daifset, #0xf
	mov	x21, x0
	mrs	x23, currentel
	mov	x22, xzr
	cmp	x23, #EL2
	b.ne	1f
	bl	el2_state
	mrs	x22, cntpct_el0
1:	adrp	x24, image_start
	/* What the loader left in the caches for memory that we write uncached must not come back over it. */
	adrp	x0, bss_start
	adrp	x1, image_end
	dcache	civac
	adrp	x0, bss_start
	adrp	x1, image_end
2:	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	2b

	adrp	x0, boot_stack_end
	mov	sp, x0
	mov	x29, xzr
	mov	x30, xzr
	mov	x0, x24
	mov	x1, x23
	bl	stage1_build
	cbz	x0, stop                /* this CPU has no 4K granule, or the image lies too high */
	mov	x20, x0
	/* And lines that were fetched meanwhile would hide what we wrote. */
	adrp	x0, bss_start
	adrp	x1, image_end
	dcache	ivac
	mov	x0, x20
	bl	mmu_on
	ldr	x1, =boot_stack_end
	mov	sp, x1
	mov	x0, x21
	mov	x1, x22
	lsr	x2, x23, #2
	bl	hyp_main
	b	stop

/* The state of EL2 that the code relies on before it is set up for good. Clobbers x0. */
el2_state:
	ldr	x0, =ENTRY_HCR
	msr	hcr_el2, x0
	ldr	x0, =ENTRY_CPTR
	msr	cptr_el2, x0            /* libfdt uses FP/SIMD registers */
	msr	mdcr_el2, xzr
	ldr	x0, =ENTRY_SCTLR
	msr	sctlr_el2, x0
	isb
	ret

/* MMU on with the tables of x0 (struct stage1_regs); returns at the linked address. Exception level x23. */
mmu_on:
	mov	x10, x30
	ldp	x11, x1, [x0]           /* x11: root with this page one to one */
	ldp	x2, x3, [x0, #16]       /* x3: SCTLR */
	ldr	x12, [x0, #32]          /* x12: root to stay with */
	mov	x0, x11
	ic	iallu
	cmp	x23, #EL2
	b.eq	2f
	b.hi	3f
	mov	x4, #(3 << 20)          /* CPACR_EL1.FPEN */
	msr	cpacr_el1, x4
	mmu_registers el1
	tlbi	vmalle1
	dsb	nsh
	isb
	msr	sctlr_el1, x3
	isb
	ldr	x4, =1f
	br	x4
1:	msr	ttbr0_el1, x12
	ldr	x4, =vectors
	msr	vbar_el1, x4
	isb
	tlbi	vmalle1
	b	4f
2:	mmu_registers el2
	tlbi	alle2
	dsb	nsh
	isb
	msr	sctlr_el2, x3
	isb
	ldr	x4, =1f
	br	x4
1:	msr	ttbr0_el2, x12
	ldr	x4, =vectors
	msr	vbar_el2, x4
	isb
	tlbi	alle2
	b	4f
3:	msr	cptr_el3, xzr
	mmu_registers el3
	tlbi	alle3
	dsb	nsh
	isb
	msr	sctlr_el3, x3
	isb
	ldr	x4, =1f
	br	x4
1:	msr	ttbr0_el3, x12
	ldr	x4, =vectors
	msr	vbar_el3, x4
	isb
	tlbi	alle3
4:	dsb	nsh
	isb
	/* The way back leads to the linked address too. */
	ldr	x4, =image_start
	sub	x10, x10, x24
	add	x30, x10, x4
	ret

/* From PSCI CPU_ON; x0: physical address of its struct boot_cpu. */
	.globl secondary_entry
secondary_entry:
	msr	daifset, #0xf
	mrs	x23, currentel
	cmp	x23, #EL2
	b.ne	stop_cpu
	mov	x20, x0
	bl	el2_state
	adrp	x24, image_start
	adrp	x0, stage1_regs
	add	x0, x0, :lo12:stage1_regs
	ldp	x19, x21, [x20]         /* own root, stack */
	ldr	x22, [x20, #BOOT_CPU_RECORD]
	bl	mmu_on
	msr	ttbr0_el2, x19
	isb
	tlbi	alle2
	dsb	nsh
	isb
	mov	sp, x21
	mov	x29, xzr
	mov	x0, x22
	bl	cpu_secondary

stop_cpu:
	ldr	x0, =PSCI_CPU_OFF
	b	1f
stop:	ldr	x0, =PSCI_SYSTEM_OFF
1:	mrs	x1, currentel
	cmp	x1, #EL2
	b.ne	2f
	smc	#0
2:	wfi
	b	2b
	.ltorg
	.size	image_start, . - image_start

	.section .bss.pages, "aw", %nobits
	.balign	STACK_STRIDE
	.space	STACK_STRIDE            /* the upper half, as with all stacks */
	.globl	boot_stack_end
boot_stack_end:
