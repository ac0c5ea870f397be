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

/* The round constants, for every implementation of sha256_blocks. */
extern const uint32_t sha256_k[64];

void sha256(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES]);

#endif
