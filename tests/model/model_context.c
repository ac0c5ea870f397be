/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Contexts: what a CPU has loaded, under which number, borrowed or to run in. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

/* Was the context that goes only borrowed: loaded, used for invalidation alone, and the one before comes back? Then this
 * CPU ran nothing under it, and holds no more of it than before. */
static void end_borrow(struct model_watch *w, struct watch_cpu *cpu, uint64_t vttbr, uint64_t vtcr)
{
    struct context *ctx = cpu->loaded;
    cpu->loaded = NULL;
    if (!ctx)
        return;
    bool borrowed = cpu->tlbi_since && !cpu->edit_since && !cpu->access_since && vttbr == cpu->before_vttbr &&
                    vtcr == cpu->before_vtcr;
    if (borrowed && (cpu->flushed_since || !cpu->was_hot))
        ctx->hot &= (cpu_mask)~cpu_bit(s2_port_cpu(w->port));
    graph_cold(w, ctx);
}

static struct context *context_of(struct model_watch *w, const struct arch_regime *r, uint64_t vttbr, uint64_t vtcr)
{
    struct context *ctx = w->context[r->vmid];
    if (!ctx) {
        ctx = calloc(1, sizeof *ctx);
        if (!ctx)
            model_fatal("no memory for a context", sizeof *ctx);
        ctx->stale_head = MODEL_NONE;
        ctx->vmid = r->vmid;
        ctx->next = w->contexts;
        w->contexts = w->context[r->vmid] = ctx;
    } else if (ctx->vttbr != vttbr || ctx->vtcr != vtcr) {
        if (ctx->hot || ctx->stale_count)
            model_violate(w->port,
                          "VMID %u comes with VTTBR %#" PRIx64 " VTCR %#" PRIx64 ", but CPUs may hold it with %#" PRIx64
                          " %#" PRIx64,
                          ctx->vmid, vttbr, vtcr, ctx->vttbr, ctx->vtcr);
        while (ctx->stale_count)
            stale_clear(w, stale_first(w, ctx), UINT16_MAX, UINT16_MAX);
        graph_forget(w, ctx);
        ctx->hot = 0;
    }
    ctx->vttbr = vttbr;
    ctx->vtcr = vtcr;
    ctx->regime = *r;
    ctx->vm = handover_vm(w, ctx->vm, r->root);
    return ctx;
}

static bool awaits_flush(struct model_watch *w, struct context *ctx)
{
    for (struct stale *s = stale_first(w, ctx); s; s = stale_next(w, s))
        if (!s->relaxed)
            return true;
    return false;
}

static void check_switch(struct model_watch *w, const struct watch_cpu *cpu, const struct context *before,
                         struct context *ctx)
{
    for (unsigned c = 0; c < w->port->cpus; c++) {
        const struct context *other = w->cpu[c].loaded;
        if (other && other != ctx && other->regime.root == ctx->regime.root)
            model_violate(w->port, "one VM runs with VMID %u and VMID %u at once", other->vmid, ctx->vmid);
    }
    if (before && before != ctx && cpu->walked_since && awaits_flush(w, ctx))
        model_violate(w->port,
                      "VMID %u is borrowed for invalidation while VMID %u may still walk: "
                      "no DSB ISH before the switch",
                      ctx->vmid, before->vmid);
}

void context_load(struct model_watch *w, uint64_t vttbr, uint64_t vtcr, uint64_t before_vttbr, uint64_t before_vtcr)
{
    struct watch_cpu *cpu = watch_cpu(w);
    const struct context *before = cpu->loaded;
    struct arch_regime r;
    if (cpu->tlbi_wide || cpu->tlbi_local)
        model_violate(w->port, "VTTBR_EL2 changes before a DSB has completed the TLBI");
    end_borrow(w, cpu, vttbr, vtcr);
    cpu->unsynced = true;
    cpu->tlbi_since = cpu->edit_since = cpu->access_since = cpu->flushed_since = false;
    cpu->before_vttbr = before_vttbr;
    cpu->before_vtcr = before_vtcr;
    if (!vttbr)
        return;
    const char *bad = arch_regime(&w->machine, vttbr, vtcr, &r);
    if (bad) {
        model_violate(w->port, "VTTBR %#" PRIx64 " VTCR %#" PRIx64 ": %s", vttbr, vtcr, bad);
        return;
    }
    struct context *ctx = context_of(w, &r, vttbr & ~1ull, vtcr);
    check_switch(w, cpu, before, ctx);
    graph_link(w, ctx);
    cpu_mask mine = cpu_bit(s2_port_cpu(w->port));
    cpu->was_hot = ctx->hot & mine;
    ctx->hot |= mine;
    cpu->loaded = ctx;
    cpu->walked_since = true;
}
