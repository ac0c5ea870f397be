/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What compilers call by themselves, to copy a structure or to clear one. Byte by byte: the MMU is off, where an access has to be
 * aligned; and volatile, or the loop would become a call of the very function it stands in. */
#include "lib/guest.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int value, size_t n);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    volatile unsigned char *t = to;
    const unsigned char *f = from;
    for (size_t i = 0; i < n; i++)
        t[i] = f[i];
    return to;
}

void *memset(void *to, int value, size_t n)
{
    volatile unsigned char *t = to;
    for (size_t i = 0; i < n; i++)
        t[i] = (unsigned char)value;
    return to;
}
