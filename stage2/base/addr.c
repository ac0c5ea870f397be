/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Addresses as text. */
#include <stage2/addr.h>

struct text {
    char *buf;
    size_t size, length;
};

static void put(struct text *t, char c)
{
    if (t->length + 1 < t->size)
        t->buf[t->length] = c;
    t->length++;
}

static void put_address(struct text *t, const char *prefix, uint64_t x, enum s2_hex hex)
{
    const char *digits = hex == S2_HEX_UPPER ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned shift = x ? (63u - (unsigned)__builtin_clzll(x)) & ~3u : 0;

    while (*prefix)
        put(t, *prefix++);
    put(t, '0');
    put(t, 'x');
    for (;; shift -= 4) {
        put(t, digits[(x >> shift) & 15]);
        if (shift == 0)
            return;
    }
}

static size_t finish(const struct text *t)
{
    if (t->size > 0)
        t->buf[t->length < t->size ? t->length : t->size - 1] = 0;
    return t->length;
}

size_t s2_addr_format(const char *prefix, uint64_t x, enum s2_hex hex, char *buf, size_t n)
{
    struct text t = {buf, n, 0};

    put_address(&t, prefix, x, hex);
    return finish(&t);
}

size_t s2_addr_range_format(const char *prefix, uint64_t start, uint64_t end, enum s2_hex hex, char *buf, size_t n)
{
    struct text t = {buf, n, 0};

    put_address(&t, prefix, start, hex);
    put(&t, '.');
    put(&t, '.');
    put_address(&t, prefix, end, hex);
    return finish(&t);
}
