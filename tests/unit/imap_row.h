/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* An interval map with its pool, by itself, and one with entries in a row. */
#ifndef IMAP_ROW_H
#define IMAP_ROW_H

#include "unit.h"

#include <string.h>

#include <stage2/imap.h>

#include "base/pool.h"

#define NODES  256u
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

enum { STEP = 0x100 };

struct fixture {
    struct s2_pool pool;
    struct s2_imap map;
    unsigned char *mem;
};

static inline struct fixture *make(uint64_t lo, uint64_t hi, struct s2_imap_align align)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->mem = aligned_alloc(64, (size_t)NODES * S2_NODE_BYTES);
    s2_pool_init(&f->pool, f->mem, (size_t)NODES * S2_NODE_BYTES);
    s2_imap_init(&f->map, &f->pool, lo, hi, align);
    return f;
}

static inline void unmake(struct fixture *f)
{
    assert_null(s2_imap_check(&f->map));
    s2_imap_clear(&f->map);
    assert_int_equal(f->pool.free, f->pool.count);
    free(f->mem);
    free(f);
}

static inline void insert(struct fixture *f, uint64_t start, uint64_t end)
{
    struct s2_ient e = {start, end, {{start, end, 0}}};

    s2_imap_insert(&f->map, &e);
    assert_null(s2_imap_check(&f->map));
}

/* Entries [STEP * i + 0x40, STEP * i + 0x80) for i < n, put in ascending or descending order, which fills leaves otherwise. */
static inline struct fixture *make_row(unsigned n, bool down)
{
    struct fixture *f = make(0, STEP * 2000, (struct s2_imap_align){{0, 6, 9}});

    for (uint64_t k = 0; k < n; k++) {
        uint64_t i = down ? n - 1 - k : k;
        struct s2_ient e = {STEP * i + 0x40, STEP * i + 0x80, {{i, 0, 0}}};

        s2_imap_insert(&f->map, &e);
    }
    return f;
}

#endif
