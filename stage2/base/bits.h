/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Small arithmetic on 64-bit words that several floors share. */
#ifndef STAGE2_BASE_BITS_H
#define STAGE2_BASE_BITS_H

#include <stdint.h>

#include <stage2/addr.h> /* s2_is_pow2 */

/* For what is small and asked often: built for size, gcc takes a call for smaller than what stands around it. */
#ifdef __OPTIMIZE_SIZE__
#define S2_INLINE static inline __attribute__((always_inline))
#else
#define S2_INLINE static inline
#endif

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

/* How many bits of x are set. Not the compiler's builtin: without vector registers that is a call of its runtime library. */
static inline unsigned s2_popcount(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555u; /* sums of two bits, of four, of eight, then of all bytes in the highest one */
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((x * 0x0101010101010101u) >> 56);
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
