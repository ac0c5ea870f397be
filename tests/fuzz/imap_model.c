/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "imap_model.h"

uint32_t flat_from(const struct flat *f, uint64_t key)
{
    uint32_t lo = 0, hi = f->count;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (f->e[mid].end > key)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

uint32_t flat_below(const struct flat *f, uint64_t key)
{
    uint32_t at = flat_from(f, key);

    return at + (at < f->count && f->e[at].start < key);
}

void flat_gap(const struct flat *f, uint32_t i, uint64_t *start, uint64_t *end)
{
    *start = i > 0 ? f->e[i - 1].end : f->lo;
    *end = i < f->count ? f->e[i].start : f->hi;
}

void flat_put(struct flat *f, uint32_t at, const struct s2_ient *e)
{
    FUZZ_TRUE(f->count < f->room);
    memmove(&f->e[at + 1], &f->e[at], (f->count - at) * sizeof(*e));
    f->e[at] = *e;
    f->count++;
}

void flat_drop(struct flat *f, uint32_t at)
{
    f->count--;
    memmove(&f->e[at], &f->e[at + 1], (f->count - at) * sizeof(f->e[0]));
}

static bool fits(uint64_t start, uint64_t end, uint64_t size, uint64_t align, enum s2_fit fit, uint64_t *out)
{
    uint64_t at, past;

    if (start >= end || end - start < size)
        return false;
    at = fit == S2_FIT_LOWEST ? start : end - size;
    past = at % align;
    if (fit == S2_FIT_HIGHEST)
        at = past <= at - start ? at - past : end;
    else if (past > 0)
        at = align - past <= end - at ? at + (align - past) : end;
    *out = at;
    return at <= end && end - at >= size;
}

enum s2_err flat_find_gap(const struct flat *f, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                          enum s2_fit fit, uint64_t *out, unsigned *tries)
{
    *tries = 0;
    if (size == 0 || lo >= hi)
        return S2_EINVAL;
    if (align == 0 || (align & (align - 1)) != 0)
        return S2_EALIGN;
    for (uint32_t k = 0; k <= f->count; k++) {
        uint64_t start, end;

        flat_gap(f, fit == S2_FIT_LOWEST ? k : f->count - k, &start, &end);
        *tries += end - start >= size; /* also when the limits cut it off */
        if (fits(start > lo ? start : lo, end < hi ? end : hi, size, align, fit, out))
            return S2_OK;
    }
    return S2_ENOENT;
}

bool flat_is_free(const struct flat *f, uint64_t start, uint64_t size)
{
    uint32_t at = flat_from(f, start);
    uint64_t from, to;

    flat_gap(f, at, &from, &to);
    return start >= from && start < to && to - start >= size;
}
