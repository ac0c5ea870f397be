/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Who has had a frame in reach: what must have happened before another VM gets it. Known by observation alone: a leaf of a
 * context that is watched says that its VM reaches the frame, zeroes over all of it, while nobody does, that what was there is
 * gone.
 *
 *   nobody's --a leaf of A--> A's --the last leaf goes, zeroes--> nobody's
 *                             A's --a leaf of B-->  allowed where the frame is declared shared, or lent and unmapped, or where A
 *                                                   has no leaf, no CPU a stale one of A, and all is zero and cleaned: then B's
 *
 * A VM is known by the root of its tables: one that is filled with zeroes again is a new VM's, so that a restarted VM is
 * another one, and a VM that changes its VMID is not. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

#define FRAME (1ull << MODEL_CHUNK_LOG2)

/* Narrow nodes: most machines are asked about a few frames that lie together, and each has a path of its own. */
enum { FAN_LOG2 = 5, FAN = 1 << FAN_LOG2, TOP_SHIFT = MODEL_CHUNK_LOG2 + 8 * FAN_LOG2, VMS = 4096 };

/* Of every frame in some stretch. */
struct hand {
    uint32_t
        reached;   /* VMs that may have seen or written it since it was zeroed, as bits; numbers above 31 share bits */
    uint16_t home; /* the first of them; 0: none */
    uint16_t live_home, live_other; /* leaves of that VM, and of others, that lead there */
    bool lent;                      /* another VM may have written there meanwhile */
    bool scrubbed;                  /* zeroed since somebody reached it */
    bool table;                     /* was reached as a table */
    uint8_t declared;               /* enum model_sharing, by the test */
};

struct hand_node {
    struct hand hand[FAN]; /* where there is no child */
    struct hand_node *child[FAN];
};

struct handover {
    struct hand_node *top;
    uint64_t root[VMS]; /* by number; 0: gone */
    unsigned vms;
    bool any_frame;
    model_sharing_fn *sharing;
    void *arg;
};

/* --- stretches of frames that are alike ----------------------------------------------------------------------------- */

struct reach {
    struct model_watch *w;
    struct context *ctx;
    bool exec, write;
    enum model_sharing declare;
};
typedef void hand_fn(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi);

static struct hand_node *node_like(const struct hand *h)
{
    struct hand_node *n = calloc(1, sizeof *n);
    if (!n)
        model_fatal("no memory for the owners of frames", sizeof *n);
    for (unsigned i = 0; h && i < FAN; i++)
        n->hand[i] = *h;
    return n;
}

/* At most nine levels deep. */
static void each(struct hand_node *n, unsigned shift, uint64_t lo, uint64_t hi, hand_fn *fn, const struct reach *r)
{
    for (uint64_t at = lo, next; at < hi; at = next) {
        unsigned i = (unsigned)(at >> shift) & (FAN - 1);
        next = ((at >> shift) + 1) << shift;
        next = next < hi ? next : hi;
        if (!n->child[i] && ((at | next) & ((1ull << shift) - 1)))
            n->child[i] = node_like(&n->hand[i]);
        if (n->child[i])
            each(n->child[i], shift - FAN_LOG2, at, next, fn, r);
        else
            fn(r, &n->hand[i], at, next);
    }
}

static void all_between(struct model_watch *w, uint64_t lo, uint64_t hi, hand_fn *fn, const struct reach *r)
{
    if (w->handover->any_frame)
        return;
    if (!w->handover->top)
        w->handover->top = node_like(NULL);
    each(w->handover->top, TOP_SHIFT, lo & ~(FRAME - 1), (hi + FRAME - 1) & ~(FRAME - 1), fn, r);
}

static void free_nodes(struct hand_node *n)
{
    for (unsigned i = 0; n && i < FAN; i++)
        if (n->child[i])
            free_nodes(n->child[i]);
    free(n);
}

/* --- VMs ----------------------------------------------------------------------------------------------------------------- */

void handover_init(struct model_watch *w, bool any_frame)
{
    w->handover = calloc(1, sizeof *w->handover);
    if (!w->handover)
        model_fatal("no memory for the owners of frames", sizeof *w->handover);
    w->handover->any_frame = any_frame;
}

void handover_fini(struct model_watch *w)
{
    free_nodes(w->handover->top);
    free(w->handover);
}

uint16_t handover_vm(struct model_watch *w, uint16_t was, uint64_t root)
{
    struct handover *o = w->handover;
    unsigned vm = 1;

    if (was && o->root[was] == root)
        return was;
    while (vm <= o->vms && o->root[vm] != root)
        vm++;
    if (vm > o->vms) {
        if (vm == VMS)
            model_fatal("more VMs than the model tells apart", VMS);
        o->root[o->vms = vm] = root;
    }
    return (uint16_t)vm;
}

void handover_root_cleared(struct model_watch *w, uint64_t pa, uint64_t bytes)
{
    struct handover *o = w->handover;

    for (unsigned vm = 1; vm <= o->vms; vm++)
        if (o->root[vm] >= pa && o->root[vm] < pa + bytes)
            o->root[vm] = 0;
}

static uint32_t vm_bit(uint16_t vm)
{
    return 1u << (vm & 31);
}

/* --- rules ----------------------------------------------------------------------------------------------------------------- */

static void expect_zero(const struct reach *r, uint64_t lo, uint64_t hi)
{
    for (uint64_t pa = lo; pa < hi; pa += FRAME) {
        const uint64_t *word = (const uint64_t *)(const void *)model_host(r->w->port, pa);
        for (unsigned i = 0; word && i < FRAME / sizeof *word; i++) {
            if (!word[i])
                continue;
            model_violate(r->w->port, "hand-over: VMID %u gets frame %#" PRIx64 " with what another VM left in it",
                          r->ctx->vmid, pa);
            return;
        }
    }
}

/* Of any VM but this one. Entries that deny more than what followed are entries, too. */
static void expect_flushed(const struct reach *r, uint64_t lo, uint64_t hi)
{
    struct model_watch *w = r->w;
    for (struct context *ctx = w->contexts; ctx && w->stale_total; ctx = ctx->next) {
        for (struct stale *s = stale_first(w, ctx); s && ctx->vm != r->ctx->vm; s = stale_next(w, s)) {
            uint64_t out = arch_decode(&w->machine, &ctx->regime, s->level, s->desc).out;
            char text[160];
            if (s->leaf && out < hi && lo < out + stale_span(s))
                model_violate(w->port, "hand-over: VMID %u gets frame %#" PRIx64 " while a CPU may hold %s",
                              r->ctx->vmid, lo, stale_text(s, text, sizeof text));
        }
    }
}

static enum model_sharing sharing(const struct reach *r, const struct hand *h, uint64_t pa)
{
    const struct handover *o = r->w->handover;

    return h->declared || !o->sharing ? (enum model_sharing)h->declared : o->sharing(o->arg, pa);
}

/* Others have had it. False: and may have it again as it is. */
static bool changes_hands(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi)
{
    bool home = h->home == r->ctx->vm, new = !(h->reached & vm_bit(r->ctx->vm)), over;
    enum model_sharing how = sharing(r, h, lo);

    if (how == MODEL_SHARED)
        return false;
    if ((!home && h->live_home) || ((home || new) && h->live_other))
        model_violate(r->w->port, "hand-over: VMID %u gets frame %#" PRIx64 ", which another VM has mapped",
                      r->ctx->vmid, lo);
    expect_flushed(r, lo, hi);
    over = home ? h->lent : how != MODEL_LENT;
    if (over)
        expect_zero(r, lo, hi);
    else
        h->lent = h->lent || (!home && r->write);
    return over;
}

static void gets(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi)
{
    uint16_t vm = r->ctx->vm;

    if (h->table && h->declared != MODEL_SHARED)
        model_violate(r->w->port, "hand-over: VMID %u gets frame %#" PRIx64 ", which is a table's", r->ctx->vmid, lo);
    cache_check_given(r->w, lo, hi - lo, h->scrubbed && r->exec);
    if (h->reached & ~vm_bit(vm) && changes_hands(r, h, lo, hi))
        *h = (struct hand){.declared = h->declared};
    if (!h->home)
        h->home = vm;
    h->reached |= vm_bit(vm);
    if (h->scrubbed)
        model_count(&r->w->port->count.given, (hi - lo) / FRAME);
    h->scrubbed = false;
    ++*(h->home == vm ? &h->live_home : &h->live_other);
}

static void loses(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi)
{
    uint16_t *live = h->home == r->ctx->vm ? &h->live_home : &h->live_other;

    (void)lo;
    (void)hi;
    *live = (uint16_t)(*live - (*live > 0));
}

static void is_zeroed(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi)
{
    (void)r;
    (void)lo;
    (void)hi;
    if (h->reached && !h->live_home && !h->live_other)
        *h = (struct hand){.declared = h->declared, .scrubbed = true};
}

static void is_table(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi)
{
    (void)hi;
    if ((h->live_home || h->live_other) && h->declared != MODEL_SHARED)
        model_violate(r->w->port, "hand-over: frame %#" PRIx64 " becomes a table while a VM has it mapped", lo);
    h->table = true;
}

static void is_declared(const struct reach *r, struct hand *h, uint64_t lo, uint64_t hi)
{
    (void)lo;
    (void)hi;
    h->declared = (uint8_t)r->declare;
}

/* --- what happens ------------------------------------------------------------------------------------------------------------- */

void handover_leaf(struct model_watch *w, struct context *ctx, int level, const struct arch_desc *d, bool comes)
{
    struct reach r = {.w = w, .ctx = ctx, .exec = d->x_el1 || d->x_el0, .write = d->write};

    all_between(w, d->out, d->out + (1ull << arch_shift(&ctx->regime, level)), comes ? gets : loses, &r);
}

void handover_table(struct model_watch *w, uint64_t pa)
{
    struct reach r = {.w = w};

    all_between(w, pa, pa + FRAME, is_table, &r);
}

void handover_zeroed(struct model_watch *w, uint64_t pa, uint64_t bytes)
{
    struct reach r = {.w = w};
    uint64_t lo = (pa + FRAME - 1) & ~(FRAME - 1), hi = (pa + bytes) & ~(FRAME - 1);

    if (lo < hi)
        all_between(w, lo, hi, is_zeroed, &r);
}

void model_declare(struct s2_port *m, uint64_t pa, uint64_t bytes, enum model_sharing how)
{
    if (!m->watch)
        return;
    struct reach r = {.w = m->watch, .declare = how};
    pthread_mutex_lock(&m->watch->mutex);
    all_between(m->watch, pa, pa + bytes, is_declared, &r);
    pthread_mutex_unlock(&m->watch->mutex);
}

void model_script_sharing(struct s2_port *m, model_sharing_fn *fn, void *arg)
{
    if (!m->watch)
        return;
    m->watch->handover->sharing = fn;
    m->watch->handover->arg = arg;
}
