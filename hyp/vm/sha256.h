/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* SHA-256 (FIPS 180-4) of a buffer. */
#ifndef VM_SHA256_H
#define VM_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u
#define SHA256_BLOCK 64u
#define SHA256_WORDS 8u

void sha256(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES]);

/* --- how blocks are hashed: h[] gets n blocks of data, n > 0 ------------------------------------------------------- */

typedef void sha256_blocks_fn(uint32_t h[SHA256_WORDS], const uint8_t *data, size_t n);
/* Plain C is what it is until something better for this machine is named. */
void sha256_use(sha256_blocks_fn *fn);
sha256_blocks_fn sha256_blocks_ce; /* FEAT_SHA256; AArch64 only, and while SIMD registers are nobody's */
extern const uint32_t sha256_k[64];

#endif
