/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory from the allocator: all of it at once, or (lazy) chunk by chunk as the guest touches it. */
#include "space/inner.h"

static uint64_t frames_in(struct s2_ipa_range r)
{
    return s2_range_bytes(r) / S2_FRAME;
}

static bool is_normal(s2_attr attr)
{
    return (attr.bits & S2_MT_MASK) <= S2_MT_NORMAL_NC;
}

/* --- plan ------------------------------------------------------------------------------------------------------------ */

static enum s2_err check_attr(struct s2_space *sp, struct s2_op *op, s2_attr attr)
{
    if (!is_normal(attr))
        return s2_refuse(op->detail, S2_EATTR, S2_AXIS_NONE, 0, 0, "is memory, and the attribute is that of a device");
    return s2_space_attr(sp, attr, op->detail);
}

static enum s2_err prepare_unmap(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    struct s2_chunk k;

    s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
    for (struct s2_ipa_range left = c->part; s2_chunk_next(&sp->chunks, left, &k); left.start = k.range.end)
        s2_op_need_cuts(op, s2_ledger_cuts(sp, k.range, k.pa, c->goes));
    if (c->part.start.v > c->goes.start.v)
        return S2_OK; /* the one hole that all of it may leave in a chunk counts where it begins */
    return s2_op_need_nodes(op, sp->cfg.nodes, s2_chunk_cut_nodes(sp, c->goes));
}

/* What comes out of a share: its owner's counts already. */
static enum s2_err check_charge(const struct s2_space *sp, const struct s2_op *op, struct s2_ipa_range part)
{
    if (s2_share_side(sp->cfg.ledger, s2_share_index(op->share), sp->cfg.id).owner ||
        frames_in(part) <= s2_frames_left(sp))
        return S2_OK;
    return s2_refuse(op->detail, S2_EQUOTA, S2_AXIS_IPA, part.start.v, part.end.v,
                     "needs more memory than the VM's quota allows");
}

/* What another gave allows what was offered, for good; all else does whatever an area asks. */
static enum s2_err check_rights(struct s2_space *sp, const struct s2_op *op, const struct s2_change *c)
{
    uint32_t more = c->attr.bits & ~c->area.attr.bits & S2_PERM_MASK;
    enum s2_err err = S2_OK;
    struct s2_chunk k;

    for (struct s2_ipa_range left = c->part; more && !err && s2_chunk_next(&sp->chunks, left, &k);
         left.start = k.range.end)
        err = s2_ledger_check(sp->cfg.ledger, sp->cfg.id, s2_pa_run(k.pa, s2_range_bytes(k.range)), (uint8_t)more,
                              op->detail);
    return err;
}

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    enum s2_err err;

    switch (c->step) {
    case S2_STEP_MAP:
        err = check_attr(sp, op, c->area.attr);
        if (!err && op->share)
            err = check_charge(sp, op, c->part);
        else if (!err && (!s2_area_lazy(&c->area) || s2_area_promised(&c->area)))
            s2_op_need_frames(op, frames_in(c->part));
        return err;
    case S2_STEP_UNMAP:
        return prepare_unmap(sp, op, c);
    case S2_STEP_PROTECT:
        err = check_attr(sp, op, c->attr);
        if (!err)
            err = check_rights(sp, op, c);
        if (!err)
            s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
        return err;
    case S2_STEP_SPLIT:
    case S2_STEP_MERGE:
        break; /* chunks and tables do not show where areas meet */
    }
    return S2_OK;
}

/* --- take -------------------------------------------------------------------------------------------------------------- */

/* Table pages for mapping what was taken: per chunk, but no more than pages throughout would need. */
static uint32_t tables_for_taken(struct s2_space *sp, const struct s2_change *c)
{
    uint32_t most = s2_pages_need(sp, c->part, c->replacing), n = 0;
    struct s2_chunk k;

    for (struct s2_ipa_range left = c->part; n < most && s2_chunk_next(&sp->taken, left, &k); left.start = k.range.end)
        n += s2_map_need(sp, k.range, k.pa, c->replacing);
    return (uint32_t)s2_min_u64(n, most);
}

static enum s2_err promise_tables(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    if (!s2_tables_promise(sp, c->part))
        return S2_OK;
    return s2_refuse(op->detail, S2_EQUOTA, S2_AXIS_IPA, c->part.start.v, c->part.end.v,
                     "needs more table pages than the VM's quota allows");
}

/* A lazy area's promises move from the operation to the space. */
static enum s2_err promise(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    enum s2_err err;

    if (!s2_area_promised(&c->area))
        return S2_OK;
    err = promise_tables(sp, op, c);
    if (err)
        return err;
    op->relazy = true;
    op->frames_taken -= frames_in(c->part);
    sp->frames_promised += frames_in(c->part);
    return S2_OK;
}

/* Memory of a share. In a lazy area the table pages are promised as for all of it. */
static enum s2_err adopt(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    enum s2_err err = s2_chunks_adopt(sp, op, c->part);

    if (err)
        return err;
    err = s2_op_more_tables(op, tables_for_taken(sp, c));
    if (!err && s2_area_promised(&c->area)) {
        err = promise_tables(sp, op, c);
        op->relazy = true;
    }
    if (err)
        s2_chunks_unadopt(sp);
    return err;
}

static enum s2_err take(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    enum s2_err err;

    if (c->step != S2_STEP_MAP)
        return S2_OK;
    if (op->share)
        return adopt(sp, op, c);
    if (s2_area_lazy(&c->area))
        return promise(sp, op, c);
    err = s2_chunks_take(sp, op, c->part);
    if (err)
        return err;
    err = s2_op_more_tables(op, tables_for_taken(sp, c));
    if (err)
        s2_chunks_untake(sp, op);
    return err;
}

static void undo(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;

    if (c->step != S2_STEP_MAP)
        return;
    if (op->share) {
        s2_chunks_unadopt(sp);
    } else if (!s2_area_lazy(&c->area)) {
        s2_chunks_untake(sp, op);
    } else if (s2_area_promised(&c->area)) {
        sp->frames_promised -= frames_in(c->part);
        op->frames_taken += frames_in(c->part);
    }
}

/* --- commit ------------------------------------------------------------------------------------------------------------ */

static void populate(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    struct s2_chunk k;

    if (op->share)
        s2_share_give(sp->cfg.ledger, op->share, sp->cfg.id, c->part.start);
    else
        s2_chunks_own(sp, c->part);
    for (struct s2_ipa_range left = c->part; s2_chunk_next(&sp->taken, left, &k); left.start = k.range.end)
        s2_map_run(sp, op, k.range, k.pa, c->area.attr);
}

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;

    if (c->step != S2_STEP_MAP)
        s2_edit_run(sp, op, c);
    else if (op->share || !s2_area_lazy(&c->area))
        populate(sp, op, c);
}

/* Frames go back only here, after the flush: until then a CPU may still reach them. */
static void release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    uint64_t held, untouched;

    if (c->step != S2_STEP_UNMAP)
        return;
    if (op->share) { /* where it has all of it, and the ledger says so already */
        s2_chunks_leave(sp, c->part);
        op->relazy = s2_area_promised(&c->area);
        return;
    }
    held = s2_chunks_release(sp, c->part, c->goes, false);
    if (!s2_area_promised(&c->area))
        return;
    untouched = frames_in(c->part) - held;
    s2_frames_unreserve(sp->cfg.frames, untouched);
    sp->frames_promised -= untouched;
    op->relazy = true;
}

static bool mergeable(const struct s2_area *low, const struct s2_area *high)
{
    (void)low;
    (void)high;
    return true;
}

static bool memory(void *ctx, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa)
{
    struct s2_chunk c;

    if (!s2_chunk_around(ctx, area, ipa, &c))
        return false;
    *run = c.range;
    *pa = c.pa;
    return true;
}

static void stats(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    const struct s2_space *sp = ctx;
    struct s2_chunk c;

    for (struct s2_ipa_range left = area->range; s2_chunk_next(&sp->chunks, left, &c); left.start = c.range.end)
        out->resident += s2_range_bytes(c.range);
    if (s2_area_promised(area))
        out->promised = out->bytes - out->resident;
}

const struct s2_backend s2_backend_alloc = {.kind = "alloc",
                                            .prepare = prepare,
                                            .take = take,
                                            .undo = undo,
                                            .commit = commit,
                                            .release = release,
                                            .mergeable = mergeable,
                                            .memory = memory,
                                            .stats = stats};
