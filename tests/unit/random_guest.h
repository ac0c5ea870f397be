/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random steps of a guest, and of who looks at what it did. */
#ifndef RANDOM_GUEST_H
#define RANDOM_GUEST_H

#include "random_space.h"

static unsigned char *content(struct run *r, struct page *p)
{
    return is_own(p) ? &r->own[own_index(p->backing)] : &p->byte;
}

static bool nodes_are_scarce(const struct run *r)
{
    return r->w->nodes.free - r->w->nodes.reserved < S2_AREA_CUT_NODES;
}

static void access_page(struct run *r, uint64_t i, enum model_kind kind)
{
    struct page *p = &r->page[i];
    static const uint32_t right[] = {S2_R, S2_W, S2_X};
    bool allowed = p->kind != NONE && p->kind != TRAP && (p->attr & right[kind]);
    struct attempt a;

    if (is_busy(r, i, i + 1))
        return;
    model_set_cpu(r->w->port, (unsigned)below(r, 2));
    world_run(r->w);
    a = guest(r->w, i * page_bytes, kind);
    if (allowed && !a.done) {
        /* Only what nobody promised may run out: memory that was not, and nodes. */
        assert_true(p->kind == OVERCOMMIT || (p->kind == LAZY && nodes_are_scarce(r)));
        assert_true(a.answer == S2_NEED_REFILL || a.result.why == S2_NO_MEMORY);
        r->refused++;
        return;
    }
    assert_int_equal(a.done, allowed);
    if (!allowed) {
        assert_int_equal(a.result.why, p->kind == NONE   ? S2_NO_AREA
                                       : p->kind == TRAP ? S2_NO_SYNDROME
                                                         : S2_NO_PERMISSION);
        return;
    }
    if (p->kind == LINEAR)
        assert_int_equal(a.pa, p->backing);
    unsigned char *byte = model_ram(r->w->port, a.pa);
    assert_int_equal(*byte, *content(r, p));
    if (kind != MODEL_WRITE)
        return;
    *byte = *content(r, p) = (unsigned char)below(r, 256);
    p->written = r->w->cfg.geometry.track_dirty;
}

static void step_access(struct run *r)
{
    uint64_t i = below(r, all_pages);

    access_page(r, i, (enum model_kind)below(r, 3));
}

/* Somewhere all of a run is lazy and may be read, perhaps. */
static uint64_t random_run(struct run *r, uint64_t pages)
{
    uint64_t first = 0, i = 0;

    for (unsigned tries = 0; tries < 100 && i < first + pages; tries++) {
        first = below(r, all_pages / pages) * pages;
        for (i = first; i < first + pages && r->page[i].kind == LAZY && r->page[i].attr & S2_R;)
            i++;
    }
    return first;
}

/* All pages of a run, until it is one: where faults bring them one by one, it is promoted. */
static void step_sweep(struct run *r)
{
    uint64_t pages = 1ull << r->w->cfg.geometry.run_log2[4], first = random_run(r, pages);
    struct s2_leaf leaf;

    for (uint64_t i = first; i < first + pages; i++)
        access_page(r, i, MODEL_READ);
    (void)s2_space_promote_step(&r->w->space, 1 + (unsigned)below(r, 4));
    if (s2_space_translate(&r->w->space, S2_IPA(first * page_bytes), &leaf) && r->page[first].kind == LAZY)
        r->done[FOLDED] += leaf.contiguous;
}

static bool told(void *arg, const struct s2_leaf *leaf)
{
    struct run *r = arg;

    for (uint64_t i = leaf->range.start.v / page_bytes; i < leaf->range.end.v / page_bytes; i++) {
        assert_true(r->page[i].kind != NONE || is_busy(r, i, i + 1));
        assert_true(leaf->dirty || !r->page[i].written);
        r->page[i].written = false;
    }
    r->done[TOLD]++;
    return true;
}

/* Whatever was written is told of. */
static void step_harvest(struct run *r)
{
    struct s2_ipa_range range = below(r, 2) ? random_range(r) : ipa_range(0, SPACE_BYTES);
    enum s2_err err = s2_space_harvest(&r->w->space, range, S2_TOUCH_WRITE, told, r);

    assert_int_equal(err, r->w->cfg.geometry.track_dirty ? S2_OK : S2_EUNSUP);
    for (uint64_t i = range.start.v / page_bytes; i < range.end.v / page_bytes && !err; i++)
        assert_false(r->page[i].written);
}

static void step_copy(struct run *r)
{
    static unsigned char bytes[16ull << S2_64K];
    uint64_t first = below(r, all_pages - 16), n = 1 + below(r, 15);
    bool in = below(r, 2), there = true, promised = true;
    enum s2_err err;

    for (uint64_t i = first; i < first + n; i++) {
        there &= r->page[i].kind != NONE && r->page[i].kind != TRAP;
        promised &= r->page[i].kind != OVERCOMMIT;
    }
    if (is_busy(r, first, first + n))
        return;
    memset(bytes, (int)below(r, 256), n * page_bytes);
    err = in ? s2_space_copy_in(&r->w->space, S2_IPA(first * page_bytes), bytes, n * page_bytes, 0, true, &r->w->d)
             : s2_space_copy_out(&r->w->space, bytes, S2_IPA(first * page_bytes), n * page_bytes, 0, &r->w->d);
    assert_int_equal(err == S2_EPERM || err == S2_ENOENT, !there);
    if (!there)
        return;
    if (err) {
        assert_false(promised);
        assert_true(short_of_something(err));
        /* What was copied before memory ran out is there. */
        for (uint64_t i = first; in && i < first + n; i++) {
            unsigned char now;

            if (s2_space_copy_out(&r->w->space, &now, S2_IPA(i * page_bytes), 1, 0, NULL) == S2_OK)
                *content(r, &r->page[i]) = now;
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (in)
            *content(r, &r->page[first + i]) = bytes[0];
        else
            assert_int_equal(bytes[i * page_bytes], *content(r, &r->page[first + i]));
    }
}

#endif
