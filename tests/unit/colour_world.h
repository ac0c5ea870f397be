/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A small machine with a coloured region, for a space of one VM. */
#ifndef COLOUR_WORLD_H
#define COLOUR_WORLD_H

#include "space_world.h"

#include <stage2/colours.h>

#define REGION       (FRAME_BASE + MIB(8))
#define REGION_BYTES MIB(4)
enum { COLOURS = 8, PIECES = 8, FRAMES = REGION_BYTES / PAGE };
#define STRIPE  (COLOURS * PAGE)
#define STRIPES (REGION_BYTES / STRIPE)
#define IPA     MIB(64)

struct coloured {
    struct world *w;
    struct s2_colours c;
    struct s2_colour_piece piece[PIECES];
    struct s2_space other;
};

static inline void scrub_all(struct coloured *x)
{
    while (s2_colours_scrub_step(&x->w->ledger, &x->c, 128))
        ;
}

static inline enum s2_err give_to(struct coloured *x, uint16_t vm, uint64_t mask, uint64_t bytes, uint64_t ipa)
{
    return s2_colours_give(&x->w->ledger, &x->c, vm, mask, bytes, S2_IPA(ipa), &x->w->d);
}

static inline struct s2_area area_coloured(uint64_t ipa, uint64_t bytes, uint32_t attr)
{
    return (struct s2_area){.range = ipa_range(ipa, bytes), .backend = &s2_backend_coloured, .attr = S2_ATTR(attr)};
}

static inline void take_region(struct world *w)
{
    bool clean;

    assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(REGION, REGION_BYTES), &clean, NULL), S2_OK);
}

static inline int make(void **state, enum s2_granule granule, unsigned unit_log2)
{
    struct world_config wc = world_defaults();
    struct coloured *x = world_alloc(sizeof *x);
    unsigned colours = (unsigned)(COLOURS >> (unit_log2 - 12));

    memset(x, 0, sizeof *x);
    wc.granule = granule;
    x->w = world_create(&wc);
    world_run(x->w);
    take_region(x->w);
    for (uint64_t i = 0; i < FRAMES; i++)
        memset(model_ram(x->w->port, REGION + i * PAGE), 0xee, PAGE);
    assert_int_equal(s2_colours_add(&x->w->ledger, &x->c, pa_range(REGION, REGION_BYTES), colours > 2 ? colours : 2,
                                    unit_log2, x->piece, PIECES, &x->w->d),
                     S2_OK);
    *state = x;
    return 0;
}

static inline int setup(void **state)
{
    int r = make(state, S2_4K, 12);

    scrub_all(*state);
    return r;
}

static inline bool is_zero(struct world *w, uint64_t pa)
{
    const unsigned char *p = model_ram(w->port, pa);

    for (unsigned i = 0; i < PAGE; i++)
        if (p[i])
            return false;
    return true;
}

static inline int teardown(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_ledger_entry back = ledger_entry(REGION, REGION_BYTES, S2_OWNER_NONE, S2_FREE);
    struct s2_colour_piece p;

    world_check(w);
    assert_null(s2_colours_check(&w->ledger, &w->d));
    world_destroy_space(w);
    /* Nothing is held or dirty in the end. */
    assert_false(s2_colours_take_back(&w->ledger, VM));
    while (s2_colours_take_back(&w->ledger, OTHER))
        ;
    scrub_all(x);
    assert_false(s2_colours_list(&w->ledger, 0, &p));
    for (uint64_t pa = REGION; pa < REGION + REGION_BYTES; pa += PAGE)
        assert_true(is_zero(w, pa));
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    s2_ledger_set(&w->ledger, &back);
    assert_int_equal(s2_ledger_count(&w->ledger, S2_OWNER_NONE, S2_FREE), FRAME_BYTES / PAGE);
    assert_true(model_ok(w->port));
    world_free(w);
    free(x);
    return 0;
}

/* What a VM should hold, frame by frame, counted and not computed. */
struct expected {
    uint16_t vm;
    uint64_t mask, ipa, stripe, stripes;
};

static inline uint64_t count_frames(const struct expected *e, uint64_t *pa, uint64_t *ipa)
{
    uint64_t n = 0;

    for (uint64_t i = e->stripe * COLOURS; i < (e->stripe + e->stripes) * COLOURS; i++) {
        if (!(e->mask >> i % COLOURS & 1))
            continue;
        pa[n] = REGION + i * PAGE;
        ipa[n] = e->ipa + n * PAGE;
        n++;
    }
    return n;
}

#endif
