/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The store of stale translations: found by {context, level, base}, listed per context. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model_watch.h"

static uint32_t hash_of(const struct context *ctx, int level, uint64_t ipa)
{
    uint64_t x = (ipa >> MODEL_CHUNK_LOG2) * 8 + (uint64_t)(level - ARCH_FIRST_LEVEL);
    x = (x ^ (uint64_t)ctx->vmid << 45) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(x >> (64 - MODEL_HASH_LOG2));
}

void stale_init(struct model_watch *w)
{
    w->stale_free = MODEL_NONE;
    memset(w->stale_hash, 0xff, sizeof w->stale_hash);
}

void stale_fini(struct model_watch *w)
{
    free(w->stale);
}

static uint32_t take(struct model_watch *w)
{
    if (w->stale_free == MODEL_NONE) {
        uint32_t room = w->stale_room ? w->stale_room * 2 : 1024;
        w->stale = realloc(w->stale, room * sizeof *w->stale);
        if (!w->stale)
            model_fatal("no memory for stale translations", room);
        for (uint32_t i = room; i-- > w->stale_room;) {
            w->stale[i] = (struct stale){.next = w->stale_free};
            w->stale_free = i;
        }
        w->stale_room = room;
    }
    uint32_t index = w->stale_free;
    w->stale_free = w->stale[index].next;
    return index;
}

uint64_t stale_span(const struct stale *s)
{
    return 1ull << arch_shift(&s->ctx->regime, s->level);
}

/* The same translation replaced once more: one element is enough. */
static struct stale *same(struct model_watch *w, const struct stale *like)
{
    for (struct stale *s = stale_find(w, like->ctx, like->level, like->ipa); s; s = stale_again(w, s))
        if (s->desc == like->desc && s->leaf == like->leaf)
            return s;
    return NULL;
}

struct stale_name stale_add(struct model_watch *w, const struct stale *like)
{
    struct stale *s = same(w, like);
    if (s) {
        s->stage2 |= like->stage2;
        s->combined |= like->combined;
        s->relaxed = s->relaxed && like->relaxed;
        s->bbm = s->bbm && like->bbm;
        s->forgets = s->forgets && like->forgets;
        s->store_cpu = like->store_cpu;
        s->store_epoch = like->store_epoch;
        s->store_epoch_any = like->store_epoch_any;
        return (struct stale_name){(uint32_t)(s - w->stale), s->serial};
    }
    uint32_t index = take(w);
    uint32_t *bucket = &w->stale_hash[hash_of(like->ctx, like->level, like->ipa)];
    s = &w->stale[index];
    *s = *like;
    s->serial = ++w->serial;
    s->hash_next = *bucket;
    *bucket = index;
    s->prev = MODEL_NONE;
    s->next = s->ctx->stale_head;
    if (s->next != MODEL_NONE)
        w->stale[s->next].prev = index;
    s->ctx->stale_head = index;
    s->ctx->stale_count++;
    s->ctx->stale_runs += s->run;
    w->stale_total++;
    return (struct stale_name){index, s->serial};
}

static void drop(struct model_watch *w, struct stale *s)
{
    uint32_t index = (uint32_t)(s - w->stale);
    uint32_t *link = &w->stale_hash[hash_of(s->ctx, s->level, s->ipa)];
    while (*link != index)
        link = &w->stale[*link].hash_next;
    *link = s->hash_next;
    if (s->prev == MODEL_NONE)
        s->ctx->stale_head = s->next;
    else
        w->stale[s->prev].next = s->next;
    if (s->next != MODEL_NONE)
        w->stale[s->next].prev = s->prev;
    s->ctx->stale_count--;
    s->ctx->stale_runs -= s->run;
    w->stale_total--;
    *s = (struct stale){.next = w->stale_free};
    w->stale_free = index;
}

void stale_clear(struct model_watch *w, struct stale *s, cpu_mask stage2, cpu_mask combined)
{
    s->stage2 &= (cpu_mask)~stage2;
    s->combined &= (cpu_mask)~combined;
    if (!s->stage2 && !s->combined)
        drop(w, s);
}

struct stale *stale_named(struct model_watch *w, struct stale_name name)
{
    struct stale *s = &w->stale[name.index];
    return s->serial == name.serial ? s : NULL;
}

static struct stale *match(struct model_watch *w, uint32_t index, const struct context *ctx, int level, uint64_t ipa)
{
    while (index != MODEL_NONE) {
        struct stale *s = &w->stale[index];
        if (s->ctx == ctx && s->level == level && s->ipa == ipa)
            return s;
        index = s->hash_next;
    }
    return NULL;
}

struct stale *stale_find(struct model_watch *w, struct context *ctx, int level, uint64_t ipa)
{
    if (!ctx->stale_count)
        return NULL;
    return match(w, w->stale_hash[hash_of(ctx, level, ipa)], ctx, level, ipa);
}

struct stale *stale_again(struct model_watch *w, struct stale *s)
{
    return match(w, s->hash_next, s->ctx, s->level, s->ipa);
}

struct stale *stale_member(struct model_watch *w, struct context *ctx, int level, uint64_t ipa)
{
    struct stale *s = ctx->stale_runs ? stale_find(w, ctx, level, ipa) : NULL;
    while (s && !s->run)
        s = stale_again(w, s);
    return s;
}

struct stale *stale_first(struct model_watch *w, struct context *ctx)
{
    return ctx->stale_head == MODEL_NONE ? NULL : &w->stale[ctx->stale_head];
}

struct stale *stale_next(struct model_watch *w, struct stale *s)
{
    return s->next == MODEL_NONE ? NULL : &w->stale[s->next];
}

const char *stale_text(const struct stale *s, char *buffer, size_t bytes)
{
    snprintf(buffer, bytes, "VMID %u IPA %#" PRIx64 " level %d %s %#" PRIx64 "%s%s", s->ctx->vmid, s->ipa, s->level,
             s->leaf ? "leaf" : "table", s->desc,
             s->stage2 ? "" : ", combined entry: no VMALLE1 after the IPA operation's DSB",
             s->hinted ? ", a TLBI had a TTL hint for another level" : "");
    return buffer;
}
