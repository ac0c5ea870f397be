/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The one thing that most guests want from their device tree: the command line. */
#include "lib/fdt.h"

enum { CHOSEN_DEPTH = 2 };

const char *boot_args(const void *dtb)
{
    const struct fdt_header *header = dtb;
    if (!dtb || __builtin_bswap32(header->magic) != FDT_MAGIC)
        return "";
    const char *base = dtb;
    const uint32_t *word = (const uint32_t *)(uintptr_t)(base + __builtin_bswap32(header->off_struct));
    const char *strings = base + __builtin_bswap32(header->off_strings);
    bool chosen = false;
    for (unsigned depth = 0;;) {
        switch (__builtin_bswap32(*word++)) {
        case FDT_BEGIN_NODE:
            depth++;
            chosen = depth == CHOSEN_DEPTH && fdt_same((const char *)word, "chosen");
            word += fdt_words_of((const char *)word);
            break;
        case FDT_END_NODE:
            depth--;
            chosen = false;
            break;
        case FDT_PROP: {
            uint32_t bytes = __builtin_bswap32(word[0]);
            const char *name = strings + __builtin_bswap32(word[1]);
            if (chosen && fdt_same(name, "bootargs"))
                return (const char *)(word + 2);
            word += 2 + fdt_words(bytes);
            break;
        }
        case FDT_NOP:
            break;
        default:
            return "";
        }
    }
}

/* The text behind `key` where a word of args is it, or begins with it and '=', or NULL. */
static const char *find(const char *args, const char *key)
{
    bool at_word = true;
    for (; *args; at_word = *args++ == ' ') {
        if (!at_word)
            continue;
        const char *a = args, *k = key;
        while (*k && *a == *k) {
            a++;
            k++;
        }
        if (!*k && (*a == '=' || *a == ' ' || !*a))
            return a;
    }
    return NULL;
}

static uint64_t number(const char **text)
{
    uint64_t value = 0;
    unsigned base = 10;
    const char *s = *text;
    if (s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
    }
    for (;; s++) {
        unsigned digit;
        if (*s >= '0' && *s <= '9')
            digit = (unsigned)(*s - '0');
        else if (base == 16 && *s >= 'a' && *s <= 'f')
            digit = (unsigned)(*s - 'a') + 10;
        else
            break;
        value = value * base + digit;
    }
    *text = s;
    return value;
}

bool arg_flag(const char *args, const char *key)
{
    const char *rest = find(args, key);
    return rest && (*rest == ' ' || !*rest);
}

bool arg_range(const char *args, const char *key, struct range *out)
{
    const char *rest = find(args, key);
    if (!rest || *rest++ != '=')
        return false;
    out->base = number(&rest);
    if (*rest++ != '+')
        return false;
    out->size = number(&rest);
    return true;
}

uint64_t arg_number(const char *args, const char *key, uint64_t absent)
{
    const char *rest = find(args, key);
    if (!rest || *rest++ != '=')
        return absent;
    return number(&rest);
}
