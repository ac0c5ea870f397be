/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory or devices at a chosen physical address. The ledger must show each frame as the VM's own; its entry names the
 * IPA while it is mapped, so no frame has two places. */
#include "space/inner.h"

static struct s2_pa_range run_of(const struct s2_change *c)
{
    return s2_pa_run(s2_linear_pa(&c->area, c->part.start), s2_range_bytes(c->part));
}

static bool inside(uint64_t x, struct s2_ipa_range r)
{
    return x >= r.start.v && x < r.end.v;
}

/* One entry of what is to be mapped, where it meets the run. */
static enum s2_err check_entry(const struct s2_op *op, const struct s2_change *c, struct s2_pa_range run,
                               const struct s2_ledger_entry *first, const struct s2_ledger_entry *e)
{
    uint64_t at = e->ipa.v + (s2_max_u64(run.start.v, e->range.start.v) - e->range.start.v);
    uint64_t last = e->ipa.v + (s2_min_u64(run.end.v, e->range.end.v) - e->range.start.v) - 1;
    const char *what;

    if (e->ipa.v == S2_IPA_NONE.v)
        what = NULL;
    else if (c->replacing && inside(at, c->part) && inside(last, c->part) && !e->pooled)
        what = NULL; /* the linear area that maps it goes in the same operation */
    else
        what = "is mapped elsewhere already";
    if (!what && (e->state != first->state || e->rights != first->rights))
        what = "mixes frames of different states or rights";
    if (!what)
        return S2_OK;
    if (op->detail) {
        (void)s2_refuse(op->detail, S2_EPERM, S2_AXIS_PA, run.start.v, run.end.v, what);
        op->detail->found_start = e->range.start.v;
        op->detail->found_end = e->range.end.v;
        op->detail->holder = e->owner;
    }
    return S2_EPERM;
}

static enum s2_err prepare_map(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    struct s2_pa_range run = run_of(c);
    struct s2_ledger_entry e, first = {0};
    uint8_t rights = (uint8_t)(c->area.attr.bits & S2_PERM_MASK);
    enum s2_err err = s2_space_reaches(sp, run, op->detail);

    if (err)
        return err;
    if (run.start.v & (s2_granule_bytes(&sp->cfg.geometry) - 1))
        return s2_refuse(op->detail, S2_EALIGN, S2_AXIS_PA, run.start.v, run.end.v, "is not aligned to the granule");
    if (op->share) { /* it comes back from there */
        s2_op_need_tables(op, s2_map_need(sp, c->part, run.start, c->replacing));
        return S2_OK;
    }
    err = s2_ledger_check(sp->cfg.ledger, sp->cfg.id, run, rights, op->detail);
    if (err)
        return err;
    /* cover: the ledger does not end before the run does, as the check has found */
    for (s2_pa at = run.start; at.v < run.end.v && s2_ledger_next(sp->cfg.ledger, at, &e); at = e.range.end) {
        if (at.v == run.start.v)
            first = e;
        err = check_entry(op, c, run, &first, &e);
        if (err)
            return err;
    }
    first.range = run;
    first.ipa = c->part.start;
    err = s2_ledger_plan(sp->cfg.ledger, &op->claim[op->claim[0].pending], sp->cfg.id, first.state, &first, op->detail);
    if (err)
        return err;
    s2_op_need_tables(op, s2_map_need(sp, c->part, run.start, c->replacing));
    return S2_OK;
}

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    enum s2_err err;

    switch (c->step) {
    case S2_STEP_MAP:
        return prepare_map(sp, op, c);
    case S2_STEP_UNMAP:
        s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
        s2_op_need_cuts(op, s2_ledger_cuts(sp, c->part, run_of(c).start, c->goes));
        return S2_OK;
    case S2_STEP_PROTECT:
        err = s2_space_attr(sp, c->attr, op->detail);
        if (!err)
            err = s2_ledger_check(sp->cfg.ledger, sp->cfg.id, run_of(c), (uint8_t)(c->attr.bits & S2_PERM_MASK),
                                  op->detail);
        if (!err)
            s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
        return err;
    case S2_STEP_SPLIT:
    case S2_STEP_MERGE:
        break; /* the tables do not show where areas meet */
    }
    return S2_OK;
}

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;

    if (c->step == S2_STEP_MAP && op->share)
        s2_share_give(sp->cfg.ledger, op->share, sp->cfg.id, c->part.start);
    if (c->step == S2_STEP_MAP)
        s2_map_run(sp, op, c->part, run_of(c).start, c->area.attr);
    else
        s2_edit_run(sp, op, c);
}

/* The frames stay the VM's; the ledger forgets where they were mapped, an entry at a time, though areas that go next share
 * it. When the operation maps them anew, its claim says so at the end, after this. */
static void release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    struct s2_pa_range run = run_of(c);
    struct s2_ledger_entry e;
    s2_pa next;

    if (c->step != S2_STEP_UNMAP || op->share) /* into a share: the ledger says so already */
        return;
    /* cover: what is mapped is in the ledger, from which nothing goes */
    for (s2_pa at = run.start; at.v < run.end.v && s2_ledger_find(sp->cfg.ledger, at, &e); at = next) {
        next = e.range.end;
        if (e.ipa.v == S2_IPA_NONE.v)
            continue; /* went with the area below */
        next = s2_ledger_goes(&e, at, S2_IPA(c->part.start.v + (at.v - run.start.v)), c->goes);
        e.range = (struct s2_pa_range){at, next};
        e.ipa = S2_IPA_NONE;
        s2_ledger_set(sp->cfg.ledger, &e);
    }
}

static uint64_t backing_at(const struct s2_area *area, s2_ipa start)
{
    return s2_linear_pa(area, start).v;
}

static bool memory(void *ctx, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa)
{
    (void)ctx;
    (void)ipa;
    *run = area->range;
    *pa = S2_PA(area->backing);
    return true;
}

static void stats(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    (void)ctx;
    (void)area;
    out->resident = out->bytes;
}

const struct s2_backend s2_backend_linear = {.kind = "linear",
                                             .prepare = prepare,
                                             .commit = commit,
                                             .release = release,
                                             .backing_at = backing_at,
                                             .memory = memory,
                                             .stats = stats};
