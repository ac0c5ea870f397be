/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every way to touch memory at x0, as words to be copied and executed one by one. Those that a CPU does not have are undefined
 * there. They leave what they loaded in x1, and change no other register that counts (x2 to x7, x16, x17, v0 to v3). */

	.arch	armv8.5-a+memtag+lse+simd+rcpc
	.section .rodata
	.balign	4

	.globl	loads, loads_count
loads:
	ldrb	w1, [x0]
	ldrh	w1, [x0]
	ldr	w1, [x0]
	ldr	x1, [x0]
	ldrsb	w1, [x0]
	ldrsb	x1, [x0]
	ldrsh	w1, [x0]
	ldrsh	x1, [x0]
	ldrsw	x1, [x0]
	ldur	x1, [x0, #-3]
	ldur	w1, [x0, #5]
	ldr	x1, [x0], #8
	ldr	x1, [x0, #-8]!
	ldtr	x1, [x0]
	ldtrb	w1, [x0]
	ldp	x1, x2, [x0]
	ldp	w1, w2, [x0]
	ldpsw	x1, x2, [x0]
	ldp	x1, x2, [x0], #16
	ldnp	x1, x2, [x0, #-8]
	ldxrb	w1, [x0]
	ldxrh	w1, [x0]
	ldxr	w1, [x0]
	ldxr	x1, [x0]
	ldaxr	x1, [x0]
	ldxp	x1, x2, [x0]
	ldaxp	x1, x2, [x0]
	ldarb	w1, [x0]
	ldarh	w1, [x0]
	ldar	w1, [x0]
	ldar	x1, [x0]
	ldlar	x1, [x0]
	ldapr	x1, [x0]
	ldapurb	w1, [x0, #1]
	ldapur	x1, [x0, #-8]
	ldr	b0, [x0]
	ldr	h0, [x0]
	ldr	s0, [x0]
	ldr	d0, [x0]
	ldr	q0, [x0]
	ldp	q0, q1, [x0]
	ldnp	d0, d1, [x0]
	ld1	{v0.16b, v1.16b, v2.16b, v3.16b}, [x0]
	ld4	{v0.4s, v1.4s, v2.4s, v3.4s}, [x0]
	ld1r	{v0.2d}, [x0]
	ldg	x1, [x0]
	prfm	pldl1keep, [x0]
	prfm	pstl2strm, [x0]
	prfm	plil1keep, [x0]
	dc	cvac, x0
	dc	cvau, x0
	dc	civac, x0
	dc	cvap, x0
	dc	cvadp, x0
	ic	ivau, x0
	at	s1e1r, x0
	at	s1e1w, x0
	at	s1e0r, x0
	at	s1e0w, x0
	at	s1e1rp, x0
	at	s1e1wp, x0
	at	s12e1r, x0
	at	s12e1w, x0
	at	s12e0r, x0
	at	s12e0w, x0
	at	s1e2r, x0
	at	s1e3w, x0
loads_count:
	.word	(. - loads) / 4

	.globl	stores, stores_count
stores:
	strb	w1, [x0]
	strh	w1, [x0]
	str	w1, [x0]
	str	x1, [x0]
	str	xzr, [x0]
	stur	x1, [x0, #-3]
	str	x1, [x0], #8
	str	x1, [x0, #-8]!
	sttr	x1, [x0]
	stp	x1, x2, [x0]
	stp	w1, w2, [x0], #8
	stnp	x1, x2, [x0]
	stlrb	w1, [x0]
	stlr	x1, [x0]
	stllr	x1, [x0]
	stlur	x1, [x0, #8]
	stxr	w3, x1, [x0]
	stlxp	w3, x1, x2, [x0]
	str	b0, [x0]
	str	d0, [x0]
	str	q0, [x0]
	stp	q0, q1, [x0]
	st1	{v0.16b, v1.16b, v2.16b, v3.16b}, [x0]
	st4	{v0.4s, v1.4s, v2.4s, v3.4s}, [x0]
	ldaddb	w2, w1, [x0]
	ldadd	x2, x1, [x0]
	ldclral	x2, x1, [x0]
	ldeorh	w2, w1, [x0]
	ldset	x2, x1, [x0]
	ldsmax	x2, x1, [x0]
	ldumin	w2, w1, [x0]
	swp	x2, x1, [x0]
	swpalb	w2, w1, [x0]
	cas	x1, x2, [x0]
	casalh	w1, w2, [x0]
	casp	x2, x3, x4, x5, [x0]
	stg	x0, [x0]
	st2g	x0, [x0]
	stzg	x0, [x0]
	dc	zva, x0
	dc	gva, x0
	dc	gzva, x0
	dc	ivac, x0
stores_count:
	.word	(. - stores) / 4

/* One after the other, since the second does nothing without the first. */
	.globl	exclusives, exclusives_count
exclusives:
	ldxrb	w1, [x0]
	stxrb	w3, w2, [x0]
	ldaxr	w1, [x0]
	stlxr	w3, w2, [x0]
	ldxr	x1, [x0]
	stxr	w3, x2, [x0]
	ldaxp	x1, x2, [x0]
	stlxp	w3, x4, x5, [x0]
exclusives_count:
	.word	(. - exclusives) / 4

/* About translations and caches as a whole. x0 is an operand of theirs, or ignored. */
	.globl	invalidations, invalidations_count
invalidations:
	tlbi	vmalle1
	tlbi	vmalle1is
	tlbi	vae1, x0
	tlbi	vae1is, x0
	tlbi	vale1, x0
	tlbi	vale1is, x0
	tlbi	vaae1, x0
	tlbi	vaae1is, x0
	tlbi	vaale1, x0
	tlbi	vaale1is, x0
	tlbi	aside1, x0
	tlbi	aside1is, x0
	tlbi	vmalle1os
	tlbi	vae1os, x0
	tlbi	aside1os, x0
	tlbi	rvae1, x0
	tlbi	rvae1is, x0
	tlbi	rvaale1is, x0
	tlbi	ipas2e1is, x0
	tlbi	vmalls12e1is
	tlbi	alle1is
	tlbi	alle2
	tlbi	alle3is
	ic	iallu
	ic	ialluis
	dc	isw, x0
	dc	csw, x0
	dc	cisw, x0
	dsb	sy
	dsb	ish
	dmb	osh
	isb
	sb
	sev
	sevl
	clrex
invalidations_count:
	.word	(. - invalidations) / 4
