/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Backends that believe nothing: each change must fit what lies in the shade, come in the phase where it belongs, and be
 * the one that was prepared. */
#include "area_world.h"

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t hash_of(const struct s2_change *c)
{
    uint64_t h = mix((uint64_t)c->step, c->area.range.start.v);

    h = mix(mix(h, c->area.range.end.v), (uint64_t)kind_of(c->area.backend));
    h = mix(mix(h, c->area.backing), c->area.attr.bits | (uint64_t)c->area.name << 32 | (uint64_t)c->area.flags << 48);
    h = mix(mix(h, c->part.start.v), c->part.end.v);
    return c->step == S2_STEP_PROTECT ? mix(h, c->attr.bits) : h;
}

static void note(const struct world *w, struct changes *list, const struct s2_change *c)
{
    FUZZ_TRUE(list->count < 3 * w->cells + 3);
    list->hash[list->count++] = hash_of(c);
}

/* The next of `list`, which follows `other` change by change. */
static void note_same(const struct world *w, struct changes *list, const struct changes *other,
                      const struct s2_change *c)
{
    note(w, list, c);
    FUZZ_TRUE(list->count <= other->count);
    FUZZ_EQ(list->hash[list->count - 1], other->hash[list->count - 1]);
}

/* --- phases ------------------------------------------------------------------------------------------------------- */

static enum s2_err refuse(struct world *w, struct s2_op *op)
{
    w->refused = true;
    if (w->refuse_told)
        return s2_refuse(op->detail, w->refuse_with, S2_AXIS_PA, 1, 2, "told to");
    return w->refuse_with;
}

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct world *w = ctx;

    FUZZ_TRUE(!op->reserved && w->committed.count == 0 && !w->refused);
    note(w, &w->prepared, c);
    if (w->reenter)
        reenter(w, op);
    return w->prepared.count == w->refuse_prepare ? refuse(w, op) : S2_OK;
}

static enum s2_err take(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct world *w = ctx;

    FUZZ_TRUE(op->reserved && w->committed.count == 0 && !w->refused && w->undone == 0);
    if (w->taken.count + 1 == w->refuse_take)
        return refuse(w, op);
    note_same(w, &w->taken, &w->prepared, c);
    return S2_OK;
}

/* Last taken, first undone. */
static void undo(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct world *w = ctx;

    FUZZ_TRUE(op->reserved && w->refused && w->committed.count == 0);
    FUZZ_TRUE(w->undone < w->taken.count);
    w->undone++;
    FUZZ_EQ(hash_of(c), w->taken.hash[w->taken.count - w->undone]);
}

static void release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct world *w = ctx;

    FUZZ_TRUE(op->committed && !w->refused);
    note_same(w, &w->released, &w->taken, c);
    FUZZ_TRUE(w->released.count <= w->committed.count);
}

/* --- the shade ---------------------------------------------------------------------------------------------------- */

static uint64_t backing_at(const struct s2_area *area, s2_ipa start)
{
    return area->backing + (start.v - area->range.start.v);
}

static struct shade shade_of(const struct world *w, const struct s2_area *area, uint32_t cell)
{
    uint64_t into = address(w, cell) - area->range.start.v;
    enum kind kind = kind_of(area->backend);

    return (struct shade){
        .backing = area->backing + (kind == LINEAR ? into : 0), .attr = area->attr.bits, .kind = (uint8_t)kind};
}

static void expect(const struct world *w, uint32_t cell, struct shade want)
{
    FUZZ_EQ(w->shade[cell].kind, want.kind);
    FUZZ_EQ(w->shade[cell].attr, want.attr);
    FUZZ_EQ(w->shade[cell].backing, want.backing);
}

/* Parts of one area on both sides of the cell, as the tables have it by now. */
static void expect_both(const struct world *w, const struct s2_area *area, uint32_t cell)
{
    expect(w, cell - 1, shade_of(w, area, cell - 1));
    expect(w, cell, shade_of(w, area, cell));
}

static void change_cells(struct world *w, const struct s2_change *c)
{
    const struct shade hole = {0};

    FUZZ_TRUE(c->part.start.v < c->part.end.v);
    FUZZ_TRUE(c->area.range.start.v <= c->part.start.v && c->part.end.v <= c->area.range.end.v);
    for (uint32_t i = index_of(w, c->part.start.v); i < index_of(w, c->part.end.v); i++) {
        struct shade now = shade_of(w, &c->area, i);

        expect(w, i, c->step == S2_STEP_MAP ? hole : now);
        if (c->step == S2_STEP_PROTECT)
            now.attr = c->attr.bits;
        w->shade[i] = c->step == S2_STEP_UNMAP ? hole : now;
    }
}

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct world *w = ctx;

    FUZZ_TRUE(op->reserved && !w->refused && w->undone == 0);
    if (kind_of(c->area.backend) != LOOSE) /* whose changes nobody prepares */
        note_same(w, &w->committed, &w->prepared, c);
    op->committed = false; /* a flush sets it again */
    if (w->reenter)
        reenter(w, op);
    if (c->step == S2_STEP_SPLIT) {
        FUZZ_EQ(c->part.start.v, c->part.end.v);
        FUZZ_TRUE(c->area.range.start.v < c->part.start.v && c->part.start.v < c->area.range.end.v);
        expect_both(w, &c->area, index_of(w, c->part.start.v));
    } else if (c->step == S2_STEP_MERGE) {
        FUZZ_EQ(c->area.range.end.v, c->part.start.v);
        FUZZ_TRUE(kind_of(c->area.backend) != LOOSE || w->extends);
        expect_both(w, &c->area, index_of(w, c->part.start.v));
    } else {
        change_cells(w, c);
    }
}

static void stats(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    FUZZ_TRUE(ctx != NULL && kind_of(area->backend) == LINEAR && out->resident == 0 && out->promised == 0);
    out->resident = out->bytes;
}

static bool never(const struct s2_area *low, const struct s2_area *high)
{
    (void)low;
    (void)high;
    return false;
}

const struct s2_backend fuzz_backend[KINDS] = {
    [LINEAR] = {.kind = "linear",
                .prepare = prepare,
                .take = take,
                .undo = undo,
                .commit = commit,
                .release = release,
                .backing_at = backing_at,
                .stats = stats},
    [OPAQUE] = {.kind = "opaque", .prepare = prepare, .take = take, .undo = undo, .commit = commit, .release = release},
    [LOOSE] = {.kind = "loose", .commit = commit, .mergeable = never},
};

/* --- an operation as a whole -------------------------------------------------------------------------------------- */

void changes_begin(struct world *w)
{
    w->prepared.count = w->taken.count = w->committed.count = w->released.count = 0;
    w->undone = w->reentered = 0;
    w->refused = false;
}

void changes_end(const struct world *w, enum s2_err err, bool moves_memory)
{
    FUZZ_EQ(w->committed.count, err ? 0 : w->prepared.count);
    FUZZ_EQ(w->released.count, err || !moves_memory ? 0 : w->prepared.count);
    FUZZ_EQ(w->undone, err ? w->taken.count : 0);
    if (!err)
        FUZZ_EQ(w->taken.count, moves_memory ? w->prepared.count : 0);
}

static bool leave_it(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    (void)attr;
    return false;
}

void reenter(struct world *w, struct s2_op *under_way)
{
    struct s2_ipa_range all = {S2_IPA(w->lo), S2_IPA(w->hi)};
    struct s2_area area = {.range = all, .backend = &fuzz_backend[OPAQUE]};
    struct s2_detail detail;
    struct s2_op op;

    if (w->reentered++ > 2)
        return;
    s2_op_begin(&op, NULL, &detail);
    FUZZ_EQ(s2_area_set_map(&w->set, &op, &area, S2_MAP_REPLACE), S2_EBUSY);
    FUZZ_EQ(detail.err, S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_unmap(&w->set, &op, all), S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_clear(&w->set, &op), S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_protect(&w->set, &op, all, leave_it, NULL), S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_extend(&w->set, &op, all.start, all), S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_rename(&w->set, &op, all.start, 1), S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_swap(&w->set, &op, &area, area.backend), S2_EBUSY);
    s2_op_begin(&op, NULL, NULL);
    FUZZ_EQ(s2_area_set_unmap_expected(&w->set, &op, &area), S2_EBUSY);
    FUZZ_EQ(s2_area_set_keep_cut(&w->set), S2_EBUSY);
    FUZZ_TRUE(w->set.busy == under_way && !under_way->ended);
    (void)s2_area_set_find_from(&w->set, S2_IPA(w->lo), &area);
    (void)s2_area_set_overlaps(&w->set, all, &area);
}
