/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* TLBI operations (C5.5) and the barriers that complete them. An invalidation covers the entries that existed, and whose
 * replacing store was complete, when it was issued; it has happened when a DSB of the CPU that issued it is done. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

struct reach {
    struct context *ctx;
    uint64_t lo, hi;
    int level;      /* TTL hint, or MODEL_ANY_LEVEL */
    bool leaf_only; /* the ...L... forms */
    bool local;
    cpu_mask cpus;
};

static uint64_t operand_field(uint64_t operand, unsigned low, unsigned width)
{
    return (operand >> low) & ((1ull << width) - 1);
}

static void *grown(void *item, size_t *room, size_t size)
{
    *room = *room ? *room * 2 : 64;
    item = realloc(item, *room * size);
    if (!item)
        model_fatal("no memory for pending invalidations", *room);
    return item;
}

static void cover(struct model_watch *w, struct stale *s, bool local, cpu_mask stage2, cpu_mask combined)
{
    struct watch_cpu *cpu = watch_cpu(w);
    struct covered_list *list = local ? &cpu->local : &cpu->wide;
    /* For its own sake a CPU needs no more than DSB NSH; for the others, ISHST. */
    bool stored = local && s->store_cpu == s2_port_cpu(w->port) ? s->store_epoch_any != cpu->epoch_any
                                                                : s->store_epoch != w->cpu[s->store_cpu].epoch;
    if (!stored) {
        char text[160];
        model_violate(w->port, "TLBI with no DSB after the store that replaced %s", stale_text(s, text, sizeof text));
        return;
    }
    if (list->count == list->room)
        list->item = grown(list->item, &list->room, sizeof *list->item);
    list->item[list->count++] =
        (struct covered){{(uint32_t)(s - w->stale), s->serial}, s->stage2 & stage2, s->combined & combined};
}

/* --- by IPA: stage-2 entries only -------------------------------------------------------------------------------- */

static void cover_by_ipa(struct model_watch *w, struct stale *s, const struct reach *r)
{
    if (s->ipa >= r->hi || s->ipa + stale_span(s) <= r->lo)
        return;
    if (!s->leaf && (r->leaf_only || r->level != MODEL_ANY_LEVEL))
        return;
    if (r->level != MODEL_ANY_LEVEL && r->level != s->level) {
        s->hinted = true;
        return;
    }
    cover(w, s, r->local, r->cpus, 0);
}

static void invalidate_range(struct model_watch *w, const struct reach *r)
{
    const struct arch_regime *g = &r->ctx->regime;
    if (r->hi - r->lo > 1ull << g->granule) {
        for (struct stale *s = stale_first(w, r->ctx); s; s = stale_next(w, s))
            cover_by_ipa(w, s, r);
        return;
    }
    for (int level = g->start; level <= ARCH_LAST_LEVEL; level++) {
        uint64_t base = r->lo & ~((1ull << arch_shift(g, level)) - 1);
        for (struct stale *s = stale_find(w, r->ctx, level, base); s; s = stale_again(w, s))
            cover_by_ipa(w, s, r);
    }
}

/* TTL[3:2] names the granule, TTL[1:0] the level (C5.5.3); 00 in the upper half is no hint. */
static void by_ipa(struct model_watch *w, struct reach *r, uint64_t operand)
{
    const struct arch_regime *g = &r->ctx->regime;
    uint64_t ttl = operand_field(operand, 44, 4);
    r->lo = operand_field(operand, 0, g->ds || g->wide64 ? 40 : 36) << MODEL_CHUNK_LOG2;
    r->hi = r->lo + (1ull << g->granule);
    if (operand != ((r->lo >> MODEL_CHUNK_LOG2) | ttl << 44))
        model_violate(w->port, "TLBI by IPA with reserved operand bits %#" PRIx64, operand);
    if (r->lo >> g->ipa_bits)
        model_violate(w->port, "TLBI by IPA beyond the IPA size: %#" PRIx64, r->lo);
    if (r->lo & (r->hi - r->lo - 1))
        model_violate(w->port, "TLBI by IPA that is not aligned to the granule: %#" PRIx64, r->lo);
    if (!ttl)
        return;
    int level = (int)(ttl & 3);
    if (!w->machine.caps.ttl)
        model_violate(w->port, "TTL hint %#" PRIx64 " without FEAT_TTL", ttl);
    if (ttl >> 2 != (g->granule - 10) / 2)
        model_violate(w->port, "TTL hint names another granule: %#" PRIx64, ttl);
    /* 4K level 0 and 16K level 1 hold leaves with LPA2 only; elsewhere these values are reserved. */
    if ((level == 0 && !(g->granule == 12 && g->ds)) || (level == 1 && g->granule == 14 && !g->ds))
        model_violate(w->port, "TTL hint %#" PRIx64 " is reserved at this geometry", ttl);
    r->level = level;
}

/* C5.5.22: the base counts granules, or 64K units with DS; (NUM + 1) << (5 x SCALE + 1) granules from there. */
static void by_range(struct model_watch *w, struct reach *r, uint64_t operand)
{
    const struct arch_regime *g = &r->ctx->regime;
    static const uint64_t tg_of[] = {[12] = 1, [14] = 2, [16] = 3};
    uint64_t ttl = operand_field(operand, 37, 2), num = operand_field(operand, 39, 5);
    uint64_t scale = operand_field(operand, 44, 2);
    r->lo = operand_field(operand, 0, 37) << (g->ds ? 16 : g->granule);
    r->hi = r->lo + ((num + 1) << (5 * scale + 1 + g->granule));
    if (!w->machine.caps.tlbirange)
        model_violate(w->port, "range TLBI without FEAT_TLBIRANGE");
    if (operand >> 48)
        model_violate(w->port, "range TLBI with reserved operand bits %#" PRIx64, operand);
    if (operand_field(operand, 46, 2) != tg_of[g->granule]) {
        model_violate(w->port, "range TLBI with a TG that is not the granule in use");
        r->hi = r->lo;
    }
    if (r->lo >> g->ipa_bits)
        model_violate(w->port, "range TLBI with a base beyond the IPA size: %#" PRIx64, r->lo);
    /* D8.17.5 and C5.5.22: at 4K with DS, TTL 00 may stand for any level or for level 0, and so ask for a base aligned to it. */
    if (!ttl && g->ds && g->granule == 12 && (r->lo & ((1ull << arch_shift(g, 0)) - 1)))
        model_violate(w->port,
                      "range TLBI at 4K with DS, no TTL and a base unaligned to level 0, %#" PRIx64
                      ": the texts disagree on what it reaches",
                      r->lo);
    if (!ttl)
        return;
    r->level = (int)ttl;
    if (ttl == 1 && g->granule == 14 && !g->ds)
        model_violate(w->port, "TTL hint 1 is reserved at this geometry");
    if (ttl < ARCH_LAST_LEVEL && (r->lo & ((1ull << arch_shift(g, r->level)) - 1)))
        model_violate(w->port, "range TLBI with TTL %" PRIu64 " and a base unaligned to it", ttl);
}

/* --- by VMID, and everything ------------------------------------------------------------------------------------- */

static void cover_vmid(struct model_watch *w, const struct reach *r, bool stage2)
{
    struct watch_cpu *cpu = watch_cpu(w);
    struct flushed_list *list = r->local ? &cpu->local_all : &cpu->wide_all;
    if (list->count == list->room)
        list->item = grown(list->item, &list->room, sizeof *list->item);
    list->item[list->count++] = (struct flushed){r->ctx, r->cpus, stage2};
}

/* A combined entry can be made again from the stage-2 entry as long as that one lives: so only those go whose stage-2
 * part is known to be gone. */
static void cover_combined(struct model_watch *w, const struct reach *r)
{
    for (struct stale *s = stale_first(w, r->ctx); s; s = stale_next(w, s))
        if (s->combined & r->cpus & (cpu_mask)~s->stage2)
            cover(w, s, r->local, 0, r->cpus & (cpu_mask)~s->stage2);
    cover_vmid(w, r, false);
}

static void cover_all(struct model_watch *w, const struct reach *r)
{
    for (struct stale *s = stale_first(w, r->ctx); s; s = stale_next(w, s))
        cover(w, s, r->local, r->cpus, r->cpus);
    cover_vmid(w, r, true);
}

void tlb_invalidate(struct model_watch *w, enum s2_tlbi op, uint64_t operand)
{
    struct watch_cpu *cpu = watch_cpu(w);
    bool local = op >= S2_TLBI_IPAS2E1;
    struct reach r = {.ctx = cpu->loaded, .level = MODEL_ANY_LEVEL, .local = local};
    if (local)
        r.cpus = cpu_bit(s2_port_cpu(w->port));
    else
        r.cpus = (cpu_mask)((1u << w->port->cpus) - 1);
    *(local ? &cpu->tlbi_local : &cpu->tlbi_wide) = true;
    cpu->tlbi_since = true;
    if (op == S2_TLBI_ALLE1IS || op == S2_TLBI_ALLE1) {
        for (r.ctx = w->contexts; r.ctx; r.ctx = r.ctx->next)
            cover_all(w, &r);
        return;
    }
    if (!r.ctx) {
        model_violate(w->port, "TLBI by VMID with no context loaded");
        return;
    }
    if (cpu->unsynced)
        model_violate(w->port, "TLBI after loading VTTBR_EL2 and VTCR_EL2 without an ISB");
    r.leaf_only =
        op == S2_TLBI_IPAS2LE1IS || op == S2_TLBI_IPAS2LE1 || op == S2_TLBI_RIPAS2LE1IS || op == S2_TLBI_RIPAS2LE1;
    switch (op) {
    case S2_TLBI_VMALLE1IS:
    case S2_TLBI_VMALLE1:
        cover_combined(w, &r);
        break;
    case S2_TLBI_VMALLS12E1IS:
    case S2_TLBI_VMALLS12E1:
        cover_all(w, &r);
        break;
    case S2_TLBI_RIPAS2E1IS:
    case S2_TLBI_RIPAS2LE1IS:
    case S2_TLBI_RIPAS2E1:
    case S2_TLBI_RIPAS2LE1:
        by_range(w, &r, operand);
        invalidate_range(w, &r);
        break;
    default:
        by_ipa(w, &r, operand);
        invalidate_range(w, &r);
    }
}

/* --- barriers -------------------------------------------------------------------------------------------------------- */

static void complete_vmid(struct model_watch *w, const struct flushed *f)
{
    cpu_mask loaded = 0;
    for (unsigned c = 0; c < w->port->cpus; c++) {
        bool reached = f->cpus & cpu_bit(c);
        if (reached)
            f->ctx->vcpu[c] = 0;
        if (w->cpu[c].loaded != f->ctx)
            continue;
        loaded |= cpu_bit(c);
        if (reached && f->stage2)
            w->cpu[c].flushed_since = true;
    }
    if (!f->stage2)
        return;
    f->ctx->hot &= (cpu_mask)~f->cpus | loaded;
    graph_cold(w, f->ctx);
}

static void complete(struct model_watch *w, struct covered_list *list, struct flushed_list *all)
{
    for (size_t i = 0; i < list->count; i++) {
        struct stale *s = stale_named(w, list->item[i].name);
        if (s)
            stale_clear(w, s, list->item[i].stage2, list->item[i].combined);
    }
    list->count = 0;
    for (size_t i = 0; i < all->count; i++)
        complete_vmid(w, &all->item[i]);
    all->count = 0;
}

void tlb_barrier(struct model_watch *w, enum s2_barrier barrier)
{
    struct watch_cpu *cpu = watch_cpu(w);
    if (barrier == S2_ISB) {
        cpu->unsynced = false;
        return;
    }
    run_settle(w, &cpu->touched);
    cpu->unordered = false;
    cpu->epoch_any++;
    if (barrier != S2_DSB_NSH) {
        cpu->epoch++;
        cpu->made = false;
    }
    if (barrier == S2_DSB_ISHST) /* orders stores; only a full DSB completes a TLBI */
        return;
    cpu->walked_since = false;
    cpu->tlbi_local = false;
    complete(w, &cpu->local, &cpu->local_all);
    if (barrier == S2_DSB_NSH)
        return;
    cpu->tlbi_wide = false;
    complete(w, &cpu->wide, &cpu->wide_all);
}
