/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* SHA-256 with the CPU's own instructions (FEAT_SHA256): a bundle of some tens of megabytes is hashed at every boot. It
 * uses SIMD registers that are nobody's before the first guest runs. */
	.arch	armv8-a+crypto

/* Four rounds on \m0, which gets the schedule for 16 rounds later. v2, v3: state; v17: W + K; v18: the state's first half */
	.macro	four_rounds m0
	ld1	{v16.4s}, [x4], #16
	add	v17.4s, \m0\().4s, v16.4s
	mov	v18.16b, v2.16b
	sha256h	q2, q3, v17.4s
	sha256h2 q3, q18, v17.4s
	.endm
	.macro	four_rounds_more m0, m1, m2, m3
	four_rounds \m0
	sha256su0 \m0\().4s, \m1\().4s
	sha256su1 \m0\().4s, \m2\().4s, \m3\().4s
	.endm

	.text
/* void sha256_blocks_ce(uint32_t h[8], const uint8_t *data, size_t n): n > 0 */
	.globl	sha256_blocks_ce
sha256_blocks_ce:
	adrp	x3, sha256_k
	add	x3, x3, :lo12:sha256_k
	ld1	{v0.4s, v1.4s}, [x0]
1:	ld1	{v4.16b, v5.16b, v6.16b, v7.16b}, [x1], #64
	rev32	v4.16b, v4.16b
	rev32	v5.16b, v5.16b
	rev32	v6.16b, v6.16b
	rev32	v7.16b, v7.16b
	mov	v2.16b, v0.16b
	mov	v3.16b, v1.16b
	mov	x4, x3
	.rept	3
	four_rounds_more v4, v5, v6, v7
	four_rounds_more v5, v6, v7, v4
	four_rounds_more v6, v7, v4, v5
	four_rounds_more v7, v4, v5, v6
	.endr
	four_rounds v4
	four_rounds v5
	four_rounds v6
	four_rounds v7
	add	v0.4s, v0.4s, v2.4s
	add	v1.4s, v1.4s, v3.4s
	subs	x2, x2, #1
	b.ne	1b
	st1	{v0.4s, v1.4s}, [x0]
	ret
