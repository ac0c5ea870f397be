/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A page table of one byte per address, as memory_set's own tests have, behind the backend interface: an area set with
 * no tables below it. It is stricter than the contract asks: a commit that maps what is mapped, or takes away what is
 * not, fails the test; so does a step out of order. It can be told to refuse the n-th prepare or take. */
#ifndef AREA_BYTES_H
#define AREA_BYTES_H

#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <stage2/area.h>
#include <stage2/backend.h>

#define BYTES       0x20000u
#define BYTES_NODES 512u
#define BYTES_TRACE 64u
#define BYTES_TAKES 1024u

struct bytes {
    struct s2_pool pool;
    struct s2_area_set set;
    unsigned char *mem;
    uint8_t pt[BYTES]; /* the attribute's low byte; 0: nothing mapped */
    /* calls so far; the call of this number (from 1) is refused */
    unsigned prepares, takes, refuse_prepare, refuse_take;
    enum s2_err refuse_with;
    bool refuse_told;                   /* with a detail of its own */
    struct s2_change held[BYTES_TAKES]; /* taken and not undone */
    unsigned holding;
    char trace[BYTES_TRACE]; /* what was called: phase and step, "pM" prepare MAP, "cU" commit UNMAP, ... */
    unsigned traced;
    struct s2_detail detail;
    bool (*callback)(struct bytes *b, struct s2_op *op); /* from within each call of the backend */
};

static inline void bytes_trace(struct bytes *b, char phase, enum s2_step step)
{
    if (b->traced + 2 < BYTES_TRACE) {
        b->trace[b->traced++] = phase;
        b->trace[b->traced++] = "MUPSJ"[step];
    }
}

static inline enum s2_err bytes_refuse(struct bytes *b, struct s2_op *op)
{
    if (b->refuse_told)
        return s2_refuse(op->detail, b->refuse_with, S2_AXIS_PA, 1, 2, "told to");
    return b->refuse_with;
}

static inline enum s2_err bytes_prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct bytes *b = ctx;

    bytes_trace(b, 'p', c->step);
    if (b->callback)
        assert_true(b->callback(b, op));
    return ++b->prepares == b->refuse_prepare ? bytes_refuse(b, op) : S2_OK;
}

static inline enum s2_err bytes_take(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct bytes *b = ctx;

    bytes_trace(b, 't', c->step);
    if (b->callback)
        assert_true(b->callback(b, op));
    if (++b->takes == b->refuse_take)
        return bytes_refuse(b, op);
    assert_true(b->holding < BYTES_TAKES);
    b->held[b->holding++] = *c;
    return S2_OK;
}

static inline bool bytes_same(const struct s2_change *a, const struct s2_change *b)
{
    return a->step == b->step && a->part.start.v == b->part.start.v && a->part.end.v == b->part.end.v &&
           a->area.range.start.v == b->area.range.start.v && a->area.range.end.v == b->area.range.end.v;
}

/* Last taken, first undone. */
static inline void bytes_undo(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct bytes *b = ctx;

    bytes_trace(b, 'u', c->step);
    if (b->callback)
        assert_true(b->callback(b, op));
    assert_true(b->holding > 0);
    assert_true(bytes_same(&b->held[--b->holding], c));
}

static inline void bytes_commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct bytes *b = ctx;
    const struct s2_ipa_range *whole = &c->area.range;

    bytes_trace(b, 'c', c->step);
    if (b->callback)
        assert_true(b->callback(b, op));
    assert_true(op->reserved);
    op->committed = false; /* a flush sets it again */
    if (c->step == S2_STEP_SPLIT) {
        assert_true(c->part.start.v == c->part.end.v);
        assert_true(whole->start.v < c->part.start.v && c->part.start.v < whole->end.v);
        return;
    }
    assert_true(c->part.start.v < c->part.end.v);
    if (c->step == S2_STEP_MERGE) {
        assert_true(whole->end.v == c->part.start.v);
        return;
    }
    assert_true(whole->start.v <= c->part.start.v && c->part.end.v <= whole->end.v);
    for (uint64_t a = c->part.start.v; a < c->part.end.v; a++) {
        assert_int_equal(b->pt[a], c->step == S2_STEP_MAP ? 0 : (uint8_t)c->area.attr.bits);
        b->pt[a] = c->step == S2_STEP_UNMAP ? 0 : (uint8_t)(c->step == S2_STEP_MAP ? c->area.attr : c->attr).bits;
    }
}

/* First taken, first released; afterwards nothing is held. */
static inline void bytes_release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct bytes *b = ctx;

    bytes_trace(b, 'r', c->step);
    if (b->callback)
        assert_true(b->callback(b, op));
    assert_true(op->committed);
    assert_true(b->holding > 0 && bytes_same(&b->held[0], c));
    memmove(&b->held[0], &b->held[1], --b->holding * sizeof(b->held[0]));
}

static inline uint64_t bytes_linear_at(const struct s2_area *area, s2_ipa start)
{
    return area->backing + (start.v - area->range.start.v);
}

static const struct s2_backend bytes_backend = {.kind = "bytes",
                                                .prepare = bytes_prepare,
                                                .take = bytes_take,
                                                .undo = bytes_undo,
                                                .commit = bytes_commit,
                                                .release = bytes_release};
/* The same with a backing that goes on from address to address. */
static const struct s2_backend bytes_linear __attribute__((unused)) = {.kind = "linear",
                                                                       .prepare = bytes_prepare,
                                                                       .take = bytes_take,
                                                                       .undo = bytes_undo,
                                                                       .commit = bytes_commit,
                                                                       .release = bytes_release,
                                                                       .backing_at = bytes_linear_at};

static inline struct bytes *bytes_new(uint64_t lo, uint64_t hi, uint64_t granule)
{
    struct bytes *b = calloc(1, sizeof(*b));

    b->mem = aligned_alloc(64, (size_t)BYTES_NODES * S2_NODE_BYTES);
    s2_pool_init(&b->pool, b->mem, (size_t)BYTES_NODES * S2_NODE_BYTES);
    assert_int_equal(s2_area_set_init(&b->set, &b->pool, S2_IPA(lo), S2_IPA(hi), granule, b), S2_OK);
    return b;
}

/* What must hold between any two operations. */
static inline void bytes_check(struct bytes *b)
{
    struct s2_area area, next;

    assert_null(s2_imap_check(&b->set.map));
    assert_null(b->set.busy);
    assert_int_equal(b->pool.reserved, b->set.cut);
    assert_int_equal(b->pool.free, b->pool.count - b->set.map.nodes);
    assert_int_equal(b->holding, 0);
    for (s2_ipa at = S2_IPA(0); s2_area_set_find_from(&b->set, at, &area); at = area.range.end)
        if (s2_area_set_find_from(&b->set, area.range.end, &next) && next.range.start.v == area.range.end.v &&
            next.backend == area.backend && next.name == area.name && next.flags == area.flags &&
            s2_attr_eq(next.attr, area.attr) && !area.backend->mergeable) {
            uint64_t goes_on =
                area.backend->backing_at ? area.backend->backing_at(&area, next.range.start) : area.backing;
            assert_int_not_equal(goes_on, next.backing); /* else they should have merged */
        }
}

/* The areas say what the page table says, byte by byte. */
static inline void bytes_check_table(struct bytes *b)
{
    struct s2_area area;
    uint64_t a = 0;

    for (; a < BYTES && s2_area_set_find_from(&b->set, S2_IPA(a), &area); a = area.range.end.v) {
        for (; a < area.range.start.v; a++)
            assert_int_equal(b->pt[a], 0);
        for (; a < area.range.end.v && a < BYTES; a++)
            assert_int_equal(b->pt[a], (uint8_t)area.attr.bits);
    }
    for (; a < BYTES; a++)
        assert_int_equal(b->pt[a], 0);
}

static inline void bytes_free(struct bytes *b)
{
    struct s2_op op;

    b->refuse_prepare = b->refuse_take = 0;
    b->callback = NULL;
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_clear(&b->set, &op), S2_OK);
    bytes_check(b);
    bytes_check_table(b);
    assert_int_equal(b->pool.free, b->pool.count);
    free(b->mem);
    free(b);
}

static inline int bytes_setup(void **state)
{
    *state = bytes_new(0, BYTES, 1);
    return 0;
}

static inline int bytes_teardown(void **state)
{
    bytes_free(*state);
    return 0;
}

/* --- one operation, with checks after it -------------------------------------------------------------------------- */

static inline struct s2_ipa_range span(uint64_t start, uint64_t end)
{
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)};
}

static inline void bytes_start(struct bytes *b, struct s2_op *op)
{
    b->prepares = b->takes = b->traced = 0;
    memset(b->trace, 0, sizeof(b->trace));
    s2_op_begin(op, NULL, &b->detail);
}

static inline enum s2_err bytes_map_area(struct bytes *b, const struct s2_area *area, enum s2_map_mode mode)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_map(&b->set, &op, area, mode);
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_map(struct bytes *b, uint64_t start, uint64_t size, uint32_t attr,
                                    enum s2_map_mode mode)
{
    struct s2_area area = {.range = span(start, start + size), .backend = &bytes_backend, .attr = S2_ATTR(attr)};

    return bytes_map_area(b, &area, mode);
}

static inline enum s2_err bytes_unmap(struct bytes *b, uint64_t start, uint64_t size)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_unmap(&b->set, &op, span(start, start + size));
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_protect(struct bytes *b, uint64_t start, uint64_t size, s2_update_fn *update, void *arg)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_protect(&b->set, &op, span(start, start + size), update, arg);
    if (b->traced > 0)
        assert_int_equal(op.committed, !err);
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_unmap_expected(struct bytes *b, const struct s2_area *expected)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_unmap_expected(&b->set, &op, expected);
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_swap(struct bytes *b, const struct s2_area *area, const struct s2_backend *expected)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_swap(&b->set, &op, area, expected);
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_extend(struct bytes *b, uint64_t at, uint64_t start, uint64_t end)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_extend(&b->set, &op, S2_IPA(at), span(start, end));
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_rename(struct bytes *b, uint64_t at, uint16_t name)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_rename(&b->set, &op, S2_IPA(at), name);
    bytes_check(b);
    return err;
}

static inline enum s2_err bytes_clear(struct bytes *b)
{
    struct s2_op op;
    enum s2_err err;

    bytes_start(b, &op);
    err = s2_area_set_clear(&b->set, &op);
    bytes_check(b);
    return err;
}

/* After an operation that ended with err, in suites that compare every byte. */
static inline enum s2_err bytes_checked(struct bytes *b, enum s2_err err)
{
    bytes_check_table(b);
    return err;
}

static inline struct s2_area bytes_area(uint64_t start, uint64_t end, uint32_t attr)
{
    return (struct s2_area){.range = span(start, end), .backend = &bytes_backend, .attr = S2_ATTR(attr)};
}

/* An area is exactly this. */
static inline void assert_area(const struct bytes *b, uint64_t at, uint64_t start, uint64_t end, uint32_t attr)
{
    struct s2_area area;

    assert_true(s2_area_set_find(&b->set, S2_IPA(at), &area));
    assert_int_equal(area.range.start.v, start);
    assert_int_equal(area.range.end.v, end);
    assert_int_equal(area.attr.bits, attr);
}

static inline void assert_hole(const struct bytes *b, uint64_t start, uint64_t end)
{
    assert_false(s2_area_set_overlaps(&b->set, span(start, end), NULL));
}

static inline void assert_detail(const struct bytes *b, enum s2_err err, uint64_t asked_start, uint64_t asked_end,
                                 uint64_t found_start, uint64_t found_end)
{
    assert_int_equal(b->detail.err, err);
    assert_int_equal(b->detail.axis, S2_AXIS_IPA);
    assert_int_equal(b->detail.asked_start, asked_start);
    assert_int_equal(b->detail.asked_end, asked_end);
    assert_int_equal(b->detail.found_start, found_start);
    assert_int_equal(b->detail.found_end, found_end);
    assert_non_null(b->detail.what);
}

/* Update functions. Plain: arg is the new attribute. */
static inline bool bytes_set_to(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)area;
    *attr = *(const s2_attr *)arg;
    return true;
}

#endif
