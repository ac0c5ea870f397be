/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The operation object. It lives on the caller's stack; collects what an operation can need, takes all of it at once,
 * owns the gather, and gives back what was not used. Begin, plan, reserve, commit, end. */
#ifndef STAGE2_OP_H
#define STAGE2_OP_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/error.h>
#include <stage2/gather.h>
#include <stage2/imap.h>
#include <stage2/ledger.h>
#include <stage2/tpool.h>

struct s2_space;

#define S2_OP_POOLS  4u
#define S2_OP_CLAIMS 2u /* a linear area that grows at both ends */

struct s2_op_pool {
    struct s2_pool *pool;
    uint32_t need, taken;
};

/* Taken ahead by long work (long.h) for the operations that are its steps: they draw on it before anything else, and what
 * they leave goes back to it. Nodes: of the space's own pool. */
struct s2_ahead {
    struct s2_tstash tables;
    uint32_t nodes;
};

struct s2_op {
    struct s2_detail *detail; /* may be null */
    struct s2_ahead *ahead;   /* may be null */
    uint32_t ahead_nodes;     /* drawn from there */
    uint32_t share;           /* the handle, when it moves memory into or out of a share; 0: none */
    struct s2_op_pool pool[S2_OP_POOLS];
    struct s2_ipa_range edits; /* what it is about, for the checker */
    bool reserved, committed, ended;

    struct s2_space *space; /* null: an area set that stands alone, and nothing below counts */
    uint32_t tables;        /* need */
    uint64_t frames;        /* need, in 4K frames */
    uint32_t cuts;          /* need: ledger changes that leave part of an entry as it was */
    uint64_t frames_taken;  /* promises of the frame allocator not yet spent */
    uint32_t ledger_taken;  /* ledger nodes reserved */
    bool cut;               /* s2_op_may_cut: pages and nodes may come from the space's cut reserve */
    bool drew_ledger;       /* the space's standing promise of the ledger was used */
    bool relazy;            /* lazy areas changed: count again what table pages they can need */
    struct s2_tstash stash; /* table pages taken */
    struct s2_claim claim[S2_OP_CLAIMS];
    struct s2_gather gather;
};

/* space may be null: an area set that stands alone (tests, other uses). Never fails. */
void s2_op_begin(struct s2_op *op, struct s2_space *space, struct s2_detail *detail);

/* --- plan: adds to what will be reserved --------------------------------------------------------------------------- */

/* S2_ENODES only if more than S2_OP_POOLS pools are named. */
S2_NODISCARD enum s2_err s2_op_need_nodes(struct s2_op *op, struct s2_pool *pool, uint32_t n);
/* Of its space. */
void s2_op_need_tables(struct s2_op *op, uint32_t n);
void s2_op_need_frames(struct s2_op *op, uint64_t n);
void s2_op_need_cuts(struct s2_op *op, uint32_t n);

/* An unmap, or a protect that leaves no more areas than there are: may use the cut reserve of its space. Says S2_ECUT when
 * that does not do. */
void s2_op_may_cut(struct s2_op *op);

/* --- reserve ------------------------------------------------------------------------------------------------------- */

/* Takes everything or nothing (table pages in hand go back with s2_op_dispose): S2_ENODES, S2_ETABLES, S2_EFRAMES, S2_EQUOTA, S2_ECUT. */
S2_NODISCARD enum s2_err s2_op_reserve(struct s2_op *op);
/* More of the same, for a backend's `take`, which learns only then how its memory lies. Given back by s2_op_end. */
S2_NODISCARD enum s2_err s2_op_more_nodes(struct s2_op *op, struct s2_pool *pool, uint32_t n);
S2_NODISCARD enum s2_err s2_op_more_tables(struct s2_op *op, uint32_t n);
S2_NODISCARD enum s2_err s2_op_more_ledger(struct s2_op *op, uint32_t changes);

/* --- commit -------------------------------------------------------------------------------------------------------- */

/* Closes the gather: every invalidation that the commits asked for, and the barrier that new mappings need. Whoever
 * calls it says that the operation will complete. */
void s2_op_flush(struct s2_op *op);
/* Settles what the operation promised when it completed (claims, memory taken), gives back what was not used, refills the
 * cut reserve, first from the tables that it detached (they were flushed). With the space's lock held; idempotent. */
void s2_op_end(struct s2_op *op);
/* After s2_op_end, without the lock: the table pages that are left over, detached or never used, go back to their pool. May
 * come between the steps of long work too, after a flush; does nothing when there is nothing. */
void s2_op_dispose(struct s2_op *op);

#endif
