/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory of a share: the owner's side, which is mapped or (lent) stands for what will come back, and a borrower's. backing = place of
 * the record in the table << 48 | offset in the share. Such areas come with s2_space_share and s2_space_retrieve alone; what
 * goes otherwise is this side's mapping, and the frames stay until nobody has any of it. */
#include "space/inner.h"

static struct s2_share_side side_of(const struct s2_space *sp, const struct s2_area *area)
{
    return s2_share_side(sp->cfg.ledger, s2_shared_index(area), sp->cfg.id);
}

static bool memory(void *ctx, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa)
{
    const struct s2_space *sp = ctx;
    uint64_t first = s2_shared_offset(area), at = first + (ipa.v - area->range.start.v), start, bytes;

    if (!side_of(sp, area).has || !s2_share_run(sp->cfg.ledger, s2_shared_index(area), at, &start, pa, &bytes))
        return false;
    if (start < first) { /* the area may be a part of what was one */
        pa->v += first - start;
        bytes -= first - start;
        start = first;
    }
    run->start = S2_IPA(area->range.start.v + (start - first));
    run->end = S2_IPA(s2_min_u64(run->start.v + bytes, area->range.end.v));
    return true;
}

/* --- plan -------------------------------------------------------------------------------------------------------------- */

static enum s2_err prepare_map(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    uint64_t granule = s2_granule_bytes(&sp->cfg.geometry);
    struct s2_ipa_range run;
    enum s2_err err;
    s2_pa pa;

    if (!op->share)
        return s2_refuse(op->detail, S2_EINVAL, S2_AXIS_IPA, c->part.start.v, c->part.end.v,
                         "is shared, which only sharing makes");
    for (s2_ipa at = c->part.start; at.v < c->part.end.v; at = run.end) {
        if (!memory(sp, &c->area, at, &run, &pa))
            return S2_OK; /* lent */
        if ((run.start.v | run.end.v | pa.v) & (granule - 1))
            return s2_refuse(op->detail, S2_EALIGN, S2_AXIS_PA, pa.v, pa.v + s2_range_bytes(run),
                             "is memory that this VM's granule cannot map");
        err = s2_space_reaches(sp, s2_pa_run(pa, s2_range_bytes(run)), op->detail);
        if (err)
            return err;
        s2_op_need_tables(op, s2_map_need(sp, run, pa, c->replacing));
    }
    return S2_OK;
}

/* No more than was offered, and memory stays what it is for the others. */
static enum s2_err prepare_protect(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    const uint32_t kind = S2_MT_MASK | S2_SH_MASK;
    struct s2_share_side side = side_of(sp, &c->area);
    const char *what = NULL;

    if (!side.has)
        what = "is lent, and this VM's to change when it is back";
    else if (c->attr.bits & S2_PERM_MASK & ~(uint32_t)side.rights)
        what = "is not shared with these rights";
    else if ((c->attr.bits ^ c->area.attr.bits) & kind)
        what = "is shared, and of another memory type";
    if (what)
        return s2_refuse(op->detail, S2_EPERM, S2_AXIS_IPA, c->part.start.v, c->part.end.v, what);
    return s2_space_attr(sp, c->attr, op->detail);
}

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    enum s2_err err = S2_OK;

    switch (c->step) {
    case S2_STEP_MAP:
        return prepare_map(sp, op, c);
    case S2_STEP_PROTECT:
        err = prepare_protect(sp, op, c);
        break;
    case S2_STEP_UNMAP:
        break;
    case S2_STEP_SPLIT:
    case S2_STEP_MERGE:
        return S2_OK; /* the tables do not show where areas meet */
    }
    if (!err)
        s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
    return err;
}

/* --- commit ------------------------------------------------------------------------------------------------------------ */

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    struct s2_ipa_range run;
    s2_pa pa;

    if (c->step != S2_STEP_MAP) {
        s2_edit_run(sp, op, c);
        return;
    }
    for (s2_ipa at = c->part.start; at.v < c->part.end.v && memory(sp, &c->area, at, &run, &pa); at = run.end)
        s2_map_run(sp, op, run, pa, c->area.attr);
}

/* After the flush. What a reclaim takes back is settled by it. */
static void release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;

    if (c->step == S2_STEP_UNMAP && !op->share)
        s2_share_let_go(sp->cfg.ledger, s2_shared_index(&c->area), sp->cfg.id, s2_range_bytes(c->part));
}

static uint64_t backing_at(const struct s2_area *area, s2_ipa start)
{
    return area->backing + (start.v - area->range.start.v);
}

static void stats(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    out->resident = side_of(ctx, area).has ? out->bytes : 0;
}

const struct s2_backend s2_backend_shared = {.kind = "shared",
                                             .prepare = prepare,
                                             .commit = commit,
                                             .release = release,
                                             .backing_at = backing_at,
                                             .memory = memory,
                                             .stats = stats};
