/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Small arithmetic on 64-bit words that several floors share. */
#ifndef STAGE2_BASE_BITS_H
#define STAGE2_BASE_BITS_H

#include <stdint.h>

#include <stage2/addr.h> /* s2_is_pow2 */

static inline uint64_t s2_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t s2_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* floor(log2(x)). pre: x != 0. */
static inline unsigned s2_log2(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

/* The number of trailing zeros: log2 of the largest power of two that divides x. pre: x != 0. */
static inline unsigned s2_ctz(uint64_t x)
{
    return (unsigned)__builtin_ctzll(x);
}

/* Bits [high:low] of x, as the Arm ARM writes fields; 0 <= low <= high <= 63. */
static inline uint64_t s2_bits_mask(unsigned high, unsigned low)
{
    return (UINT64_MAX >> (63u - (high - low))) << low;
}

static inline uint64_t s2_bits_get(uint64_t x, unsigned high, unsigned low)
{
    return (x & s2_bits_mask(high, low)) >> low;
}

#endif
