/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/sha256.h"

#include <string.h>

#define ROUNDS       64u
#define LENGTH_BYTES 8u

const uint32_t sha256_k[ROUNDS] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* v[first], v[first + 1], ... (modulo 8) are a, b, ... of the standard: the names move, the values stay. Inline, so that
 * the places are constants and the values live in registers. */
static inline __attribute__((always_inline)) void one_round(uint32_t v[SHA256_WORDS], unsigned first, uint32_t w,
                                                            unsigned i)
{
#define V(n) v[(first + (n)) % SHA256_WORDS]
    uint32_t s1 = ror(V(4), 6) ^ ror(V(4), 11) ^ ror(V(4), 25);
    uint32_t choose = (V(4) & V(5)) ^ (~V(4) & V(6));
    uint32_t t1 = V(7) + s1 + choose + sha256_k[i] + w;
    uint32_t s0 = ror(V(0), 2) ^ ror(V(0), 13) ^ ror(V(0), 22);
    uint32_t majority = (V(0) & V(1)) ^ (V(0) & V(2)) ^ (V(1) & V(2));
    V(3) += t1;
    V(7) = t1 + s0 + majority;
#undef V
}

static inline __attribute__((always_inline)) void swap(uint32_t *a, uint32_t *b)
{
    uint32_t was = *a;
    *a = *b;
    *b = was;
}

static void one_block(uint32_t h[SHA256_WORDS], const uint8_t *data)
{
    uint32_t w[ROUNDS], v[SHA256_WORDS];
    for (unsigned i = 0; i < 16; i++)
        w[i] = load_be(data + i * sizeof(uint32_t));
    for (unsigned i = 16; i < ROUNDS; i++) {
        uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, h, sizeof(v));
    for (unsigned i = 0; i < ROUNDS; i += SHA256_WORDS / 2) {
        one_round(v, 0, w[i], i);
        one_round(v, 7, w[i + 1], i + 1);
        one_round(v, 6, w[i + 2], i + 2);
        one_round(v, 5, w[i + 3], i + 3);
        swap(&v[0], &v[4]); /* the values move half of the way, which takes less room than the other four */
        swap(&v[1], &v[5]);
        swap(&v[2], &v[6]);
        swap(&v[3], &v[7]);
    }
    for (unsigned i = 0; i < SHA256_WORDS; i++)
        h[i] += v[i];
}

static void plain_blocks(uint32_t h[SHA256_WORDS], const uint8_t *data, size_t n)
{
    for (; n > 0; n--, data += SHA256_BLOCK)
        one_block(h, data);
}

static sha256_blocks_fn *faster; /* or null */

void sha256_use(sha256_blocks_fn *fn)
{
    faster = fn;
}

static void blocks(uint32_t h[SHA256_WORDS], const uint8_t *data, size_t n)
{
    (faster != NULL ? faster : plain_blocks)(h, data, n);
}

void sha256(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES])
{
    uint32_t h[SHA256_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    size_t whole = bytes / SHA256_BLOCK, rest = bytes % SHA256_BLOCK;
    if (whole > 0)
        blocks(h, data, whole);

    /* The rest, a one bit, zeros, and the length in bits: one block or two. */
    uint8_t tail[2 * SHA256_BLOCK] = {0};
    size_t tail_bytes = rest + 1 + LENGTH_BYTES <= SHA256_BLOCK ? SHA256_BLOCK : 2 * SHA256_BLOCK;
    if (rest > 0)
        memcpy(tail, (const uint8_t *)data + whole * SHA256_BLOCK, rest);
    tail[rest] = 0x80;
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        tail[tail_bytes - 1 - i] = (uint8_t)((uint64_t)bytes << 3 >> (8 * i));
    blocks(h, tail, tail_bytes / SHA256_BLOCK);

    for (unsigned i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}
