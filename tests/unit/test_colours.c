/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Cache colours: whose each frame of a region is, against one count over all frames; areas of kind "coloured" through their whole
 * life; what is handed over is zero. */
#include "space_world.h"

#include <stage2/audit.h>
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

static void scrub_all(struct coloured *x)
{
    while (s2_colours_scrub_step(&x->w->ledger, &x->c, 128))
        ;
}

static enum s2_err give_to(struct coloured *x, uint16_t vm, uint64_t mask, uint64_t bytes, uint64_t ipa)
{
    return s2_colours_give(&x->w->ledger, &x->c, vm, mask, bytes, S2_IPA(ipa), &x->w->d);
}

static struct s2_area area_coloured(uint64_t ipa, uint64_t bytes, uint32_t attr)
{
    return (struct s2_area){.range = ipa_range(ipa, bytes), .backend = &s2_backend_coloured, .attr = S2_ATTR(attr)};
}

static void take_region(struct world *w)
{
    bool clean;

    assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(REGION, REGION_BYTES), &clean, NULL), S2_OK);
}

static int make(void **state, enum s2_granule granule, unsigned unit_log2)
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

static int setup_dirty(void **state)
{
    return make(state, S2_4K, 12);
}

static int setup(void **state)
{
    int r = make(state, S2_4K, 12);

    scrub_all(*state);
    return r;
}

static int setup_16k(void **state)
{
    int r = make(state, S2_16K, 12);

    scrub_all(*state);
    return r;
}

static int setup_16k_wide(void **state)
{
    int r = make(state, S2_16K, 14);

    scrub_all(*state);
    return r;
}

static bool is_zero(struct world *w, uint64_t pa)
{
    const unsigned char *p = model_ram(w->port, pa);

    for (unsigned i = 0; i < PAGE; i++)
        if (p[i])
            return false;
    return true;
}

static int teardown(void **state)
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

/* --- whose is which ---------------------------------------------------------------------------------------------------- */

/* What a VM should hold, frame by frame, counted and not computed. */
struct expected {
    uint16_t vm;
    uint64_t mask, ipa, stripe, stripes;
};

static uint64_t count_frames(const struct expected *e, uint64_t *pa, uint64_t *ipa)
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

static void assert_holds(struct coloured *x, const struct expected *all, unsigned n)
{
    static uint64_t pa[FRAMES], ipa[FRAMES];
    static bool seen[FRAMES];
    struct s2_ledger_entry e;
    s2_ipa at;
    s2_pa end;

    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < n; i++) {
        for (uint64_t k = 0, frames = count_frames(&all[i], pa, ipa); k < frames; k++) {
            assert_true(s2_ledger_find(&x->w->ledger, S2_PA(pa[k] + 8), &e));
            assert_int_equal(e.owner, all[i].vm);
            assert_int_equal(e.state, S2_OWNED);
            assert_int_equal(e.rights, S2_RWX);
            assert_true(e.range.start.v <= pa[k] && pa[k] + PAGE <= e.range.end.v);
            assert_int_equal(e.ipa.v + (pa[k] - e.range.start.v), ipa[k]);
            assert_int_equal(s2_ledger_right(&x->w->ledger, all[i].vm, S2_PA(pa[k] + 8), &at, &end), S2_RWX);
            assert_int_equal(at.v, ipa[k] + 8);
            assert_int_equal(end.v, e.range.end.v);
            assert_int_equal(s2_ledger_right(&x->w->ledger, all[i].vm + 7, S2_PA(pa[k]), &at, &end), 0);
            /* All of the answer is so: the frame above the run is another's, or seen elsewhere. */
            for (uint64_t j = e.range.start.v; j < e.range.end.v; j += PAGE)
                assert_true(all[i].mask >> ((j - REGION) / PAGE % COLOURS) & 1);
            assert_false(seen[(pa[k] - REGION) / PAGE]);
            seen[(pa[k] - REGION) / PAGE] = true;
        }
    }
    for (uint64_t i = 0; i < FRAMES; i++) {
        if (seen[i])
            continue;
        assert_true(s2_ledger_find(&x->w->ledger, S2_PA(REGION + i * PAGE), &e));
        assert_int_equal(e.state, S2_COLOURED);
        assert_int_equal(e.owner, S2_OWNER_NONE);
        assert_int_equal(e.range.start.v, REGION + i * PAGE);
        assert_int_equal(e.range.end.v, REGION + i * PAGE + PAGE);
    }
}

static void each_frame_has_one_holder(void **state)
{
    struct coloured *x = *state;
    struct expected all[4] = {
        {VM, 0x05, IPA, 0, STRIPES}, {OTHER, 0xc8, 0, 0, 32}, {OTHER + 1, 0xc2, MIB(1), 32, 8}, {VM, 0x30, 0, 0, 1}};
    uint32_t nodes = x->w->ledger_nodes.free;

    assert_int_equal(give_to(x, VM, 0x05, 2 * STRIPES * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0xc8, 3 * 32 * PAGE, 0), S2_OK);
    assert_int_equal(x->w->d.found_start, REGION);
    assert_int_equal(x->w->d.found_end, REGION + 32 * STRIPE);
    /* Some of the same colours: only where the other one has nothing. Less than whole stripes: rounded up. */
    assert_int_equal(give_to(x, OTHER + 1, 0xc2, 3 * 8 * PAGE - 2 * PAGE, MIB(1)), S2_OK);
    assert_int_equal(x->w->d.found_start, REGION + 32 * STRIPE);
    assert_int_equal(x->w->d.found_end, REGION + 40 * STRIPE);
    assert_int_equal(give_to(x, VM, 0x30, PAGE, 0), S2_OK);
    assert_holds(x, all, 4);
    assert_int_equal(x->w->ledger_nodes.free, nodes);
    assert_true(s2_colours_take_back(&x->w->ledger, OTHER + 1));
    assert_false(s2_colours_take_back(&x->w->ledger, OTHER + 1));
    all[2] = all[3];
    assert_holds(x, all, 3);
}

static void all_colours_are_one_run(void **state)
{
    struct coloured *x = *state;
    struct expected all = {VM, 0xff, IPA, 0, STRIPES};
    struct s2_ledger_entry e;

    assert_int_equal(give_to(x, VM, 0xff, REGION_BYTES, IPA), S2_OK);
    assert_holds(x, &all, 1);
    assert_true(s2_ledger_find(&x->w->ledger, S2_PA(REGION + MIB(1)), &e));
    assert_int_equal(e.range.start.v, REGION);
    assert_int_equal(e.range.end.v, REGION + REGION_BYTES);
    assert_int_equal(map_new(x->w, area_coloured(IPA, REGION_BYTES, S2_RW)), S2_OK);
    world_check(x->w);
}

/* --- refusals ------------------------------------------------------------------------------------------------------------ */

static void bad_regions(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_colour_piece piece[1];
    struct s2_colours c;
    struct s2_pa_range free = pa_range(FRAME_BASE + MIB(16), MIB(1));
    static const struct {
        unsigned colours, unit, pieces;
    } bad[] = {{0, 12, 1}, {1, 12, 1}, {3, 12, 1}, {128, 12, 1}, {4, 11, 1}, {4, 17, 1}, {4, 12, 0}};

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(s2_colours_add(&w->ledger, &c, free, bad[i].colours, bad[i].unit, piece, bad[i].pieces, &w->d),
                         S2_EINVAL);
    free.end.v -= PAGE;
    assert_int_equal(s2_colours_add(&w->ledger, &c, free, 64, 12, piece, 1, &w->d), S2_EALIGN);
    free = pa_range(FRAME_BASE + MIB(16), 0);
    assert_int_equal(s2_colours_add(&w->ledger, &c, free, 4, 12, piece, 1, &w->d), S2_EINVAL);
    /* Not free: this region itself, the hypervisor's, none at all. */
    assert_int_equal(s2_colours_add(&w->ledger, &c, pa_range(REGION + MIB(3), MIB(2)), 4, 12, piece, 1, &w->d),
                     S2_EPERM);
    assert_int_equal(s2_colours_add(&w->ledger, &c, pa_range(RAM_BASE, MIB(1)), 4, 12, piece, 1, &w->d), S2_EPERM);
    assert_int_equal(s2_colours_add(&w->ledger, &c, pa_range(0, MIB(1)), 4, 12, piece, 1, &w->d), S2_ENOENT);
    assert_ptr_equal(w->ledger.colours, &x->c);
}

static void bad_wishes(void **state)
{
    struct coloured *x = *state;
    struct s2_colour_piece p;

    assert_int_equal(give_to(x, S2_OWNER_HYP, 1, PAGE, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 0, PAGE, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 0x101, PAGE, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 1, 0, IPA), S2_EINVAL);
    assert_int_equal(give_to(x, VM, 1, PAGE / 2, IPA), S2_EALIGN);
    assert_int_equal(give_to(x, VM, 1, PAGE, IPA + 1), S2_EALIGN);
    assert_int_equal(give_to(x, VM, 1, PAGE, 0 - 2 * PAGE), S2_ERANGE);
    assert_int_equal(give_to(x, VM, 1, (STRIPES + 1) * PAGE, IPA), S2_EFRAMES);
    assert_int_equal(give_to(x, VM, 1, 1ull << 63, 0), S2_EFRAMES);
    assert_false(s2_colours_list(&x->w->ledger, 0, &p));
    assert_int_equal(give_to(x, VM, 1, 2 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, VM, 2, 2 * PAGE, IPA + PAGE), S2_EEXIST);
    assert_int_equal(x->w->d.found_start, IPA);
    assert_int_equal(x->w->d.found_end, IPA + 2 * PAGE);
    assert_int_equal(give_to(x, OTHER, 3, 2 * STRIPES * PAGE, IPA), S2_EFRAMES);
    for (unsigned i = 1; i < PIECES; i++)
        assert_int_equal(give_to(x, VM, 1, PAGE, IPA + MIB(i)), S2_OK);
    assert_int_equal(give_to(x, VM, 1, PAGE, 0), S2_ENODES);
    assert_true(s2_colours_list(&x->w->ledger, PIECES - 1, &p));
    assert_int_equal(p.is.ipa.v, IPA + MIB(PIECES - 1));
    assert_false(s2_colours_list(&x->w->ledger, PIECES, &p));
}

/* Only there, only as memory, only what is its own. */
static void bad_maps(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_area area = area_coloured(IPA, 4 * PAGE, S2_RW);

    assert_int_equal(give_to(x, VM, 1, 4 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 2, 4 * PAGE, MIB(32)), S2_OK);
    assert_int_equal(map_new(w, area_coloured(MIB(32), 4 * PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_coloured(IPA - PAGE, 4 * PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_coloured(IPA + PAGE, 4 * PAGE, S2_RW)), S2_EPERM);
    area.backing = REGION;
    assert_int_equal(map_new(w, area), S2_EINVAL);
    assert_int_equal(map_new(w, area_coloured(IPA, 4 * PAGE, S2_RW | S2_MT_DEV_nGnRE)), S2_EATTR);
    /* As linear memory nobody has it, not even who holds it. */
    assert_int_equal(map_new(w, area_linear(0, PAGE, REGION, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(0, MIB(1), REGION, S2_RW)), S2_EPERM);
    assert_int_equal(s2_area_set_count(&w->space.areas), 0);
    assert_int_equal(x->piece[0].mapped, 0);
    assert_int_equal(map_new(w, area_coloured(IPA, 4 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(protect(w, IPA, PAGE, S2_RW | S2_MT_DEV_nGnRE), S2_EATTR);
}

/* --- areas --------------------------------------------------------------------------------------------------------------- */

static void assert_reaches(struct coloured *x, const struct expected *e, uint64_t ipa)
{
    static uint64_t pa[FRAMES], at[FRAMES];
    struct attempt a = guest(x->w, ipa, MODEL_READ);

    (void)count_frames(e, pa, at);
    assert_true(a.done);
    assert_int_equal(a.pa, pa[(ipa - e->ipa) / PAGE] + ipa % PAGE);
}

static void an_area_lives(void **state)
{
    struct coloured *x = *state;
    struct expected e = {VM, 0xb4, IPA, 0, 16};
    struct world *w = x->w;
    struct s2_area_stats s;
    struct attempt a;

    assert_int_equal(give_to(x, VM, 0xb4, 64 * PAGE, IPA), S2_OK);
    /* Bit by bit, and it is one. */
    assert_int_equal(map_new(w, area_coloured(IPA, 7 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA + 7 * PAGE, 30 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(IPA), ipa_range(IPA, 64 * PAGE), &w->d), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(x->piece[0].mapped, 64 * PAGE);
    assert_int_equal(leaves_at(w, 3), 64);
    world_check(w);
    for (unsigned i = 0; i < 64; i++)
        assert_reaches(x, &e, IPA + i * PAGE + 16);
    assert_true(s2_area_set_area_stats(&w->space.areas, S2_IPA(IPA), &s));
    assert_int_equal(s.resident, 64 * PAGE);
    /* A hole, another attribute, and back again. */
    assert_int_equal(unmap(w, IPA + 5 * PAGE, 6 * PAGE), S2_OK);
    assert_int_equal(x->piece[0].mapped, 58 * PAGE);
    assert_false(guest(w, IPA + 5 * PAGE, MODEL_READ).done);
    assert_int_equal(protect(w, IPA + 20 * PAGE, 3 * PAGE, S2_R), S2_OK);
    world_check(w);
    a = guest(w, IPA + 21 * PAGE, MODEL_WRITE);
    assert_false(a.done);
    assert_int_equal(a.result.why, S2_NO_PERMISSION);
    assert_int_equal(protect(w, IPA + 20 * PAGE, 3 * PAGE, S2_RW), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA + 4 * PAGE, 4 * PAGE, S2_RW)), S2_EEXIST);
    assert_int_equal(map_over(w, area_coloured(IPA + 4 * PAGE, 10 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(x->piece[0].mapped, 64 * PAGE);
    world_check(w);
    assert_reaches(x, &e, IPA + 10 * PAGE);
    /* What is mapped cannot be taken back. */
    assert_false(s2_colours_take_back(&w->ledger, VM));
    assert_int_equal(unmap(w, IPA, 64 * PAGE), S2_OK);
    assert_int_equal(x->piece[0].mapped, 0);
    assert_true(s2_colours_take_back(&w->ledger, VM));
    assert_int_equal(map_new(w, area_coloured(IPA, PAGE, S2_RW)), S2_EPERM);
}

/* Neighbours in the VM's view, from two records: one area, one operation. */
static void an_area_over_two_pieces(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct expected low = {VM, 0x01, IPA, 0, 8}, high = {VM, 0x06, IPA + 8 * PAGE, 0, 4};

    assert_int_equal(give_to(x, VM, 0x01, 8 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, VM, 0x06, 8 * PAGE, IPA + 8 * PAGE), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, 17 * PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(x->piece[0].mapped, 0);
    assert_int_equal(map_new(w, area_coloured(IPA + 4 * PAGE, 12 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(x->piece[0].mapped, 4 * PAGE);
    assert_int_equal(x->piece[1].mapped, 8 * PAGE);
    world_check(w);
    assert_reaches(x, &low, IPA + 7 * PAGE);
    assert_reaches(x, &high, IPA + 8 * PAGE);
    assert_reaches(x, &high, IPA + 15 * PAGE);
    assert_int_equal(unmap(w, IPA + 6 * PAGE, 4 * PAGE), S2_OK);
    assert_int_equal(x->piece[0].mapped, 2 * PAGE);
    assert_int_equal(x->piece[1].mapped, 6 * PAGE);
}

static void copies_find_its_frames(void **state)
{
    static unsigned char in[5 * PAGE], out[5 * PAGE];
    struct coloured *x = *state;
    struct world *w = x->w;

    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 7 + (i >> 12) + 3);
    assert_int_equal(give_to(x, VM, 0x42, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, 16 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(IPA + 24), in, sizeof in, 0, false, &w->d), S2_OK);
    assert_memory_equal((char *)model_ram(w->port, REGION + PAGE) + 24, in, PAGE - 24);
    assert_memory_equal(model_ram(w->port, REGION + 6 * PAGE), in + PAGE - 24, PAGE);
    assert_memory_equal(model_ram(w->port, REGION + STRIPE + PAGE), in + 2 * PAGE - 24, PAGE);
    assert_int_equal(s2_space_copy_out(&w->space, out, S2_IPA(IPA + 24), sizeof out, 0, &w->d), S2_OK);
    assert_memory_equal(in, out, sizeof in);
}

/* --- at random, beside an array ------------------------------------------------------------------------------------------ */

enum { VIEW = 96 }; /* pages: two pieces side by side, and nothing behind them */

struct shadow {
    struct expected piece[2];
    uint32_t seed, attr[VIEW]; /* 0: nothing there */
};

static uint64_t below(struct shadow *s, uint64_t n)
{
    s->seed = s->seed * 1664525u + 1013904223u;
    return (uint64_t)s->seed * n >> 32;
}

static void note(struct shadow *s, uint64_t from, uint64_t pages, uint32_t attr, bool there_only)
{
    for (uint64_t i = from; i < from + pages; i++)
        if (!there_only || s->attr[i])
            s->attr[i] = attr;
}

static void random_step(struct coloured *x, struct shadow *s)
{
    uint64_t from = below(s, VIEW), pages = 1 + below(s, VIEW - from), ipa = IPA + from * PAGE;
    uint32_t attr = below(s, 2) ? S2_RW : S2_R;
    bool outside = from + pages > 80, free = true;
    enum s2_err err;

    for (uint64_t i = from; i < from + pages; i++)
        free &= s->attr[i] == 0;
    switch (below(s, 4)) {
    case 0:
        err = map_new(x->w, area_coloured(ipa, pages * PAGE, attr));
        assert_int_equal(err, !free ? S2_EEXIST : outside ? S2_EPERM : S2_OK);
        break;
    case 1:
        err = map_over(x->w, area_coloured(ipa, pages * PAGE, attr));
        assert_int_equal(err, outside ? S2_EPERM : S2_OK);
        break;
    case 2:
        assert_int_equal(unmap(x->w, ipa, pages * PAGE), S2_OK);
        note(s, from, pages, 0, false);
        return;
    default:
        assert_int_equal(protect(x->w, ipa, pages * PAGE, attr), S2_OK);
        note(s, from, pages, attr, true);
        return;
    }
    if (!err)
        note(s, from, pages, attr, false);
}

static void assert_like_shadow(struct coloured *x, const struct shadow *s)
{
    static uint64_t pa[2][FRAMES], ipa[2][FRAMES];
    uint64_t mapped = 0;

    (void)count_frames(&s->piece[0], pa[0], ipa[0]);
    (void)count_frames(&s->piece[1], pa[1], ipa[1]);
    for (uint64_t i = 0; i < VIEW; i++) {
        struct s2_leaf leaf;
        bool there = s2_space_translate(&x->w->space, S2_IPA(IPA + i * PAGE), &leaf);

        assert_int_equal(there, s->attr[i] != 0);
        if (!there)
            continue;
        mapped += PAGE;
        assert_int_equal(leaf.attr.bits & S2_PERM_MASK, s->attr[i]);
        assert_int_equal(leaf.pa.v + (IPA + i * PAGE - leaf.range.start.v), i < 32 ? pa[0][i] : pa[1][i - 32]);
    }
    assert_int_equal(x->piece[0].mapped + x->piece[1].mapped, mapped);
}

static void random_operations(void **state)
{
    struct coloured *x = *state;
    struct shadow s = {.piece = {{VM, 0x21, IPA, 0, 16}, {VM, 0x0e, IPA + 32 * PAGE, 0, 16}}, .seed = 5};

    assert_int_equal(give_to(x, VM, 0x21, 32 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, VM, 0x0e, 48 * PAGE, IPA + 32 * PAGE), S2_OK);
    for (unsigned i = 0; i < 2000; i++) {
        random_step(x, &s);
        assert_like_shadow(x, &s);
        if (i % 50 == 0)
            world_check(x->w);
    }
}

/* A resource that lacks: nothing has changed, and the memory can be taken back. */
static void all_or_nothing(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota q = {.limit = UINT32_MAX};

    assert_int_equal(give_to(x, VM, 0x0f, MIB(1), IPA), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &q, w->tables.free, &all), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, MIB(1), S2_RW)), S2_ETABLES);
    assert_int_equal(x->piece[0].mapped, 0);
    world_check(w);
    s2_tpool_give(&w->tables, &q, &all);
    /* Refused when the memory was taken already. */
    struct s2_area area = area_coloured(IPA, MIB(1), S2_RW);
    struct s2_change c = {.step = S2_STEP_MAP, .area = area, .part = area.range};
    struct s2_op op;

    s2_op_begin(&op, &w->space, &w->d);
    assert_int_equal(s2_backend_coloured.take(&w->space, &op, &c), S2_OK);
    assert_int_equal(x->piece[0].mapped, MIB(1));
    s2_backend_coloured.undo(&w->space, &op, &c);
    assert_int_equal(x->piece[0].mapped, 0);
    /* Taken back by another CPU between plan and take. */
    assert_int_equal(s2_colours_use(&w->ledger, VM, ipa_range(IPA + PAGE, MIB(1)), &w->d), S2_EPERM);
    assert_int_equal(s2_colours_use(&w->ledger, VM, ipa_range(IPA - PAGE, 2 * PAGE), &w->d), S2_EPERM);
    assert_int_equal(x->piece[0].mapped, 0);
    s2_op_end(&op);
    uint32_t nodes = w->nodes.free - w->nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, nodes), S2_OK);
    (void)map_new(w, area_coloured(IPA, PAGE, S2_RW));
    enum s2_err err = map_new(w, area_coloured(IPA + 2 * PAGE, PAGE, S2_R));
    for (unsigned i = 2; !err; i++)
        err = map_new(w, area_coloured(IPA + 2 * i * PAGE, PAGE, S2_R));
    assert_int_equal(err, S2_ENODES);
    s2_pool_unreserve(&w->nodes, nodes);
    uint64_t mapped = x->piece[0].mapped;
    assert_int_equal(mapped, s2_area_set_count(&w->space.areas) * PAGE);
    world_check(w);
}

/* --- hand over ------------------------------------------------------------------------------------------------------------- */

static uint64_t zeroes(struct world *w)
{
    uint64_t n = 0;

    for (uint64_t pa = REGION; pa < REGION + REGION_BYTES; pa += PAGE)
        n += is_zero(w, pa);
    return n;
}

static void dirty_memory_is_not_given(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    unsigned steps = 1;

    assert_int_equal(give_to(x, VM, 1, PAGE, IPA), S2_EBUSY);
    assert_true(s2_colours_scrub_step(&w->ledger, &x->c, 0));
    assert_int_equal(zeroes(w), 0);
    while (s2_colours_scrub_step(&w->ledger, &x->c, 100)) {
        assert_int_equal(zeroes(w), 100 * steps++);
        assert_int_equal(give_to(x, VM, 1, PAGE, IPA), S2_EBUSY);
    }
    assert_int_equal(steps, (FRAMES + 99) / 100);
    assert_int_equal(zeroes(w), FRAMES);
    assert_false(s2_colours_scrub_step(&w->ledger, &x->c, 100));
    assert_int_equal(give_to(x, VM, 1, PAGE, IPA), S2_OK);
}

/* What comes back is dirty, and only that: others hold theirs meanwhile, and what they wrote stays. */
static void what_comes_back_is_scrubbed(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    uint64_t n = 0;

    assert_int_equal(give_to(x, VM, 0x0c, 32 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0x53, 4 * PAGE, IPA), S2_OK);
    for (uint64_t pa = REGION; pa < REGION + REGION_BYTES; pa += PAGE)
        memset(model_ram(w->port, pa), 0x11, PAGE);
    assert_true(s2_colours_take_back(&w->ledger, VM));
    assert_int_equal(give_to(x, OTHER + 1, 0x04, 16 * PAGE, 0), S2_OK); /* not where the dirty ones are */
    assert_int_equal(w->d.found_start, REGION + 16 * STRIPE);
    assert_int_equal(give_to(x, OTHER + 1, 0x08, STRIPES * PAGE, MIB(8)), S2_EBUSY);
    while (s2_colours_scrub_step(&w->ledger, &x->c, 5)) {
        n += 5;
        assert_int_equal(zeroes(w), n);
        assert_null(s2_colours_check(&w->ledger, NULL));
    }
    assert_int_equal(zeroes(w), 32);
    for (uint64_t i = 0; i < FRAMES; i++)
        assert_int_equal(is_zero(w, REGION + i * PAGE), i < 16 * COLOURS && (0x0c >> i % COLOURS & 1));
    /* For the end of the test: all of it is somebody's, and comes back. */
    assert_true(s2_colours_take_back(&w->ledger, OTHER + 1));
    assert_true(s2_colours_take_back(&w->ledger, OTHER));
    scrub_all(x);
    assert_int_equal(give_to(x, VM, 0xff, REGION_BYTES, IPA), S2_OK);
}

/* The life of a VM: what it has stays its own until it is taken back after the end of the space. */
static void a_space_is_destroyed(void **state)
{
    struct coloured *x = *state;
    struct s2_space_config cfg = x->w->cfg;
    struct s2_area area = area_coloured(MIB(1), MIB(1), S2_RWX);
    struct s2_colour_piece p;

    cfg.id = OTHER;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(give_to(x, OTHER, 0xf0, MIB(1), MIB(1)), S2_OK);
        assert_int_equal(s2_space_init(&x->other, &cfg, NULL), S2_OK);
        assert_int_equal(s2_space_map(&x->other, &area, S2_MAP_NEW, NULL), S2_OK);
        assert_null(s2_space_check(&x->other, NULL));
        s2_space_destroy_begin(&x->other);
        assert_false(s2_colours_take_back(&x->w->ledger, OTHER));
        while (s2_space_destroy_step(&x->other, 16))
            ;
        s2_space_destroy_end(&x->other);
        assert_true(s2_colours_list(&x->w->ledger, 0, &p));
        assert_int_equal(p.vm, OTHER);
        assert_int_equal(p.mapped, 0);
        assert_true(s2_space_disown_step(&x->other));
        assert_false(s2_space_disown_step(&x->other));
        assert_true(s2_colours_list(&x->w->ledger, 0, &p));
        assert_int_equal(p.state, S2_COLOUR_DIRTY);
        scrub_all(x);
    }
}

/* --- granules -------------------------------------------------------------------------------------------------------------- */

static void colours_narrower_than_the_granule(void **state)
{
    struct coloured *x = *state;

    assert_int_equal(give_to(x, VM, 0x0f, MIB(1), IPA), S2_OK);
    assert_int_equal(map_new(x->w, area_coloured(IPA, MIB(1), S2_RW)), S2_EUNSUP);
    assert_int_equal(x->piece[0].mapped, 0);
}

static void colours_as_wide_as_the_granule(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;

    assert_int_equal(give_to(x, VM, 0x02, MIB(1), IPA), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, MIB(1), S2_RW)), S2_OK);
    world_check(w);
    for (uint64_t i = 0; i < 64; i++)
        assert_int_equal(guest(w, IPA + i * KIB(16) + PAGE, MODEL_WRITE).pa, REGION + (2 * i + 1) * KIB(16) + PAGE);
}

/* --- the checker ------------------------------------------------------------------------------------------------------------ */

static void the_checker_sees_damage(void **state)
{
    struct coloured *x = *state;
    struct s2_ledger *l = &x->w->ledger;
    struct s2_ledger_entry hyp = ledger_entry(REGION + STRIPE, PAGE, S2_OWNER_HYP, S2_HYP);
    struct s2_ledger_entry was = ledger_entry(REGION + STRIPE, PAGE, S2_OWNER_NONE, S2_COLOURED);

    assert_int_equal(give_to(x, VM, 0x0f, 4 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0x30, 4 * PAGE, IPA), S2_OK);
    assert_null(s2_colours_check(l, &x->w->d));
    x->piece[1].is.mask = 0x18;
    assert_string_equal(s2_colours_check(l, &x->w->d), "is coloured memory that two have");
    assert_int_equal(x->w->d.asked_start, REGION);
    x->piece[1].is.mask = 0x30;
    x->piece[1].vm = VM;
    assert_string_equal(s2_colours_check(l, NULL), "is coloured memory that is seen where other is");
    x->piece[1].vm = OTHER;
    x->piece[1].is.bytes = 2 * (STRIPES + 1) * PAGE;
    assert_string_equal(s2_colours_check(l, NULL), "is a coloured piece outside of its region");
    x->piece[1].is.bytes = 4 * PAGE;
    x->piece[1].mapped = 5 * PAGE;
    assert_string_equal(s2_colours_check(l, NULL), "is a coloured piece of which more is mapped than there is");
    x->piece[1].mapped = 0;
    s2_ledger_set(l, &hyp);
    assert_string_equal(s2_colours_check(l, NULL), "is a coloured region that the ledger does not have");
    s2_ledger_set(l, &was);
    assert_null(s2_colours_check(l, NULL));
}

static struct s2_space *only_space(void *arg, unsigned i)
{
    struct coloured *x = arg;

    (void)i;
    return &x->w->space;
}

static bool its_cache(void *arg, unsigned i, uint32_t *pages)
{
    struct coloured *x = arg;

    (void)i;
    *pages = x->w->cache.tables.count;
    return true;
}

static void count_finding(void *arg, const struct s2_finding *f)
{
    struct coloured *x = arg;

    x->w->d = f->detail;
}

static void the_audit_knows_colours(void **state)
{
    struct coloured *x = *state;
    struct s2_audit_config cfg = {.ledger = &x->w->ledger,
                                  .frames = &x->w->frames,
                                  .tables = &x->w->tables,
                                  .pools = 1,
                                  .vmids = &x->w->vmids,
                                  .spaces = 1,
                                  .space = only_space,
                                  .cached = its_cache,
                                  .found = count_finding,
                                  .arg = x};
    struct s2_audit a;

    assert_int_equal(give_to(x, VM, 0x0f, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0x30, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(map_new(x->w, area_coloured(IPA, 16 * PAGE, S2_RW)), S2_OK);
    s2_audit_begin(&a, &cfg);
    while (s2_audit_step(&a, 100))
        ;
    assert_int_equal(s2_audit_end(&a), 0);
    /* The same frames are another's: the table, the area and the records are at odds. */
    x->piece[0].is.mask = 0x3c;
    s2_audit_begin(&a, &cfg);
    while (s2_audit_step(&a, 100))
        ;
    assert_true(s2_audit_end(&a) > 0);
    x->piece[0].is.mask = 0x0f;
    /* Or they are seen at another place. */
    x->piece[0].is.ipa.v += MIB(64);
    assert_string_equal(s2_space_check(&x->w->space, &x->w->d), "is mapped, and its area has no memory there");
    x->piece[0].is.ipa.v -= MIB(64);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_frame_has_one_holder),
        T(all_colours_are_one_run),
        T(bad_regions),
        T(bad_wishes),
        T(bad_maps),
        T(an_area_lives),
        T(an_area_over_two_pieces),
        T(copies_find_its_frames),
        T(random_operations),
        T(all_or_nothing),
        cmocka_unit_test_setup_teardown(dirty_memory_is_not_given, setup_dirty, teardown),
        T(what_comes_back_is_scrubbed),
        T(a_space_is_destroyed),
        cmocka_unit_test_setup_teardown(colours_narrower_than_the_granule, setup_16k, teardown),
        cmocka_unit_test_setup_teardown(colours_as_wide_as_the_granule, setup_16k_wide, teardown),
        T(the_checker_sees_damage),
        T(the_audit_knows_colours),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("colours", tests, NULL, NULL);
}
