/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Finds the window in the device tree. */
#include "lib/fdt.h"
#include "window/window.h"

enum { FIRST_SPI = 32 };

static uint64_t cells(const uint32_t *word)
{
    return (uint64_t)__builtin_bswap32(word[0]) << 32 | __builtin_bswap32(word[1]);
}

/* One property of the node being read; true: it says that the node is a window. */
static bool read_property(struct window *w, const char *name, const uint32_t *value)
{
    if (fdt_same(name, "label"))
        w->label = (const char *)value;
    else if (fdt_same(name, "bulkhead,rights"))
        w->rights = (const char *)value;
    else if (fdt_same(name, "bulkhead,owner"))
        w->owner = true;
    else if (fdt_same(name, "interrupts")) /* an SPI by its number; edge-triggered */
        w->intid = FIRST_SPI + __builtin_bswap32(value[1]);
    else if (fdt_same(name, "reg"))
        w->where = (struct range){cells(value), cells(value + 2)};
    return fdt_same(name, "compatible") && fdt_same((const char *)value, "bulkhead,window");
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
            word += fdt_words_of((const char *)word);
            break;
        case FDT_PROP:
            found |= read_property(out, strings + __builtin_bswap32(word[1]), word + 2);
            word += 2 + fdt_words(__builtin_bswap32(word[0]));
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
