/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory of some cache colours. Where each frame is seen the VM's records say (colours.h), so there is nothing to remember here,
 * and an area may be cut, joined and mapped bit by bit. Leaves are pages, since no two colours of a large leaf are one's. */
#include <stage2/colours.h>

#include "space/inner.h"

/* What the VM has from ipa on, which the operation has made sure of. */
static struct s2_colouring pieces_at(struct s2_space *sp, s2_ipa ipa)
{
    struct s2_colouring c = {.bytes = 0};

    (void)s2_colours_at(sp->cfg.ledger, sp->cfg.id, ipa, &c);
    return c;
}

/* --- plan ------------------------------------------------------------------------------------------------------------ */

static enum s2_err refuse(struct s2_op *op, enum s2_err err, struct s2_ipa_range r, const char *what)
{
    return s2_refuse(op->detail, err, S2_AXIS_IPA, r.start.v, r.end.v, what);
}

static enum s2_err check_attr(struct s2_space *sp, struct s2_op *op, s2_attr attr)
{
    if ((attr.bits & S2_MT_MASK) > S2_MT_NORMAL_NC)
        return s2_refuse(op->detail, S2_EATTR, S2_AXIS_NONE, 0, 0, "is memory, and the attribute is that of a device");
    return s2_space_attr(sp, attr, op->detail);
}

static struct s2_pa_range highest_run(const struct s2_colouring *piece)
{
    struct s2_ipa_range run;
    s2_pa pa;

    s2_colouring_run(piece, S2_IPA(piece->ipa.v + piece->bytes - 1), &run, &pa);
    return s2_pa_run(pa, s2_range_bytes(run));
}

static enum s2_err prepare_map(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    struct s2_colouring piece;
    enum s2_err err;

    if (c->area.backing)
        return refuse(op, S2_EINVAL, c->part, "has a backing, and its memory has one place");
    err = check_attr(sp, op, c->area.attr);
    for (uint64_t at = c->part.start.v; at < c->part.end.v && !err; at = piece.ipa.v + piece.bytes) {
        if (!s2_colours_at(sp->cfg.ledger, sp->cfg.id, S2_IPA(at), &piece))
            err = refuse(op, S2_EPERM, c->part, "is in part not the place of coloured memory of the VM's");
        else if (piece.unit_log2 < sp->cfg.geometry.granule_log2)
            err = refuse(op, S2_EUNSUP, c->part, "has colours smaller than the granule");
        else
            err = s2_space_reaches(sp, highest_run(&piece), op->detail);
    }
    if (!err)
        s2_op_need_tables(op, s2_pages_need(sp, c->part, c->replacing));
    return err;
}

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    enum s2_err err = S2_OK;

    if (c->step == S2_STEP_MAP)
        return prepare_map(sp, op, c);
    if (c->step == S2_STEP_PROTECT)
        err = check_attr(sp, op, c->attr);
    if (!err && (c->step == S2_STEP_PROTECT || c->step == S2_STEP_UNMAP))
        s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
    return err;
}

/* --- take: from here on nobody can take the memory back ---------------------------------------------------------------- */

static enum s2_err take(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;

    return c->step == S2_STEP_MAP ? s2_colours_use(sp->cfg.ledger, sp->cfg.id, c->part, op->detail) : S2_OK;
}

static void let_go(void *ctx, const struct s2_change *c, enum s2_step step)
{
    struct s2_space *sp = ctx;

    if (c->step == step)
        s2_colours_unuse(sp->cfg.ledger, sp->cfg.id, c->part);
}

static void undo(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)op;
    let_go(ctx, c, S2_STEP_MAP);
}

static void release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)op;
    let_go(ctx, c, S2_STEP_UNMAP);
}

/* --- commit ------------------------------------------------------------------------------------------------------------ */

/* The part of a map that lies in one piece. */
static void map_piece(struct s2_space *sp, struct s2_op *op, const struct s2_colouring *c, struct s2_ipa_range part,
                      s2_attr attr)
{
    struct s2_ipa_range run;
    s2_pa pa;

    for (; part.start.v < part.end.v; part.start = run.end) {
        s2_colouring_run(c, part.start, &run, &pa);
        pa.v += part.start.v - run.start.v;
        run = s2_range_meet(run, part);
        s2_map_run(sp, op, run, pa, attr);
    }
}

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    struct s2_colouring piece;
    struct s2_ipa_range place;

    if (c->step != S2_STEP_MAP) {
        s2_edit_run(sp, op, c);
        return;
    }
    for (s2_ipa at = c->part.start; at.v < c->part.end.v; at = place.end) {
        piece = pieces_at(sp, at);
        place = (struct s2_ipa_range){at, S2_IPA(piece.ipa.v + piece.bytes)};
        map_piece(sp, op, &piece, s2_range_meet(place, c->part), c->area.attr);
    }
}

static bool memory(void *ctx, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa)
{
    struct s2_space *sp = ctx;
    struct s2_ipa_range all;
    struct s2_colouring c;

    if (!s2_colours_at(sp->cfg.ledger, sp->cfg.id, ipa, &c))
        return false;
    s2_colouring_run(&c, ipa, &all, pa);
    *run = s2_range_meet(all, area->range);
    pa->v += run->start.v - all.start.v;
    return true;
}

static void stats(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    (void)ctx;
    (void)area;
    out->resident = out->bytes;
}

const struct s2_backend s2_backend_coloured = {.kind = "coloured",
                                               .prepare = prepare,
                                               .take = take,
                                               .undo = undo,
                                               .commit = commit,
                                               .release = release,
                                               .memory = memory,
                                               .stats = stats};
