/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The store loop, the same for the limit and for the engine's port: both stand on the best that this compiler makes of it. */
#ifndef BENCH_TABLE_FILL_H
#define BENCH_TABLE_FILL_H

#include <stdint.h>
#include <string.h>

typedef uint64_t fill_two __attribute__((vector_size(16), aligned(8), may_alias));

/* slot[0..n) = first, first + step, ... */
static inline void bench_fill(uint64_t *slot, unsigned n, uint64_t first, uint64_t step)
{
    uint64_t *end = slot + n;

    if (!(first | step)) {
        memset(slot, 0, n * sizeof(*slot));
        return;
    }
    if (n >= 4) {
        fill_two a = {first, first + step}, b = a + 2 * step;

        for (; slot + 4 <= end; slot += 4, a += 4 * step, b += 4 * step) {
            ((fill_two *)slot)[0] = a;
            ((fill_two *)slot)[1] = b;
        }
        first = a[0];
    }
    for (; slot < end; slot++, first += step)
        *slot = first;
}

#endif
