/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Which table pages a walker reaches, and what an edit of one of them means. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

#define CHUNK (1ull << MODEL_CHUNK_LOG2)

static uint32_t hash_of(uint64_t pa)
{
    return (uint32_t)(((pa >> MODEL_CHUNK_LOG2) * 0x9e3779b97f4a7c15ull) >> (64 - MODEL_HASH_LOG2));
}

/* --- page records ------------------------------------------------------------------------------------------------ */

static void leave(struct page *page)
{
    if (!page->ctx)
        return;
    if (page->prev)
        page->prev->next = page->next;
    else
        page->ctx->pages = page->next;
    if (page->next)
        page->next->prev = page->prev;
    page->ctx = NULL;
}

static void erase(struct model_watch *w, struct page *page)
{
    leave(page);
    struct page **link = &w->page[hash_of(page->pa)];
    while (*link != page)
        link = &(*link)->hash_next;
    *link = page->hash_next;
    free(page);
}

bool graph_guarded(struct model_watch *w, const struct page *page)
{
    for (unsigned i = 0; i < page->guards; i++)
        if (stale_named(w, page->guard[i]))
            return true;
    return false;
}

struct page *graph_page(struct model_watch *w, uint64_t pa)
{
    pa &= ~(CHUNK - 1);
    for (struct page *page = w->page[hash_of(pa)]; page; page = page->hash_next) {
        if (page->pa != pa)
            continue;
        if (page->ctx || graph_guarded(w, page))
            return page;
        erase(w, page);
        return NULL;
    }
    return NULL;
}

static struct page *enter(struct model_watch *w, struct context *ctx, uint64_t pa, int level, uint64_t ipa)
{
    struct page *page = graph_page(w, pa);
    if (page && page->ctx) {
        model_violate(w->port, "table page %#" PRIx64 " is linked twice (VMID %u, VMID %u)", pa, page->ctx->vmid,
                      ctx->vmid);
        return NULL;
    }
    if (page) {
        model_violate(w->port, "table page %#" PRIx64 " is linked again before its flush", pa);
        erase(w, page);
    }
    page = calloc(1, sizeof *page);
    if (!page)
        model_fatal("no memory for a page record", sizeof *page);
    *page = (struct page){.pa = pa, .ipa = ipa, .ctx = ctx, .level = level, .next = ctx->pages};
    if (page->next)
        page->next->prev = page;
    ctx->pages = page;
    handover_table(w, pa);
    page->hash_next = w->page[hash_of(pa)];
    w->page[hash_of(pa)] = page;
    return page;
}

/* Leaves of a table that is watched no longer. */
static void forget_leaves(struct model_watch *w, struct context *ctx, const struct page *page)
{
    const uint64_t *slot = (const uint64_t *)(const void *)model_host(w->port, page->pa);
    for (unsigned i = 0; i < MODEL_SLOTS; i++) {
        struct arch_desc d = arch_decode(&w->machine, &ctx->regime, page->level, slot[i]);
        if (d.kind == ARCH_LEAF)
            handover_leaf(w, ctx, page->level, &d, false);
    }
}

void graph_forget(struct model_watch *w, struct context *ctx)
{
    while (ctx->pages) {
        forget_leaves(w, ctx, ctx->pages);
        erase(w, ctx->pages);
    }
    ctx->nt = 0;
}

void graph_cold(struct model_watch *w, struct context *ctx)
{
    if (ctx->hot || ctx->stale_count)
        return;
    for (unsigned c = 0; c < w->port->cpus; c++)
        if (w->cpu[c].loaded == ctx)
            return;
    graph_forget(w, ctx);
}

/* --- linking and unlinking ------------------------------------------------------------------------------------------ */

static void link_table(struct model_watch *w, struct context *ctx, uint64_t pa, uint64_t bytes, int level,
                       uint64_t ipa);

static void note_leaf(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t *slot,
                      uint64_t desc, const struct arch_desc *d)
{
    if (d->contiguous && arch_run(&ctx->regime, level)) {
        if (ctx->hot)
            run_joined(w, ctx, level, ipa, slot, desc);
        run_touch(w, ctx, level, ipa, slot);
    }
    if (d->nt) {
        ctx->nt++;
        ctx->nt_ipa = ipa;
    }
}

static void drop_leaf(struct model_watch *w, struct context *ctx, int level, const struct arch_desc *d)
{
    if (d->kind == ARCH_LEAF)
        handover_leaf(w, ctx, level, d, false);
    if (d->nt && ctx->nt)
        ctx->nt--;
}

static void link_slot(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t *slot,
                      uint64_t desc)
{
    const struct arch_regime *r = &ctx->regime;
    const char *bad = arch_malformed(&w->machine, r, level, desc);
    if (bad)
        model_violate(w->port, "descriptor %#" PRIx64 " at level %d, IPA %#" PRIx64 ": %s", desc, level, ipa, bad);
    struct arch_desc d = arch_decode(&w->machine, r, level, desc);
    if (d.kind == ARCH_INVALID)
        return;
    if (ipa >> r->ipa_bits) {
        model_violate(w->port, "a valid descriptor beyond the IPA size at %#" PRIx64, ipa);
        return;
    }
    if (d.kind == ARCH_LEAF) {
        conflict_leaf(w, ctx, level, ipa, desc);
        handover_leaf(w, ctx, level, &d, true);
        note_leaf(w, ctx, level, ipa, slot, desc, &d);
        return;
    }
    conflict_table(w, ctx, level, ipa, desc);
    link_table(w, ctx, d.out, 1ull << r->granule, level + 1, ipa);
}

/* At most five levels deep. */
static void link_table(struct model_watch *w, struct context *ctx, uint64_t pa, uint64_t bytes, int level, uint64_t ipa)
{
    unsigned shift = arch_shift(&ctx->regime, level);
    for (uint64_t at = 0; at < bytes; at += CHUNK) {
        uint64_t *slot = (uint64_t *)(void *)model_host(w->port, pa + at);
        uint64_t base = ipa + ((at / sizeof *slot) << shift);
        if (!slot) {
            model_violate(w->port, "a table at %#" PRIx64 ", where there is no RAM", pa + at);
            return;
        }
        if (!enter(w, ctx, pa + at, level, base))
            return;
        for (uint64_t i = 0; i < MODEL_SLOTS; i++)
            link_slot(w, ctx, level, base + (i << shift), &slot[i], __atomic_load_n(&slot[i], __ATOMIC_RELAXED));
    }
}

void graph_link(struct model_watch *w, struct context *ctx)
{
    const struct arch_regime *r = &ctx->regime;
    if (!ctx->pages)
        link_table(w, ctx, r->root, (uint64_t)r->roots << r->granule, r->start, 0);
}

/* s: level, address, descriptor, and how what follows differs. */
static struct stale_name outdate(struct model_watch *w, struct context *ctx, const struct arch_desc *d, struct stale s)
{
    unsigned cpu = s2_port_cpu(w->port);
    s.ctx = ctx;
    s.leaf = d->kind == ARCH_LEAF;
    s.run = d->contiguous;
    s.stage2 = ctx->hot;
    s.combined = s.leaf ? ctx->hot : 0;
    s.store_cpu = cpu;
    s.store_epoch = w->cpu[cpu].epoch;
    s.store_epoch_any = w->cpu[cpu].epoch_any;
    return stale_add(w, &s);
}

/* Everything under a table entry that goes away becomes stale; its pages stay guarded by every entry above them. */
static void unlink_table(struct model_watch *w, struct context *ctx, uint64_t pa, int level, uint64_t ipa, bool bbm,
                         const struct stale_name *guard, unsigned guards)
{
    unsigned shift = arch_shift(&ctx->regime, level);
    struct stale_name mine[MODEL_GUARDS + 1];
    for (unsigned i = 0; i < guards; i++)
        mine[i] = guard[i];
    for (uint64_t at = 0; at < 1ull << ctx->regime.granule; at += CHUNK) {
        struct page *page = graph_page(w, pa + at);
        if (!page || page->ctx != ctx)
            continue; /* its linking was a violation already */
        const uint64_t *slot = (const uint64_t *)(const void *)model_host(w->port, pa + at);
        leave(page);
        for (uint64_t i = 0; i < MODEL_SLOTS; i++) {
            uint64_t desc = __atomic_load_n(&slot[i], __ATOMIC_RELAXED);
            uint64_t at_ipa = ipa + ((at / sizeof *slot + i) << shift);
            struct arch_desc d = arch_decode(&w->machine, &ctx->regime, level, desc);
            if (d.kind == ARCH_INVALID)
                continue;
            drop_leaf(w, ctx, level, &d);
            if (ctx->hot)
                mine[guards] =
                    outdate(w, ctx, &d, (struct stale){.level = level, .ipa = at_ipa, .desc = desc, .bbm = bbm});
            if (d.kind == ARCH_TABLE)
                unlink_table(w, ctx, d.out, level + 1, at_ipa, bbm, mine, ctx->hot ? guards + 1 : 0);
        }
        page->guards = guards;
        for (unsigned i = 0; i < guards; i++)
            page->guard[i] = guard[i];
        if (!guards)
            erase(w, page);
    }
}

/* --- an edit ---------------------------------------------------------------------------------------------------------- */

struct edit {
    struct context *ctx;
    int level;
    uint64_t ipa, was, now;
    struct arch_desc before, after;
    enum arch_change change; /* when both are valid */
    bool resized, bbm;       /* leaf to table or back; a change of size that is allowed in place */
    bool forgets;            /* access flag or dirty state go, and nothing else */
};

/* Contiguous bit set or cleared, and nothing else: with FEAT_BBM level 2 a change of size like another. */
static bool refolded(const struct model_watch *w, const struct edit *e)
{
    struct arch_desc like = e->after;
    like.contiguous = e->before.contiguous;
    return w->machine.caps.bbm == 2 && e->before.contiguous != e->after.contiguous &&
           arch_compare(&e->before, &like) == ARCH_SAME;
}

static void classify(struct model_watch *w, struct edit *e)
{
    e->before = arch_decode(&w->machine, &e->ctx->regime, e->level, e->was);
    e->after = arch_decode(&w->machine, &e->ctx->regime, e->level, e->now);
    if (e->before.kind == ARCH_INVALID || e->after.kind == ARCH_INVALID)
        return;
    e->resized = e->before.kind != e->after.kind;
    e->bbm = e->resized && (w->machine.caps.bbm == 2 || e->before.nt || e->after.nt);
    if (e->resized) {
        e->change = ARCH_REPLACE;
    } else if (e->before.kind == ARCH_TABLE) {
        e->change = e->before.out == e->after.out ? ARCH_SAME : ARCH_REPLACE;
    } else {
        e->change = arch_compare(&e->before, &e->after);
        e->bbm = refolded(w, e);
        e->forgets = e->change <= ARCH_RELAX && arch_forgets(&e->ctx->regime, &e->before, &e->after);
        if (e->forgets)
            e->change = ARCH_TIGHTEN;
    }
}

static void check_change(struct model_watch *w, const struct edit *e, enum model_write how)
{
    const struct arch_regime *r = &e->ctx->regime;
    if (e->before.kind == ARCH_LEAF && (r->ha || r->hd) && how != MODEL_SWAP)
        model_violate(w->port,
                      "plain store to the live leaf of IPA %#" PRIx64 " with HA or HD: a hardware update can be lost",
                      e->ipa);
    if (e->before.kind != ARCH_INVALID && e->after.kind != ARCH_INVALID && e->change == ARCH_REPLACE && !e->bbm)
        model_violate(w->port,
                      "break-before-make: VMID %u IPA %#" PRIx64 " level %d goes from %#" PRIx64 " to %#" PRIx64
                      " with no break between",
                      e->ctx->vmid, e->ipa, e->level, e->was, e->now);
}

static void made(struct model_watch *w, const struct edit *e)
{
    struct watch_cpu *cpu = watch_cpu(w);
    uint64_t end = e->ipa + (1ull << arch_shift(&e->ctx->regime, e->level));
    if (!cpu->made || cpu->made_ctx != e->ctx) {
        cpu->made_lo = e->ipa;
        cpu->made_hi = end;
    }
    cpu->made = true;
    cpu->made_ctx = e->ctx;
    cpu->made_lo = e->ipa < cpu->made_lo ? e->ipa : cpu->made_lo;
    cpu->made_hi = end > cpu->made_hi ? end : cpu->made_hi;
}

static void outdate_old(struct model_watch *w, const struct edit *e)
{
    struct stale_name name = {0};
    if (e->ctx->hot)
        name = outdate(w, e->ctx, &e->before,
                       (struct stale){.level = e->level,
                                      .ipa = e->ipa,
                                      .desc = e->was,
                                      .relaxed = e->after.kind == ARCH_LEAF && e->change == ARCH_RELAX,
                                      .bbm = e->bbm,
                                      .forgets = e->forgets});
    if (e->before.kind == ARCH_TABLE)
        unlink_table(w, e->ctx, e->before.out, e->level + 1, e->ipa, e->bbm, &name, e->ctx->hot != 0);
}

void graph_edit(struct model_watch *w, struct page *page, uint64_t *slot, uint64_t now, enum model_write how)
{
    struct watch_cpu *cpu = watch_cpu(w);
    uint64_t index = ((uintptr_t)slot & (CHUNK - 1)) / sizeof *slot;
    struct edit e = {.ctx = page->ctx, .level = page->level, .was = *slot, .now = now};
    e.ipa = page->ipa + (index << arch_shift(&e.ctx->regime, e.level));
    cpu->edit_since = cpu->walked_since = true;
    if (e.was == now)
        return;
    model_count(&w->port->count.live, 1);
    classify(w, &e);
    if (e.ctx->hot)
        check_change(w, &e, how);
    if (e.after.kind == ARCH_TABLE && cpu->unordered && how != MODEL_SWAP && how != MODEL_RELEASE)
        model_violate(w->port,
                      "a table is linked at IPA %#" PRIx64
                      " by a plain store: its contents may be seen later than the link",
                      e.ipa);
    __atomic_store_n(slot, now, __ATOMIC_RELEASE);
    drop_leaf(w, e.ctx, e.level, &e.before);
    if (e.before.contiguous && arch_run(&e.ctx->regime, e.level))
        run_touch(w, e.ctx, e.level, e.ipa, slot);
    bool kept = e.after.kind != ARCH_INVALID && e.change == ARCH_SAME && !e.resized;
    if (e.before.kind != ARCH_INVALID && !(e.after.kind == e.before.kind && kept))
        outdate_old(w, &e);
    if (!(e.before.kind == ARCH_TABLE && e.after.kind == ARCH_TABLE && kept))
        link_slot(w, e.ctx, e.level, e.ipa, slot, now);
    if (e.before.kind == ARCH_INVALID && e.after.kind != ARCH_INVALID)
        made(w, &e);
}
