/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Runs of leaves with the Contiguous bit. A TLB may hold one entry for a whole run, made from any of its members (D8.7.1), so
 * no member stands alone. Stricter than I_PGVGZ: a run has no holes, whenever a CPU that has edited it issues a DSB. Until
 * then members may be made, broken, or differ in what they allow. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

#define S2AP_W (1ull << 7)
#define AF     (1ull << 10)
/* What members may differ in while an edit goes through them: permissions, access flag, DBM, software bits. */
#define PASSING (3ull << 6 | AF | 1ull << 51 | 3ull << 53 | 15ull << 55)

/* What hardware may have written into some members and not into others (I_NFFSV). */
static uint64_t hardware_bits(const struct arch_regime *r, const struct arch_desc *d)
{
    return (r->ha ? AF : 0) | (r->hd && d->dbm ? S2AP_W : 0);
}

/* All of a leaf that is not its output address. */
static uint64_t attributes(const struct arch_regime *r, uint64_t desc)
{
    uint64_t address = (1ull << 51) - (1ull << 12);
    return desc & ~(r->ds ? address | 3ull << 8 : address);
}

static const char *odd_member(const struct arch_machine *machine, const struct arch_regime *r, int level,
                              uint64_t first, uint64_t desc, uint64_t offset)
{
    struct arch_desc lead = arch_decode(machine, r, level, first), d = arch_decode(machine, r, level, desc);
    uint64_t free = hardware_bits(r, &lead);
    if (((first + offset) ^ desc) & ~free) {
        if (d.kind == ARCH_INVALID)
            return "has a hole";
        if (d.kind == ARCH_TABLE)
            return "has a table in it";
        if (d.contiguous != lead.contiguous)
            return "has a member without the Contiguous bit";
        if (d.out != lead.out + offset)
            return "has a member with a wrong output address";
        if ((attributes(r, first) ^ attributes(r, desc)) & ~free || d.nt != lead.nt)
            return "has a member with other attributes";
    }
    return NULL;
}

const char *run_odd(const struct arch_machine *machine, const struct arch_regime *r, int level, const uint64_t *slot,
                    unsigned *member)
{
    unsigned members = arch_run(r, level), contiguous = 0;
    uint64_t span = 1ull << arch_shift(r, level), first = __atomic_load_n(slot, __ATOMIC_RELAXED);
    *member = 0;
    while (contiguous < members) {
        uint64_t desc = __atomic_load_n(&slot[contiguous], __ATOMIC_RELAXED);
        if (arch_decode(machine, r, level, desc).contiguous)
            break;
        contiguous++;
    }
    if (contiguous == members)
        return NULL;
    struct arch_desc lead = arch_decode(machine, r, level, first);
    if (lead.kind == ARCH_INVALID)
        return "has a hole";
    if (lead.kind == ARCH_TABLE)
        return "has a table in it";
    if (!lead.contiguous)
        return "has a member without the Contiguous bit";
    if (lead.out & (members * span - 1))
        return "has an output address that is not aligned to the run";
    for (*member = 1; *member < members; ++*member) {
        const char *odd =
            odd_member(machine, r, level, first, __atomic_load_n(&slot[*member], __ATOMIC_RELAXED), *member * span);
        if (odd)
            return odd;
    }
    return NULL;
}

uint64_t *run_first(const struct arch_regime *r, int level, uint64_t *slot)
{
    uintptr_t bytes = arch_run(r, level) * sizeof *slot;
    return (uint64_t *)((uintptr_t)slot & ~(bytes - 1)); /* tables are aligned to more */
}

/* --- a member is made while others live ------------------------------------------------------------------------------- */

static bool joins(struct model_watch *w, const struct context *ctx, int level, uint64_t other, uint64_t mine)
{
    struct arch_desc was = arch_decode(&w->machine, &ctx->regime, level, other);
    struct arch_desc now = arch_decode(&w->machine, &ctx->regime, level, mine);
    if (was.kind == ARCH_INVALID)
        return true;
    if (!was.contiguous && w->machine.caps.bbm == 2)
        was.contiguous = true; /* a change of size, one member after the other */
    return was.kind == ARCH_LEAF && arch_compare(&was, &now) != ARCH_REPLACE;
}

void run_joined(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t *slot, uint64_t desc)
{
    const struct arch_regime *r = &ctx->regime;
    uint64_t span = 1ull << arch_shift(r, level);
    const uint64_t *first = run_first(r, level, slot);
    unsigned mine = (unsigned)(slot - first), members = arch_run(r, level);
    for (unsigned i = 0; i < members; i++) {
        uint64_t other = __atomic_load_n(&first[i], __ATOMIC_RELAXED), here = desc + ((uint64_t)i - mine) * span;
        if (i == mine || !((other ^ here) & ~PASSING) || joins(w, ctx, level, other, here))
            continue;
        model_violate(w->port,
                      "contiguous run: VMID %u IPA %#" PRIx64 " level %d becomes %#" PRIx64
                      " with the Contiguous bit while IPA %#" PRIx64 " in its run is %#" PRIx64,
                      ctx->vmid, ipa, level, desc, ipa + ((uint64_t)i - mine) * span, other);
        return;
    }
}

/* --- runs that a CPU has edited since its last DSB ---------------------------------------------------------------------- */

void run_touch(struct model_watch *w, struct context *ctx, int level, uint64_t ipa, uint64_t *slot)
{
    struct run_list *list = &watch_cpu(w)->touched;
    const struct arch_regime *r = &ctx->regime;
    uint64_t base = ipa & ~(arch_run_bytes(r, level) - 1);
    if (list->count && list->item[list->count - 1].ipa == base && list->item[list->count - 1].ctx == ctx &&
        list->item[list->count - 1].level == level)
        return;
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 64;
        list->item = realloc(list->item, list->room * sizeof *list->item);
        if (!list->item)
            model_fatal("no memory for runs that were edited", list->room);
    }
    list->item[list->count++] = (struct run_ref){ctx, base, run_first(r, level, slot), level};
}

/* An entry for the whole run that was made from one member's old descriptor translates the addresses of all others: all of
 * the run awaits invalidation (T4). */
static void spread(struct model_watch *w, const struct run_ref *run)
{
    const struct arch_regime *r = &run->ctx->regime;
    uint64_t span = 1ull << arch_shift(r, run->level);
    unsigned members = arch_run(r, run->level), from = 0;
    struct stale *found = NULL;
    while (from < members && !(found = stale_member(w, run->ctx, run->level, run->ipa + from * span)))
        from++;
    if (!found)
        return;
    struct stale like = *found;
    for (unsigned i = 0; i < members; i++) {
        struct stale s = like;
        if (i == from || stale_member(w, run->ctx, run->level, run->ipa + i * span))
            continue;
        s.ipa = run->ipa + i * span;
        s.desc = like.desc + ((uint64_t)i - from) * span; /* a run is aligned: nothing carries out of it */
        stale_add(w, &s);
    }
}

static void settle(struct model_watch *w, const struct run_ref *run)
{
    uint64_t pa;
    const struct page *page = model_pa(w->port, run->slot, &pa) ? graph_page(w, pa) : NULL;
    unsigned member;
    if (!page || page->ctx != run->ctx || page->level != run->level || !arch_run(&run->ctx->regime, run->level))
        return; /* its table has gone */
    const char *odd = run_odd(&w->machine, &run->ctx->regime, run->level, run->slot, &member);
    if (odd)
        model_violate(
            w->port, "contiguous run: VMID %u IPA %#" PRIx64 " level %d %s at IPA %#" PRIx64 " (%#" PRIx64 ") by a DSB",
            run->ctx->vmid, run->ipa, run->level, odd,
            run->ipa + ((uint64_t)member << arch_shift(&run->ctx->regime, run->level)), run->slot[member]);
    else if (run->ctx->stale_runs)
        spread(w, run);
}

void run_settle(struct model_watch *w, struct run_list *touched)
{
    for (size_t i = 0; i < touched->count; i++)
        settle(w, &touched->item[i]);
    touched->count = 0;
}
