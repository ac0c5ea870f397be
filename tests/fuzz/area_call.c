/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One operation on the set and on the array: which error it may give, what it may cost, and that after an error all is as
 * it was. */
#include "area_world.h"

#define SMALL_POOL 128u /* nodes that are compared byte by byte after each error */

struct call call_on(const struct world *w, enum s2_area_op kind, const struct span *s)
{
    struct call c = {.kind = kind,
                     .moves_memory = kind != S2_AREA_OP_PROTECT && kind != S2_AREA_OP_RENAME,
                     .want = s->err,
                     .asked = range_of(s),
                     .first = s->first,
                     .last = s->last};

    if (s->err == S2_ERANGE)
        c.found = (struct s2_ipa_range){S2_IPA(w->lo), S2_IPA(w->hi)};
    return c;
}

static uint32_t unreserved(const struct world *w)
{
    return w->pool.free - w->pool.reserved;
}

void call_begin(struct world *w, struct call *c)
{
    bool injected = w->refuse_prepare || w->refuse_take || w->leave != UINT32_MAX || w->pool.count <= SMALL_POOL / 2;

    c->kept = c->want || injected;
    c->need = s2_area_set_need(&w->set, c->kind);
    c->nodes = w->set.map.nodes;
    if (w->leave < unreserved(w)) {
        c->held = unreserved(w) - w->leave;
        FUZZ_EQ(s2_pool_reserve(&w->pool, c->held), S2_OK);
    }
    c->cut = w->set.cut;
    if (c->kept) {
        bool bytes = w->pool.count <= SMALL_POOL || fuzz.step % 64 == 0;

        c->set = w->set;
        c->pool = w->pool;
        c->mem = bytes ? malloc((size_t)w->pool.count * S2_NODE_BYTES) : NULL;
        if (c->mem)
            memcpy(c->mem, w->mem, (size_t)w->pool.count * S2_NODE_BYTES);
    }
    changes_begin(w);
    s2_op_begin(&c->op, NULL, w->no_detail ? NULL : &c->detail);
}

/* The end of an operation may have filled up the nodes kept for unmaps. */
static void unchanged(const struct world *w, const struct call *c)
{
    struct s2_area_set set = w->set;
    struct s2_pool pool = w->pool;

    FUZZ_TRUE(set.cut >= c->set.cut);
    pool.reserved -= set.cut - c->set.cut;
    set.cut = c->set.cut;
    FUZZ_TRUE(memcmp(&set, &c->set, sizeof(set)) == 0);
    FUZZ_TRUE(memcmp(&pool, &c->pool, sizeof(pool)) == 0);
    FUZZ_TRUE(!c->mem || memcmp(w->mem, c->mem, (size_t)w->pool.count * S2_NODE_BYTES) == 0);
}

/* How many areas more the operation leaves: made on the array, and taken back. */
static int64_t grows(struct world *w, const struct call *c)
{
    size_t bytes = (c->last - c->first + 1) * sizeof(w->cell[0]);
    struct cell *was = malloc(bytes);
    uint64_t areas = w->areas;
    int64_t more;

    memcpy(was, &w->cell[c->first], bytes);
    c->apply(w, c);
    more = (int64_t)(w->areas - areas);
    memcpy(&w->cell[c->first], was, bytes);
    w->areas = areas;
    free(was);
    return more;
}

/* It says that it lacks nodes: only if it leaves more areas than there were, and there are fewer nodes than these need. */
static void check_lack(struct world *w, const struct call *c, enum s2_err err)
{
    int64_t more = grows(w, c);
    uint32_t have = unreserved(w), keeps = w->set.cut_most;

    FUZZ_TRUE(more == 1 || more == 2);
    FUZZ_EQ(err, c->kind == S2_AREA_OP_UNMAP && keeps ? S2_ECUT : S2_ENODES);
    have += err == S2_ECUT ? w->set.cut : 0;
    FUZZ_TRUE(have < c->need && have < s2_imap_need(&w->set.map, (uint32_t)more));
    if (more == 1 && w->pool.count >= keeps && c->held == 0)
        FUZZ_TRUE(w->areas >= s2_area_set_capacity(w->pool.count - keeps));
}

/* What the operation took. */
static void check_cost(const struct world *w, const struct call *c, uint64_t areas_before)
{
    const struct s2_imap *map = &w->set.map;

    if (w->areas <= areas_before)
        FUZZ_TRUE(map->nodes <= c->nodes);
    else
        FUZZ_TRUE(map->nodes <= c->nodes + c->need);
}

static void check_detail(const struct world *w, const struct call *c, enum s2_err err)
{
    FUZZ_EQ(c->detail.err, err);
    if (!err)
        return;
    FUZZ_TRUE(c->detail.what != NULL);
    if (err != c->want || w->refused)
        return;
    FUZZ_EQ(c->detail.axis, S2_AXIS_IPA);
    FUZZ_EQ(c->detail.asked_start, c->asked.start.v);
    FUZZ_EQ(c->detail.asked_end, c->asked.end.v);
    FUZZ_EQ(c->detail.found_start, c->found.start.v);
    FUZZ_EQ(c->detail.found_end, c->found.end.v);
}

static void check_pool(struct world *w, const struct call *c)
{
    FUZZ_TRUE(w->set.cut == w->set.cut_most || unreserved(w) == 0);
    s2_pool_unreserve(&w->pool, c->held);
    FUZZ_EQ(w->pool.reserved, w->set.cut);
    FUZZ_EQ(w->pool.free, w->pool.count - w->set.map.nodes);
}

bool call_end(struct world *w, struct call *c, enum s2_err err)
{
    uint64_t areas = w->areas;

    FUZZ_TELL("  says %s", s2_err_name(err));
    if (w->refused)
        FUZZ_EQ(err, w->refuse_with);
    else if ((err == S2_ENODES || err == S2_ECUT) && !c->want)
        check_lack(w, c, err);
    else
        FUZZ_EQ(err, c->want);
    if (!w->no_detail)
        check_detail(w, c, err);
    changes_end(w, err, c->moves_memory);
    FUZZ_TRUE(c->op.ended && w->set.busy == NULL);
    if (!err) {
        c->apply(w, c);
        check_cost(w, c, areas);
    } else if (c->kept) {
        unchanged(w, c);
    }
    free(c->mem);
    check_pool(w, c);
    w->refuse_prepare = w->refuse_take = 0;
    w->leave = UINT32_MAX;
    w->reenter = w->no_detail = w->refused = false;
    if (c->want == S2_OK || c->first < c->last)
        compare_near(w, c->first, c->last);
    return !err;
}
