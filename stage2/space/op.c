/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/op.h>

#include "space/inner.h"

void s2_op_begin(struct s2_op *op, struct s2_space *space, struct s2_detail *detail)
{
    /* Not all of it: what no space needs is most. */
    op->detail = detail;
    op->ahead = NULL;
    op->ahead_nodes = 0;
    op->share = 0;
    op->reserved = op->committed = op->ended = false;
    for (unsigned i = 0; i < S2_OP_POOLS; i++)
        op->pool[i] = (struct s2_op_pool){0};
    op->space = space;
    if (!space)
        return;
    op->tables = op->cuts = op->ledger_taken = 0;
    op->frames = op->frames_taken = 0;
    op->cut = op->drew_ledger = op->relazy = false;
    op->stash = S2_TSTASH_EMPTY;
    for (unsigned i = 0; i < S2_OP_CLAIMS; i++)
        op->claim[i].pending = false;
    s2_gather_init(&op->gather);
}

/* --- plan ---------------------------------------------------------------------------------------------------------- */

static enum s2_err refuse(struct s2_op *op, enum s2_err err, const char *what)
{
    return s2_refuse(op->detail, err, S2_AXIS_NONE, 0, 0, what);
}

/* The op's record of that pool; null when there is no room for one more. */
static struct s2_op_pool *pool_of(struct s2_op *op, struct s2_pool *pool)
{
    for (unsigned i = 0; i < S2_OP_POOLS; i++) {
        struct s2_op_pool *p = &op->pool[i];

        if (p->pool && p->pool != pool)
            continue;
        p->pool = pool;
        return p;
    }
    return NULL;
}

enum s2_err s2_op_need_nodes(struct s2_op *op, struct s2_pool *pool, uint32_t n)
{
    struct s2_op_pool *p;

    if (n == 0)
        return S2_OK;
    p = pool_of(op, pool);
    if (!p || n > UINT32_MAX - p->need)
        return refuse(op, S2_ENODES, "needs nodes of too many pools, or too many nodes");
    p->need += n;
    return S2_OK;
}

void s2_op_need_tables(struct s2_op *op, uint32_t n)
{
    op->tables += n;
}

void s2_op_need_frames(struct s2_op *op, uint64_t n)
{
    op->frames += n;
}

void s2_op_need_cuts(struct s2_op *op, uint32_t n)
{
    op->cuts += n;
}

void s2_op_may_cut(struct s2_op *op)
{
    op->cut = true;
}

/* --- reserve: the space's cut reserve is the last resort of an unmap --------------------------------------------------- */

/* The space whose cut reserve this op may use for nodes of that pool. */
static struct s2_space *cutting_space(struct s2_op *op, const struct s2_pool *pool)
{
    return op->space && op->cut && op->space->cfg.nodes == pool ? op->space : NULL;
}

/* What an operation that may cut answers when the reserve is used up; others say what they lack. */
static enum s2_err lacking(struct s2_op *op, bool cut, enum s2_err err, const char *what)
{
    return cut ? refuse(op, S2_ECUT, "cuts inside a block, an area or a run of frames, and the cut reserve is used up")
               : refuse(op, err, what);
}

/* What of n long work has taken ahead. */
static uint32_t nodes_ahead(struct s2_op *op, struct s2_op_pool *p, uint32_t n)
{
    if (!op->ahead || op->space->cfg.nodes != p->pool)
        return 0;
    n = (uint32_t)s2_min_u64(n, op->ahead->nodes);
    op->ahead->nodes -= n;
    op->ahead_nodes += n;
    p->taken += n;
    return n;
}

static enum s2_err take_nodes(struct s2_op *op, struct s2_op_pool *p, uint32_t n)
{
    struct s2_space *sp = cutting_space(op, p->pool);
    uint32_t drawn = 0;

    n -= nodes_ahead(op, p, n);
    if (s2_pool_reserve(p->pool, n)) {
        if (sp) {
            drawn = (uint32_t)s2_min_u64(sp->cut_nodes, n);
            s2_pool_unreserve(p->pool, drawn);
        }
        if (drawn == 0 || s2_pool_reserve(p->pool, n)) {
            /* The pool is this VM's own and its lock is held: what was just given up is still there. */
            /* cover: and nobody else takes from it */
            if (drawn && s2_pool_reserve(p->pool, drawn))
                sp->cut_nodes -= drawn;
            return lacking(op, sp != NULL, S2_ENODES, "needs more area or chunk nodes than there are");
        }
        sp->cut_nodes -= drawn;
    }
    p->taken += n;
    return S2_OK;
}

static enum s2_err take_tables(struct s2_op *op, uint32_t n)
{
    struct s2_space *sp = op->space;
    struct s2_table *t = &sp->table;
    enum s2_err err;

    if (op->ahead) {
        uint32_t ahead = (uint32_t)s2_min_u64(n, op->ahead->tables.count);

        s2_tstash_move(t->pool, &op->ahead->tables, &op->stash, ahead);
        n -= ahead;
    }
    if (n == 0)
        return S2_OK;
    err = s2_tables_take(sp, n, &op->stash);
    if (!err)
        return S2_OK;
    if (!op->cut || sp->cut.count < n)
        return lacking(op, op->cut, err,
                       err == S2_EQUOTA ? "needs more table pages than the VM's quota allows"
                                        : "needs more table pages than there are");
    s2_tstash_move(t->pool, &sp->cut, &op->stash, n);
    return S2_OK;
}

static enum s2_err take_frames(struct s2_op *op)
{
    struct s2_space *sp = op->space;

    if (op->frames == 0)
        return S2_OK;
    if (op->frames > s2_frames_left(sp))
        return refuse(op, S2_EQUOTA, "needs more memory than the VM's quota allows");
    if (s2_frames_reserve(sp->cfg.frames, op->frames))
        return refuse(op, S2_EFRAMES, "needs more memory than is free");
    op->frames_taken = op->frames;
    return S2_OK;
}

static enum s2_err take_ledger(struct s2_op *op, uint32_t changes)
{
    struct s2_space *sp = op->space;
    uint32_t nodes;
    enum s2_err err;

    if (changes == 0)
        return S2_OK;
    err = s2_ledger_reserve(sp->cfg.ledger, sp->cfg.id, changes, &nodes);
    if (!err) {
        op->ledger_taken += nodes;
        return S2_OK;
    }
    /* The standing promise covers two insertions: one at each end of what goes. */
    if (!op->cut || !sp->cut_ledger || changes > 2)
        return lacking(op, op->cut, err,
                       err == S2_EQUOTA ? "needs more ledger entries than the VM's quota allows"
                                        : "needs more ledger nodes than there are");
    op->drew_ledger = true;
    return S2_OK;
}

/* What was taken ahead stays with the long work that took it. */
static void keep_ahead(struct s2_op *op)
{
    struct s2_tpool *tables = op->space->table.pool;

    s2_tstash_move(tables, &op->stash, &op->ahead->tables, op->stash.count);
    for (unsigned i = 0; i < S2_OP_POOLS; i++)
        if (op->pool[i].pool == op->space->cfg.nodes)
            op->pool[i].taken -= op->ahead_nodes;
    op->ahead->nodes += op->ahead_nodes;
    op->ahead_nodes = 0;
}

static void give_back_to_space(struct s2_op *op)
{
    struct s2_space *sp = op->space;

    if (op->ahead)
        keep_ahead(op);
    /* The cut reserve first, of which they may be. */
    s2_tstash_move(sp->table.pool, &op->stash, &sp->cut, s2_cut_tables(&sp->cfg.geometry) - sp->cut.count);
    s2_gather_spare(&sp->table, &op->gather, &op->stash);
    if (op->frames_taken)
        s2_frames_unreserve(sp->cfg.frames, op->frames_taken);
    if (op->ledger_taken)
        s2_ledger_unreserve(sp->cfg.ledger, op->ledger_taken);
    op->frames_taken = 0;
    op->ledger_taken = 0;
}

/* Gives back whatever is left of the takings. */
static void give_back(struct s2_op *op)
{
    if (op->space)
        give_back_to_space(op);
    for (unsigned i = 0; i < S2_OP_POOLS; i++) {
        if (op->pool[i].taken)
            s2_pool_unreserve(op->pool[i].pool, op->pool[i].taken);
        op->pool[i].taken = 0;
    }
}

enum s2_err s2_op_reserve(struct s2_op *op)
{
    enum s2_err err = S2_OK;

    for (unsigned i = 0; i < S2_OP_POOLS && !err; i++)
        if (op->pool[i].need)
            err = take_nodes(op, &op->pool[i], op->pool[i].need);
    if (!err && op->space) {
        err = take_tables(op, op->tables);
        if (!err)
            err = take_frames(op);
        if (!err)
            err = take_ledger(op, op->cuts);
    }
    op->reserved = !err;
    if (err)
        give_back(op);
    return err;
}

enum s2_err s2_op_more_nodes(struct s2_op *op, struct s2_pool *pool, uint32_t n)
{
    struct s2_op_pool *p = pool_of(op, pool);

    if (n == 0)
        return S2_OK;
    return p ? take_nodes(op, p, n) : refuse(op, S2_ENODES, "needs nodes of too many pools");
}

enum s2_err s2_op_more_tables(struct s2_op *op, uint32_t n)
{
    return take_tables(op, n);
}

enum s2_err s2_op_more_ledger(struct s2_op *op, uint32_t changes)
{
    return take_ledger(op, changes);
}

/* --- commit and end ------------------------------------------------------------------------------------------------- */

void s2_op_flush(struct s2_op *op)
{
    op->committed = true;
    if (op->space)
        s2_gather_flush(&op->space->table, &op->gather);
}

/* Claims become facts, what was taken becomes the space's. Needs the nodes that the operation still holds. */
static void settle(struct s2_op *op)
{
    struct s2_space *sp = op->space;

    for (unsigned k = 0; k < S2_OP_CLAIMS; k++) {
        if (op->committed && op->claim[k].pending)
            s2_ledger_commit(sp->cfg.ledger, &op->claim[k]);
        s2_ledger_drop(sp->cfg.ledger, &op->claim[k]);
    }
    if (op->committed)
        s2_chunks_settle(sp);
    if (op->relazy)
        s2_tables_recount(sp);
}

static void refill_cut_reserve(struct s2_op *op)
{
    struct s2_space *sp = op->space;

    if (op->drew_ledger && op->committed) {
        s2_ledger_unpromise(sp->cfg.ledger, 1);
        sp->cut_ledger = false;
    }
    while (sp->cut.count < s2_cut_tables(&sp->cfg.geometry) && s2_gather_reuse(&sp->table, &op->gather, &sp->cut))
        ;
    (void)s2_cut_refill(sp);
}

void s2_op_end(struct s2_op *op)
{
    if (op->ended)
        return;
    op->ended = true;
    if (op->space)
        settle(op);
    give_back(op);
    if (op->space)
        refill_cut_reserve(op);
}

void s2_op_dispose(struct s2_op *op)
{
    if (op->space && op->gather.detached)
        s2_gather_free(&op->space->table, &op->gather);
}

bool s2_cut_refill(struct s2_space *sp)
{
    struct s2_table *t = &sp->table;
    uint32_t pages = s2_cut_tables(&t->geo);

    while (sp->cut_nodes < S2_CUT_NODES && !s2_pool_reserve(sp->cfg.nodes, 1))
        sp->cut_nodes++;
    while (sp->cut.count < pages && !s2_tables_take(sp, 1, &sp->cut))
        ;
    if (!sp->cut_ledger)
        sp->cut_ledger = !s2_ledger_promise(sp->cfg.ledger, sp->cfg.id, 1);
    return sp->cut_nodes == S2_CUT_NODES && sp->cut.count == pages && sp->cut_ledger;
}

void s2_cut_release(struct s2_space *sp)
{
    struct s2_table *t = &sp->table;

    s2_pool_unreserve(sp->cfg.nodes, sp->cut_nodes);
    sp->cut_nodes = 0;
    if (sp->cut.count)
        s2_tpool_give(t->pool, &t->quota, &sp->cut);
    if (sp->cut_ledger)
        s2_ledger_unpromise(sp->cfg.ledger, 1);
    sp->cut_ledger = false;
}
