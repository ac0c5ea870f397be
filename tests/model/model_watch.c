/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The strict machine's face towards the port: one mutex, and who is told of what. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

#define CHUNK (1ull << MODEL_CHUNK_LOG2)

struct model_watch *model_watch_create(struct s2_port *m, const struct model_config *cfg)
{
    struct model_watch *w = calloc(1, sizeof *w);
    if (!w)
        model_fatal("no memory for the strict machine", sizeof *w);
    pthread_mutex_init(&w->mutex, NULL);
    w->port = m;
    w->machine = (struct arch_machine){.caps = cfg->caps, .fwb = cfg->caps.fwb};
    stale_init(w);
    handover_init(w, cfg->any_frame);
    return w;
}

void model_watch_destroy(struct model_watch *w)
{
    while (w->contexts) {
        struct context *ctx = w->contexts;
        w->contexts = ctx->next;
        graph_forget(w, ctx);
        free(ctx);
    }
    for (uint32_t i = 0; i < 1u << MODEL_HASH_LOG2; i++) {
        while (w->page[i]) { /* what is left is guarded, and belongs to no context */
            struct page *page = w->page[i];
            w->page[i] = page->hash_next;
            free(page);
        }
    }
    for (unsigned i = 0; i < MODEL_CPUS; i++) {
        free(w->cpu[i].wide.item);
        free(w->cpu[i].local.item);
        free(w->cpu[i].wide_all.item);
        free(w->cpu[i].local_all.item);
        free(w->cpu[i].touched.item);
    }
    cache_fini(w);
    handover_fini(w);
    stale_fini(w);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

struct watch_cpu *watch_cpu(struct model_watch *w)
{
    return &w->cpu[s2_port_cpu(w->port)];
}

static struct model_watch *enter(struct s2_port *m)
{
    pthread_mutex_lock(&m->watch->mutex);
    return m->watch;
}

static void leave(struct model_watch *w)
{
    pthread_mutex_unlock(&w->mutex);
}

void model_set_fwb(struct s2_port *m, bool on)
{
    if (m->watch)
        m->watch->machine.fwb = on;
}

void model_set_tracking(struct s2_port *m, bool access, bool dirty)
{
    if (m->watch) {
        m->watch->machine.soft_access = access;
        m->watch->machine.soft_dirty = dirty;
    }
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

static void write_one(struct model_watch *w, uint64_t *slot, uint64_t desc, enum model_write how)
{
    uint64_t pa;
    if (!model_pa(w->port, slot, &pa)) {
        model_violate(w->port, "a descriptor is written outside RAM");
        return;
    }
    struct page *page = graph_page(w, pa);
    if (page && page->ctx) {
        graph_edit(w, page, slot, desc, how);
        return;
    }
    if (page)
        model_violate(w->port, "table page %#" PRIx64 " is written after it was detached and before its flush",
                      page->pa);
    watch_cpu(w)->unordered = true;
    __atomic_store_n(slot, desc, __ATOMIC_RELAXED);
}

uint64_t model_write(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step,
                     enum model_write how)
{
    struct model_watch *w = enter(port);
    uint64_t was = __atomic_load_n(slot, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < n; i++)
        write_one(w, &slot[i], first + i * step, how);
    uint64_t pa;
    if (n >= MODEL_SLOTS && !first && !step && model_pa(port, slot, &pa) && !graph_page(w, pa))
        handover_root_cleared(w, pa, n * sizeof *slot);
    leave(w);
    return was;
}

bool model_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc)
{
    struct model_watch *w = enter(port);
    bool equal = __atomic_load_n(slot, __ATOMIC_RELAXED) == expected;
    if (equal)
        write_one(w, slot, desc, MODEL_SWAP);
    leave(w);
    return equal;
}

/* --- invalidation, barriers, contexts ------------------------------------------------------------------------------ */

void model_tlbi(struct s2_port *m, enum s2_tlbi op, uint64_t operand)
{
    struct model_watch *w = enter(m);
    tlb_invalidate(w, op, operand);
    leave(w);
}

void model_barrier(struct s2_port *m, enum s2_barrier barrier)
{
    struct model_watch *w = enter(m);
    tlb_barrier(w, barrier);
    leave(w);
}

void model_context(struct s2_port *m, uint64_t before_vttbr, uint64_t before_vtcr)
{
    struct model_watch *w = enter(m);
    const struct model_cpu *cpu = model_this_cpu(m);
    context_load(w, cpu->vttbr, cpu->vtcr, before_vttbr, before_vtcr);
    leave(w);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static bool changes(const unsigned char *to, size_t bytes, bool zeroes)
{
    if (!zeroes)
        return true;
    for (size_t i = 0; i < bytes; i++)
        if (to[i])
            return true;
    return false;
}

/* Bytes written to table memory: nobody may reach them, unless they stay what they are. */
static void table_bytes(struct model_watch *w, unsigned char *to, uint64_t pa, size_t bytes, bool zeroes)
{
    uint64_t end = pa + bytes;
    for (uint64_t at = pa; at < end; at = (at & ~(CHUNK - 1)) + CHUNK) {
        uint64_t next = (at & ~(CHUNK - 1)) + CHUNK;
        size_t n = (size_t)((next < end ? next : end) - at);
        const struct page *page = graph_page(w, at);
        if (page && (!page->ctx || changes(to + (at - pa), n, zeroes)))
            model_violate(w->port, "table page %#" PRIx64 " is overwritten while %s", page->pa,
                          page->ctx ? "a root reaches it" : "a walk cache may still reach it");
    }
    watch_cpu(w)->unordered = true;
}

void model_bytes_written(struct s2_port *m, void *to, size_t bytes, bool zeroes)
{
    struct model_watch *w = enter(m);
    uint64_t pa;
    if (model_in_window(m, to, &pa)) {
        cache_written(w, pa, bytes);
        if (zeroes)
            handover_zeroed(w, pa, bytes);
    } else if (model_pa(m, to, &pa)) {
        table_bytes(w, to, pa, bytes, zeroes);
    }
    leave(w);
}

void model_cleaned(struct s2_port *m, const void *va, size_t bytes)
{
    struct model_watch *w = enter(m);
    uint64_t pa;
    if (model_in_window(m, va, &pa))
        cache_cleaned(w, pa, bytes);
    leave(w);
}

void model_synced(struct s2_port *m, const void *va, size_t bytes)
{
    struct model_watch *w = enter(m);
    uint64_t pa;
    if (model_in_window(m, va, &pa))
        cache_synced(w, pa, bytes);
    leave(w);
}

void model_pool_entered(struct s2_port *m, const char *pool)
{
    struct model_watch *w = enter(m);
    unsigned cpu = s2_port_cpu(m);
    for (struct context *ctx = w->contexts; ctx && w->stale_total; ctx = ctx->next) {
        struct stale *s = stale_first(w, ctx);
        char text[160];
        while (s && (s->relaxed || s->store_cpu != cpu))
            s = stale_next(w, s);
        if (s)
            model_violate(m, "the %s is entered before the flush of %s", pool, stale_text(s, text, sizeof text));
    }
    leave(w);
}
