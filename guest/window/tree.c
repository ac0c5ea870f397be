/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Finds the window in the flattened device tree (Devicetree Specification 0.4, chapter 5), a word at a time since the MMU is
 * off. */
#include "window/window.h"

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4 };
struct fdt_header {
    uint32_t magic, totalsize, off_struct, off_strings;
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static uint32_t words(uint32_t bytes)
{
    return (bytes + 3) / 4;
}

static uint32_t length(const char *s)
{
    uint32_t n = 0;
    while (s[n])
        n++;
    return n;
}

static uint64_t cells(const uint32_t *word)
{
    return (uint64_t)__builtin_bswap32(word[0]) << 32 | __builtin_bswap32(word[1]);
}

/* One property of the node being read; true: it says that the node is a window. */
static bool read_property(struct window *w, const char *name, const uint32_t *value)
{
    if (same(name, "label"))
        w->label = (const char *)value;
    else if (same(name, "bulkhead,rights"))
        w->rights = (const char *)value;
    else if (same(name, "bulkhead,owner"))
        w->owner = true;
    else if (same(name, "reg"))
        w->where = (struct range){cells(value), cells(value + 2)};
    return same(name, "compatible") && same((const char *)value, "bulkhead,window");
}

bool find_window(const void *dtb, struct window *out)
{
    const struct fdt_header *header = dtb;
    const char *base = dtb, *strings = base + __builtin_bswap32(header->off_strings);
    const uint32_t *word = (const uint32_t *)(uintptr_t)(base + __builtin_bswap32(header->off_struct));
    bool found = false;
    for (;;) {
        switch (__builtin_bswap32(*word++)) {
        case FDT_BEGIN_NODE:
            *out = (struct window){0};
            word += words(length((const char *)word) + 1);
            break;
        case FDT_PROP:
            found |= read_property(out, strings + __builtin_bswap32(word[1]), word + 2);
            word += 2 + words(__builtin_bswap32(word[0]));
            break;
        case FDT_END_NODE:
            if (found)
                return true;
            break;
        case FDT_NOP:
            break;
        default:
            return false;
        }
    }
}
