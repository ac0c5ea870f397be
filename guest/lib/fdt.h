/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A flattened device tree: a list of 32-bit big-endian words (Devicetree Specification 0.4, chapter 5), read a word at a time since
 * the MMU is off. */
#ifndef GUEST_FDT_H
#define GUEST_FDT_H

#include "lib/guest.h"

enum { FDT_MAGIC = 0xd00dfeed, FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4 };
struct fdt_header {
    uint32_t magic, totalsize, off_struct, off_strings;
};

static inline bool fdt_same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static inline uint32_t fdt_words(uint32_t bytes)
{
    return (bytes + 3) / 4;
}

/* Of a string, with its end. */
static inline uint32_t fdt_words_of(const char *s)
{
    uint32_t n = 0;
    while (s[n])
        n++;
    return fdt_words(n + 1);
}

#endif
