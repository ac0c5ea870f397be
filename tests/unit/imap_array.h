/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* An interval map and a sorted array, edited alike and compared: lookups, gaps, order. */
#ifndef IMAP_ARRAY_H
#define IMAP_ARRAY_H

#include "unit.h"

#include <string.h>

#include <stage2/imap.h>

#include "base/pool.h"

#define NODES 4096u
#define MOST  20000u

struct fixture {
    struct s2_pool pool;
    struct s2_imap map;
    unsigned char *mem;
    struct s2_ient *ref; /* what the map must hold, in order */
    size_t count;
    uint64_t seed;
};

static inline uint64_t next_random(struct fixture *f)
{
    f->seed ^= f->seed << 13;
    f->seed ^= f->seed >> 7;
    f->seed ^= f->seed << 17;
    return f->seed;
}

static inline uint64_t below(struct fixture *f, uint64_t n)
{
    return next_random(f) % n;
}

static inline int array_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->mem = aligned_alloc(64, (size_t)NODES * S2_NODE_BYTES);
    f->ref = calloc(MOST, sizeof(*f->ref));
    f->seed = 0x9e3779b97f4a7c15u;
    s2_pool_init(&f->pool, f->mem, (size_t)NODES * S2_NODE_BYTES);
    s2_imap_init(&f->map, &f->pool, 0, 1u << 20, S2_IMAP_BYTES);
    *state = f;
    return 0;
}

static inline int array_teardown(void **state)
{
    struct fixture *f = *state;

    s2_imap_clear(&f->map);
    assert_int_equal(f->map.nodes, 0);
    assert_int_equal(f->pool.free, f->pool.count);
    assert_null(s2_imap_check(&f->map));
    free(f->mem);
    free(f->ref);
    free(f);
    return 0;
}

static inline size_t ref_from(const struct fixture *f, uint64_t key)
{
    size_t lo = 0, hi = f->count;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (f->ref[mid].end > key)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static inline struct s2_ival value(uint64_t start, uint64_t salt)
{
    return (struct s2_ival){{start, ~start, salt}};
}

static inline void insert(struct fixture *f, uint64_t start, uint64_t end)
{
    size_t at = ref_from(f, start);
    struct s2_ient e = {start, end, value(start, end)};
    uint32_t need = s2_imap_need(&f->map, 1), before = f->map.nodes;

    assert_true(f->count < MOST);
    memmove(&f->ref[at + 1], &f->ref[at], (f->count - at) * sizeof(e));
    f->ref[at] = e;
    f->count++;
    s2_imap_insert(&f->map, &e);
    assert_true(f->map.nodes - before <= need);
}

static inline void erase(struct fixture *f, size_t at)
{
    s2_imap_erase(&f->map, f->ref[at].start);
    f->count--;
    memmove(&f->ref[at], &f->ref[at + 1], (f->count - at) * sizeof(f->ref[0]));
}

static inline void resize(struct fixture *f, size_t at, uint64_t start, uint64_t end)
{
    s2_imap_resize(&f->map, f->ref[at].start, start, end);
    f->ref[at].start = start;
    f->ref[at].end = end;
}

static inline void random_insert(struct fixture *f)
{
    uint64_t start = below(f, f->map.hi), size = 1 + below(f, 48);
    size_t at = ref_from(f, start);
    uint64_t limit = at < f->count ? f->ref[at].start : f->map.hi;

    if (limit > start)
        insert(f, start, size < limit - start ? start + size : limit);
}

/* --- comparing ------------------------------------------------------------------------------------------------------ */

static inline void assert_entry(bool found, const struct s2_ient *e, const struct s2_ient *want)
{
    assert_int_equal(found, want != NULL);
    if (want)
        assert_memory_equal(e, want, sizeof(*e));
}

static inline bool collect(void *arg, const struct s2_ient *e)
{
    struct fixture *f = arg;
    size_t at = ref_from(f, e->start);

    assert_memory_equal(e, &f->ref[at], sizeof(*e));
    f->seed++; /* counts the calls; any change will do for a seed */
    return true;
}

/* Every lookup at one key. */
static inline void compare_at(struct fixture *f, uint64_t key)
{
    size_t at = ref_from(f, key), n = at;
    const struct s2_ient *from = at < f->count ? &f->ref[at] : NULL;
    struct s2_ient e;

    assert_entry(s2_imap_find_from(&f->map, key, &e), &e, from);
    assert_entry(s2_imap_find(&f->map, key, &e), &e, from && from->start <= key ? from : NULL);
    n += from && from->start < key;
    assert_entry(s2_imap_find_below(&f->map, key, &e), &e, n > 0 ? &f->ref[n - 1] : NULL);
    assert_int_equal(s2_imap_find(&f->map, key, NULL), from && from->start <= key);
}

static inline void compare_all(struct fixture *f)
{
    uint64_t key = 0, calls = f->seed;
    struct s2_ient e;

    assert_null(s2_imap_check(&f->map));
    assert_int_equal(f->map.count, f->count);
    for (size_t i = 0; i < f->count; i++, key = e.end) {
        assert_true(s2_imap_find_from(&f->map, key, &e));
        assert_memory_equal(&e, &f->ref[i], sizeof(e));
    }
    assert_false(s2_imap_find_from(&f->map, key, &e) && f->count > 0);
    compare_at(f, UINT64_MAX);
    compare_at(f, 0);
    s2_imap_walk(&f->map, 0, UINT64_MAX, collect, f);
    assert_int_equal(f->seed - calls, f->count);
}

/* --- gaps, the plain way ------------------------------------------------------------------------------------------ */

static inline bool fit_in(uint64_t start, uint64_t end, uint64_t size, uint64_t align, enum s2_fit fit, uint64_t *out)
{
    uint64_t at;

    if (end <= start || end - start < size)
        return false;
    at = fit == S2_FIT_LOWEST ? (start + align - 1) / align * align : (end - size) / align * align;
    if (at < start || at + size > end)
        return false;
    *out = at;
    return true;
}

static inline bool naive_gap(const struct fixture *f, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                             enum s2_fit fit, uint64_t *out)
{
    for (size_t k = 0; k <= f->count; k++) {
        size_t i = fit == S2_FIT_LOWEST ? k : f->count - k;
        uint64_t start = i > 0 ? f->ref[i - 1].end : f->map.lo, end = i < f->count ? f->ref[i].start : f->map.hi;

        if (fit_in(start > lo ? start : lo, end < hi ? end : hi, size, align, fit, out))
            return true;
    }
    return false;
}

static inline void compare_gap(struct fixture *f, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align)
{
    for (enum s2_fit fit = S2_FIT_LOWEST; fit <= S2_FIT_HIGHEST; fit++) {
        uint64_t want = 0, got = 0;
        bool there = naive_gap(f, lo, hi, size, align, fit, &want);

        assert_int_equal(s2_imap_find_gap(&f->map, lo, hi, size, align, fit, &got), there ? S2_OK : S2_ENOENT);
        assert_int_equal(got, want);
    }
}

#endif
