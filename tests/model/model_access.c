/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest's access meets, and what must hold between operations. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

struct arch_machine model_machine(const struct s2_port *m)
{
    if (m->watch)
        return m->watch->machine;
    return (struct arch_machine){.caps = model_caps_most(), .fwb = true, .soft_access = true, .soft_dirty = true};
}

/* --- the walk (D8.2) ------------------------------------------------------------------------------------------------- */

static struct model_outcome stop(enum model_result result, int level)
{
    return (struct model_outcome){.result = result, .level = level};
}

/* The slot of ipa in the table at `table`, which at the start level is a run of concatenated ones; null: no RAM. */
static uint64_t *slot_of(struct s2_port *m, const struct arch_regime *r, uint64_t table, int level, uint64_t ipa)
{
    uint64_t index = ipa >> arch_shift(r, level);
    if (level != r->start)
        index &= (1ull << r->stride) - 1;
    return (uint64_t *)(void *)model_host(m, table + index * sizeof(uint64_t));
}

static bool permits(const struct arch_desc *d, enum model_kind kind, bool el0)
{
    if (kind == MODEL_EXEC)
        return el0 ? d->x_el0 : d->x_el1;
    return kind == MODEL_WRITE ? d->write : d->read;
}

/* A leaf that a TLB may hold as one entry with others (those that are invalid or differ are in no such entry). */
struct together {
    uint64_t *slot[ARCH_RUN_MAX];
    struct arch_desc desc[ARCH_RUN_MAX];
    unsigned count;
};

/* The leaf itself first, then the members of its run, the farthest first. */
static void gather_run(const struct arch_machine *machine, const struct arch_regime *r, int level, uint64_t *slot,
                       const struct arch_desc *d, struct together *t)
{
    unsigned members = d->contiguous ? arch_run(r, level) : 0;
    t->slot[0] = slot;
    t->desc[0] = *d;
    t->count = 1;
    if (!members)
        return;
    uint64_t *first = run_first(r, level, slot);
    unsigned mine = (unsigned)(slot - first);
    for (unsigned i = 1; i < members; i++) {
        unsigned other = mine ^ (members - i);
        struct arch_desc it = arch_decode(machine, r, level, __atomic_load_n(&first[other], __ATOMIC_RELAXED));
        if (it.kind != ARCH_LEAF || !it.contiguous)
            continue;
        t->slot[t->count] = &first[other];
        t->desc[t->count++] = it;
    }
}

/* Hardware sets a bit in one member of a run, whichever, and in none when one has it (I_NFFSV): here, in the one that
 * software looks at last. */
static void update(const struct together *t, bool dirty)
{
    enum { AF = 1 << 10, S2AP_W = 1 << 7 };
    unsigned at = t->count > 1 ? 1 : 0;
    for (unsigned i = 0; i < t->count; i++)
        if (dirty ? t->desc[i].write_now : t->desc[i].af)
            return;
    if (dirty && !t->desc[at].dbm)
        at = 0;
    __atomic_fetch_or(t->slot[at], dirty ? S2AP_W : AF, __ATOMIC_RELAXED);
}

static struct model_outcome leaf(const struct arch_machine *machine, const struct arch_regime *r, int level,
                                 uint64_t *slot, uint64_t ipa, enum model_kind kind, bool el0)
{
    struct arch_desc d = arch_decode(machine, r, level, *slot);
    if (d.out >> r->pa_bits)
        return stop(MODEL_ADDRESS_SIZE_FAULT, level);
    if (!d.af && !r->ha)
        return stop(MODEL_ACCESS_FLAG_FAULT, level);
    if (!permits(&d, kind, el0))
        return stop(MODEL_PERMISSION_FAULT, level);
    struct together t;
    bool spurious = d.nt;
    gather_run(machine, r, level, slot, &d, &t);
    if (!d.af)
        update(&t, false);
    if (kind == MODEL_WRITE && !d.write_now)
        update(&t, true);
    for (unsigned i = 1; i < t.count; i++)
        spurious |= !permits(&t.desc[i], kind, el0);
    return (struct model_outcome){.result = MODEL_DONE,
                                  .level = level,
                                  .pa = d.out + (ipa & ((1ull << arch_shift(r, level)) - 1)),
                                  .memattr = d.memattr,
                                  .sh = d.sh,
                                  .spurious = spurious};
}

static struct model_outcome walk(struct s2_port *m, const struct arch_machine *machine, const struct arch_regime *r,
                                 uint64_t ipa, enum model_kind kind, bool el0)
{
    uint64_t table = r->root;
    if (ipa >> r->ipa_bits)
        return stop(MODEL_TRANSLATION_FAULT, 0);
    for (int level = r->start;; level++) {
        uint64_t *slot = slot_of(m, r, table, level, ipa);
        if (!slot)
            return stop(MODEL_ADDRESS_SIZE_FAULT, level);
        struct arch_desc d = arch_decode(machine, r, level, __atomic_load_n(slot, __ATOMIC_ACQUIRE));
        if (d.kind == ARCH_INVALID)
            return stop(MODEL_TRANSLATION_FAULT, level);
        if (d.kind == ARCH_LEAF)
            return leaf(machine, r, level, slot, ipa, kind, el0);
        table = d.out;
    }
}

struct model_outcome model_walk(struct s2_port *m, uint64_t vttbr, uint64_t vtcr, uint64_t ipa, enum model_kind kind,
                                bool el0)
{
    struct arch_machine machine = model_machine(m);
    struct arch_regime r;
    const char *bad = arch_regime(&machine, vttbr, vtcr, &r);
    if (bad) {
        model_violate(m, "VTTBR %#" PRIx64 " VTCR %#" PRIx64 ": %s", vttbr, vtcr, bad);
        return stop(MODEL_TRANSLATION_FAULT, 0);
    }
    return walk(m, &machine, &r, ipa, kind, el0);
}

/* --- an access, through whatever this CPU may still hold ------------------------------------------------------------ */

/* Could a stale leaf give the guest more than, or something else than, the tables do now? */
static bool harmful(const struct arch_desc *was, const struct stale *s, uint64_t ipa, enum model_kind kind, bool el0,
                    const struct model_outcome *now)
{
    if (!permits(was, kind, el0) || s->forgets)
        return false;
    if (!was->af && !s->ctx->regime.ha)
        return false; /* it faults, and so is in no TLB (D8.5.1) */
    return now->result != MODEL_DONE || now->memattr != was->memattr || now->sh != was->sh ||
           now->pa != was->out + (ipa - s->ipa);
}

static void try_one(struct model_watch *w, const struct stale *s, uint64_t ipa, enum model_kind kind, bool el0,
                    struct model_outcome *now)
{
    char text[160];
    if (!((s->stage2 | s->combined) & cpu_bit(s2_port_cpu(w->port))))
        return;
    struct arch_desc was = arch_decode(&w->machine, &s->ctx->regime, s->level, s->desc);
    if (s->leaf ? harmful(&was, s, ipa, kind, el0, now) : !s->bbm)
        model_violate(w->port, "IPA %#" PRIx64 " is accessed while this CPU may hold %s", ipa,
                      stale_text(s, text, sizeof text));
    else if (s->leaf && now->result == MODEL_DONE && !permits(&was, kind, el0))
        now->spurious = true;
}

/* Relaxed ones count by the entry of ipa itself, which every member has: what invalidates ipa reaches an entry for the run, and
 * whoever faults and does so makes headway. */
static void try_stale(struct model_watch *w, struct context *ctx, uint64_t ipa, enum model_kind kind, bool el0,
                      struct model_outcome *now)
{
    for (int level = ctx->regime.start; level <= ARCH_LAST_LEVEL; level++) {
        uint64_t span = 1ull << arch_shift(&ctx->regime, level), own = ipa & ~(span - 1);
        uint64_t run = ctx->stale_runs ? arch_run_bytes(&ctx->regime, level) : 0, base = ipa & ~(run - 1);
        for (struct stale *s = stale_find(w, ctx, level, own); s; s = stale_again(w, s))
            try_one(w, s, ipa, kind, el0, now);
        for (uint64_t at = base; run && at < base + run; at += span)
            for (struct stale *s = at == own ? NULL : stale_member(w, ctx, level, at); s; s = stale_again(w, s))
                if (s->run && !s->relaxed)
                    try_one(w, s, ipa, kind, el0, now);
    }
}

static void check_made(struct model_watch *w, const struct context *ctx, uint64_t ipa)
{
    for (unsigned c = 0; c < w->port->cpus; c++) {
        const struct watch_cpu *cpu = &w->cpu[c];
        if (cpu->made && cpu->made_ctx == ctx && ipa >= cpu->made_lo && ipa < cpu->made_hi)
            model_violate(w->port, "IPA %#" PRIx64 " is accessed with no DSB after its mapping", ipa);
    }
}

struct model_outcome model_access(struct s2_port *m, uint64_t ipa, enum model_kind kind, bool el0)
{
    const struct model_cpu *cpu = model_this_cpu(m);
    struct model_watch *w = m->watch;
    if (!w)
        return model_walk(m, cpu->vttbr, cpu->vtcr, ipa, kind, el0);
    pthread_mutex_lock(&w->mutex);
    struct context *ctx = watch_cpu(w)->loaded;
    struct model_outcome now = stop(MODEL_TRANSLATION_FAULT, 0);
    model_record(w->port, (struct s2_event){.kind = S2_EVENT_ACCESS, .how = (uint8_t)kind, .a = ipa});
    if (!ctx) {
        model_violate(m, "an access with no context loaded");
    } else {
        now = walk(m, &w->machine, &ctx->regime, ipa, kind, el0);
        ctx->hot |= cpu_bit(s2_port_cpu(m));
        watch_cpu(w)->access_since = watch_cpu(w)->walked_since = true;
        try_stale(w, ctx, ipa, kind, el0, &now);
        check_made(w, ctx, ipa);
        if (now.result == MODEL_DONE)
            cache_check_access(w, now.pa, kind == MODEL_EXEC);
    }
    pthread_mutex_unlock(&w->mutex);
    return now;
}

void model_enter_vcpu(struct s2_port *m, unsigned vcpu)
{
    struct model_watch *w = m->watch;
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    struct context *ctx = watch_cpu(w)->loaded;
    model_record(w->port, (struct s2_event){.kind = S2_EVENT_ENTER, .a = vcpu});
    if (!ctx) {
        model_violate(m, "a vCPU is entered with no context loaded");
    } else {
        unsigned *holds = &ctx->vcpu[s2_port_cpu(m)];
        if (*holds && *holds != vcpu + 1)
            model_violate(m, "VMID %u: vCPU %u is entered where vCPU %u ran, and no VMALLE1 between", ctx->vmid, vcpu,
                          *holds - 1);
        *holds = vcpu + 1;
        ctx->hot |= cpu_bit(s2_port_cpu(m));
        watch_cpu(w)->access_since = true;
    }
    pthread_mutex_unlock(&w->mutex);
}

/* --- what the exception would report ---------------------------------------------------------------------------------- */

void model_syndrome(const struct model_outcome *o, uint64_t va, uint64_t ipa, enum model_kind kind, bool on_walk,
                    struct s2_syndrome *out)
{
    enum { EC_INSN = 0x20, EC_DATA = 0x24, IL = 1 << 25, S1PTW = 1 << 7, WNR = 1 << 6 };
    static const uint64_t class[] = {[MODEL_ADDRESS_SIZE_FAULT] = 0,
                                     [MODEL_TRANSLATION_FAULT] = 4,
                                     [MODEL_ACCESS_FLAG_FAULT] = 8,
                                     [MODEL_PERMISSION_FAULT] = 12};
    uint64_t code = class[o->result] | (uint64_t)(o->level & 3);
    if (o->level == ARCH_FIRST_LEVEL)
        code = o->result == MODEL_TRANSLATION_FAULT ? 0x2b : 0x29;
    out->esr = (uint64_t)(kind == MODEL_EXEC ? EC_INSN : EC_DATA) << 26 | IL | code;
    if (on_walk)
        out->esr |= S1PTW;
    if (kind == MODEL_WRITE)
        out->esr |= WNR;
    out->far = va;
    out->hpfar = ipa >> 12 << 4;
    /* D24.2.76: UNKNOWN for a permission fault that was not taken on a stage-1 walk. */
    if (o->result == MODEL_PERMISSION_FAULT && !on_walk)
        out->hpfar = MODEL_POISON_HPFAR;
}

/* --- between operations ----------------------------------------------------------------------------------------------- */

static void expect_flushed(struct model_watch *w, struct context *ctx)
{
    char text[160];
    for (struct stale *s = stale_first(w, ctx); s; s = stale_next(w, s))
        if (!s->relaxed)
            model_violate(w->port, "no invalidation has covered %s", stale_text(s, text, sizeof text));
}

void model_expect_clean(struct s2_port *m, unsigned vmid)
{
    struct model_watch *w = m->watch;
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    for (struct context *ctx = w->contexts; ctx; ctx = ctx->next)
        if (vmid == MODEL_ALL_VMIDS || ctx->vmid == vmid)
            expect_flushed(w, ctx);
    pthread_mutex_unlock(&w->mutex);
}

static void quiet_cpu(struct s2_port *m, unsigned c)
{
    struct watch_cpu *cpu = &m->watch->cpu[c];
    run_settle(m->watch, &cpu->touched);
    if (cpu->tlbi_wide || cpu->tlbi_local)
        model_violate(m, "CPU %u has issued a TLBI and no DSB after it", c);
    if (cpu->made)
        model_violate(m, "CPU %u has made [%#" PRIx64 ", %#" PRIx64 ") valid and no DSB after it", c, cpu->made_lo,
                      cpu->made_hi);
    if (cpu->unsynced)
        model_violate(m, "CPU %u has loaded a context and no ISB after it", c);
    for (unsigned i = 0; i < MODEL_WINDOWS; i++)
        if (m->cpu[c].window[i].va)
            model_violate(m, "CPU %u has a window still mapped", c);
}

void model_expect_quiet(struct s2_port *m)
{
    model_expect_clean(m, MODEL_ALL_VMIDS);
    if (model_locks_held())
        model_violate(m, "%u locks are still held", model_locks_held());
    struct model_watch *w = m->watch;
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    for (unsigned c = 0; c < m->cpus; c++)
        quiet_cpu(m, c);
    for (const struct context *ctx = w->contexts; ctx; ctx = ctx->next)
        if (ctx->nt)
            model_violate(m, "VMID %u IPA %#" PRIx64 ": %u blocks with nT stay, where accesses may fault for ever",
                          ctx->vmid, ctx->nt_ipa, ctx->nt);
    cache_check_quiet(w);
    pthread_mutex_unlock(&w->mutex);
}
