/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A new translation beside one that is still cached: what may stand there without a break before it. */
#include <inttypes.h>

#include "model_watch.h"

static void conflict(struct model_watch *w, const struct stale *s, uint64_t ipa, uint64_t desc)
{
    char text[160];
    model_violate(w->port, "break-before-make: IPA %#" PRIx64 " gets %#" PRIx64 " while %s lives", ipa, desc,
                  stale_text(s, text, sizeof text));
}

/* May another size stand beside this entry (D8.16.2)? At level 2 of FEAT_BBM any, at level 1 when either of them has nT. A
 * relaxed one that some other CPU still holds may differ in what it allows, too: whichever of both is used, or both mixed,
 * the worst is a fault that is retried. */
static bool any_size(const struct model_watch *w, const struct stale *s, bool nt)
{
    if (w->machine.caps.bbm == 2)
        return s->bbm || (s->leaf && s->relaxed);
    return s->bbm && (nt || (s->leaf && arch_decode(&w->machine, &s->ctx->regime, s->level, s->desc).nt));
}

/* Does the leaf agree with a cached one that overlaps it in everything but permissions (other size: in everything)? */
static bool agrees(struct model_watch *w, const struct stale *s, int level, uint64_t ipa, const struct arch_desc *now)
{
    struct arch_desc was = arch_decode(&w->machine, &s->ctx->regime, s->level, s->desc);
    struct arch_desc moved = *now;
    if (!s->leaf)
        return any_size(w, s, now->nt);
    moved.out += s->ipa - ipa; /* wraps both ways */
    if (level == s->level && was.contiguous == moved.contiguous)
        return arch_compare(&was, &moved) != ARCH_REPLACE;
    moved.contiguous = was.contiguous;
    moved.nt = was.nt;
    enum arch_change change = arch_compare(&was, &moved);
    return any_size(w, s, now->nt) && (s->relaxed ? change != ARCH_REPLACE : change == ARCH_SAME);
}

/* Entries for whole runs that stand against a leaf at ipa (against a table: now is null), whichever member made them. */
static void check_runs(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t desc,
                       const struct arch_desc *now)
{
    for (int l = ctx->regime.start; l <= level && ctx->stale_runs; l++) {
        uint64_t span = 1ull << arch_shift(&ctx->regime, l), bytes = arch_run_bytes(&ctx->regime, l);
        uint64_t base = ipa & ~(bytes - 1);
        for (uint64_t at = base; at < base + bytes; at += span)
            for (struct stale *s = stale_member(w, ctx, l, at); s; s = stale_again(w, s))
                if (s->run && (now ? !agrees(w, s, level, ipa, now) : !any_size(w, s, false)))
                    conflict(w, s, ipa, desc);
    }
}

void conflict_leaf(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t desc)
{
    if (!ctx->stale_count)
        return;
    struct arch_desc now = arch_decode(&w->machine, &ctx->regime, level, desc);
    for (int l = ctx->regime.start; l <= level; l++) {
        uint64_t base = ipa & ~((1ull << arch_shift(&ctx->regime, l)) - 1);
        for (struct stale *s = stale_find(w, ctx, l, base); s; s = stale_again(w, s))
            if ((s->leaf || l == level) && !agrees(w, s, level, ipa, &now))
                conflict(w, s, ipa, desc);
    }
    check_runs(w, ctx, level, ipa, desc, &now);
    if (level == ARCH_LAST_LEVEL)
        return;
    uint64_t end = ipa + (1ull << arch_shift(&ctx->regime, level));
    for (struct stale *s = stale_first(w, ctx); s; s = stale_next(w, s))
        if (s->level > level && s->ipa >= ipa && s->ipa < end && !agrees(w, s, level, ipa, &now))
            conflict(w, s, ipa, desc);
}

void conflict_table(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t desc)
{
    for (struct stale *s = stale_find(w, ctx, level, ipa); s; s = stale_again(w, s))
        if (!any_size(w, s, false) && (s->leaf || s->desc != desc))
            conflict(w, s, ipa, desc);
    check_runs(w, ctx, level, ipa, desc, NULL);
}
