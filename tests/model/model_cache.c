/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Guest frames that EL2 has written: not to be seen by a guest before they are cleaned to the point of coherency (a guest
 * starts with its MMU off and reads around the caches, unless FWB forces it through them), nor executed before
 * instruction fetch was told. One extent per frame is kept: pieces are cleaned from either end. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

#define FRAME      (1ull << MODEL_CHUNK_LOG2)
#define DIRTY_LOG2 12u

struct extent {
    uint64_t lo, hi; /* lo == hi: nothing */
};
struct frame {
    uint64_t pa;
    struct extent data, code;
    struct frame *next;
};
struct dirty {
    struct frame *frame[1u << DIRTY_LOG2];
    size_t uncleaned; /* frames with a data extent */
};

static struct frame **bucket(struct dirty *d, uint64_t pa)
{
    return &d->frame[((pa >> MODEL_CHUNK_LOG2) * 0x9e3779b97f4a7c15ull) >> (64 - DIRTY_LOG2)];
}

static struct frame *find(struct model_watch *w, uint64_t pa)
{
    if (!w->dirty)
        return NULL;
    struct frame *f = *bucket(w->dirty, pa);
    while (f && f->pa != pa)
        f = f->next;
    return f;
}

static struct frame *find_or_make(struct model_watch *w, uint64_t pa)
{
    struct frame *f = find(w, pa);
    if (f)
        return f;
    if (!w->dirty)
        w->dirty = calloc(1, sizeof *w->dirty);
    f = calloc(1, sizeof *f);
    if (!w->dirty || !f)
        model_fatal("no memory for a dirty frame", pa);
    f->pa = pa;
    f->next = *bucket(w->dirty, pa);
    *bucket(w->dirty, pa) = f;
    return f;
}

static void drop_if_done(struct model_watch *w, struct frame *f)
{
    if (f->data.lo != f->data.hi || f->code.lo != f->code.hi)
        return;
    struct frame **link = bucket(w->dirty, f->pa);
    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
    free(f);
}

void cache_fini(struct model_watch *w)
{
    for (uint32_t i = 0; w->dirty && i < 1u << DIRTY_LOG2; i++) {
        while (w->dirty->frame[i]) {
            struct frame *f = w->dirty->frame[i];
            w->dirty->frame[i] = f->next;
            free(f);
        }
    }
    free(w->dirty);
}

static void grow(struct extent *e, uint64_t lo, uint64_t hi)
{
    if (e->lo == e->hi)
        *e = (struct extent){lo, hi};
    e->lo = lo < e->lo ? lo : e->lo;
    e->hi = hi > e->hi ? hi : e->hi;
}

static void shrink(struct extent *e, uint64_t lo, uint64_t hi)
{
    if (lo <= e->lo)
        e->lo = hi < e->lo ? e->lo : hi;
    else if (hi >= e->hi && lo < e->hi)
        e->hi = lo;
    if (e->lo >= e->hi)
        e->lo = e->hi = 0;
}

/* No stale translation may lead to a frame that is filled for its next owner. */
static void check_reuse(struct model_watch *w, uint64_t pa, size_t bytes)
{
    for (struct context *ctx = w->contexts; ctx && w->stale_total; ctx = ctx->next) {
        for (struct stale *s = stale_first(w, ctx); s; s = stale_next(w, s)) {
            if (!s->leaf || s->relaxed)
                continue;
            uint64_t out = arch_decode(&w->machine, &ctx->regime, s->level, s->desc).out;
            char text[160];
            if (pa < out + stale_span(s) && out < pa + bytes)
                model_violate(w->port, "frame %#" PRIx64 " is written while a CPU may hold %s", pa,
                              stale_text(s, text, sizeof text));
        }
    }
}

void cache_written(struct model_watch *w, uint64_t pa, size_t bytes)
{
    check_reuse(w, pa, bytes);
    for (uint64_t at = pa, end = pa + bytes; at < end; at = (at & ~(FRAME - 1)) + FRAME) {
        uint64_t next = (at & ~(FRAME - 1)) + FRAME;
        uint64_t hi = next < end ? next : end;
        struct frame *f = find_or_make(w, at & ~(FRAME - 1));
        if (!w->machine.fwb) {
            w->dirty->uncleaned += f->data.lo == f->data.hi;
            grow(&f->data, at, hi);
        }
        grow(&f->code, at, hi); /* of zeroes, too: an instruction cache may hold the last owner's code at that PA */
    }
}

void cache_cleaned(struct model_watch *w, uint64_t pa, size_t bytes)
{
    uint64_t line = 1ull << w->machine.caps.dline_log2;
    uint64_t lo = pa & ~(line - 1), hi = (pa + bytes + line - 1) & ~(line - 1);
    for (uint64_t at = pa & ~(FRAME - 1); at < hi; at += FRAME) {
        struct frame *f = find(w, at);
        if (!f || f->data.lo == f->data.hi)
            continue;
        shrink(&f->data, lo, hi);
        w->dirty->uncleaned -= f->data.lo == f->data.hi;
        drop_if_done(w, f);
    }
}

void cache_synced(struct model_watch *w, uint64_t pa, size_t bytes)
{
    for (uint64_t at = pa & ~(FRAME - 1); at < pa + bytes; at += FRAME) {
        struct frame *f = find(w, at);
        if (!f)
            continue;
        shrink(&f->code, pa, pa + bytes);
        drop_if_done(w, f);
    }
}

void cache_check_access(struct model_watch *w, uint64_t pa, bool exec)
{
    const struct frame *f = find(w, pa & ~(FRAME - 1));
    if (!f)
        return;
    if (f->data.lo != f->data.hi)
        model_violate(w->port, "a guest sees frame %#" PRIx64 ", written and not cleaned to PoC", f->pa);
    if (exec && f->code.lo <= pa && pa < f->code.hi)
        model_violate(w->port, "a guest executes at %#" PRIx64 ", written and not synced", pa);
}

static void check_given(struct model_watch *w, const struct frame *f, bool synced)
{
    if (f->data.lo != f->data.hi)
        model_violate(w->port, "hand-over: frame %#" PRIx64 " is given before it was cleaned to PoC", f->pa);
    if (synced && f->code.lo == f->pa && f->code.hi == f->pa + FRAME)
        model_violate(w->port, "hand-over: frame %#" PRIx64 " is given before instruction fetch was told", f->pa);
}

void cache_check_given(struct model_watch *w, uint64_t pa, uint64_t bytes, bool synced)
{
    enum { FEW = 1u << DIRTY_LOG2 };
    if (!w->dirty || (!w->dirty->uncleaned && !synced))
        return;
    for (uint64_t at = pa; at < pa + bytes && bytes / FRAME <= FEW; at += FRAME) {
        const struct frame *f = find(w, at);
        if (f)
            check_given(w, f, synced);
    }
    for (uint32_t i = 0; i < FEW && bytes / FRAME > FEW; i++)
        for (const struct frame *f = w->dirty->frame[i]; f; f = f->next)
            if (f->pa >= pa && f->pa - pa < bytes)
                check_given(w, f, synced);
}

void cache_check_quiet(struct model_watch *w)
{
    if (w->dirty && w->dirty->uncleaned)
        model_violate(w->port, "%zu frames were written and not cleaned to PoC", w->dirty->uncleaned);
}
