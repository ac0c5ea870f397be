/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest can have said over and over is said a few times, then once a second. Plain logic. */
#ifndef VM_PACE_H
#define VM_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_FEW 4u

/* Is it to be said now? *next, zero before the first time: when, in ticks, one who is sparing would say it again. Some
 * may come ahead of that. */
static inline bool pace_says(uint64_t *next, uint64_t now, uint64_t second)
{
    uint64_t from = *next > now ? *next : now;
    if (from - now > (PACE_FEW - 1) * second)
        return false;
    *next = from + second;
    return true;
}

#endif
