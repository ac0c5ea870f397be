/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* How such VMs come and go, any call at all, and the worlds in which that happens. */
#ifndef SHARE_CHAOS_H
#define SHARE_CHAOS_H

#include "chaos_calls.h"

/* --- life --------------------------------------------------------------------------------------------------------------- */

/* The VM has a MiB at a chosen place, unless others took some of it from the allocator. */
static inline void chaos_give(unsigned vm)
{
    struct world *w = chaos.x->w;
    uint64_t pa = FRAME_BASE + FRAME_BYTES - (vm + 1) * MIB(1);
    struct s2_ledger_entry e = ledger_entry(pa, MIB(1), (uint16_t)(VM + vm), S2_OWNED);
    struct s2_claim c;
    bool clean;

    if (s2_frames_alloc_at(&w->frames, e.range, &clean, NULL))
        return;
    if (!clean)
        s2_frames_zero(w->port, e.range.start, MIB(1));
    if (s2_ledger_plan(&w->ledger, &c, S2_OWNER_NONE, S2_FREE, &e, NULL))
        s2_frames_free(&w->frames, e.range, true, false);
    else
        s2_ledger_commit(&w->ledger, &c);
}

/* With the VM entered alone, or before there are others. */
static inline void chaos_make(unsigned vm)
{
    struct s2_space_config cfg = chaos.x->w->cfg;
    struct s2_area ram = area_alloc(CHAOS_RAM, CHAOS_PAGES * PAGE / 2, S2_RW, 0);
    struct s2_area lazy = area_alloc(CHAOS_RAM + CHAOS_PAGES * PAGE / 2, CHAOS_PAGES * PAGE / 2, S2_RW, S2_AREA_LAZY);

    cfg.nodes = vm ? &chaos.x->nodes[vm - 1] : &chaos.x->w->nodes;
    cfg.id = (uint16_t)(VM + vm);
    if (s2_space_init(chaos_space(vm), &cfg, NULL))
        model_violate(chaos.x->w->port, "a VM that went cannot come back");
    chaos_give(vm);
    (void)chaos_done(CHAOS_MAP, s2_space_map(chaos_space(vm), &ram, S2_MAP_NEW, NULL));
    (void)chaos_done(CHAOS_MAP, s2_space_map(chaos_space(vm), &lazy, S2_MAP_NEW, NULL));
    __atomic_fetch_add(&chaos.restarts, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&chaos.is_destroyed[vm], false, __ATOMIC_RELEASE);
}

/* Has somebody something of this VM's? */
static inline bool chaos_has_shares(unsigned vm, uint32_t *handle)
{
    struct s2_share_info info = {.handle = *handle};

    while (s2_share_next(chaos_ledger(), info.handle, &info))
        if (info.owner == VM + vm) {
            *handle = info.handle;
            return true;
        }
    return false;
}

static inline void chaos_revoke_shares(unsigned vm)
{
    for (uint32_t handle = 0; chaos_has_shares(vm, &handle);)
        chaos_revoke_all(handle);
}

static inline void chaos_end_steps(unsigned vm)
{
    for (bool more = true; more;) {
        if (!chaos_enter(vm, CHAOS_BESIDE))
            continue;
        more = s2_space_destroy_step(chaos_space(vm), 16);
        chaos_leave(vm, CHAOS_BESIDE);
    }
}

static inline void chaos_end(unsigned vm)
{
    s2_space_destroy_end(chaos_space(vm));
    while (s2_space_disown_step(chaos_space(vm)))
        ;
}

/* --- any of these ------------------------------------------------------------------------------------------------------- */

static inline void chaos_alone_or_not(unsigned vm, uint64_t *seed, void (*call)(unsigned, uint64_t *, bool))
{
    enum chaos_need need = chaos_random(seed, 2) ? CHAOS_ALONE : CHAOS_BESIDE;

    if (!chaos_enter(vm, need))
        return;
    call(vm, seed, need == CHAOS_ALONE);
    chaos_leave(vm, need);
}

/* Of the calls below. */
enum { CHAOS_BESIDE_OFFERS = 2, CHAOS_BESIDE_LEAVES = 6 };

static inline void chaos_beside(unsigned vm, uint64_t *seed, unsigned which)
{
    struct s2_share_info info;
    enum chaos_need need = which < 2 ? CHAOS_STEPS : CHAOS_BESIDE;

    if (!chaos_enter(vm, need))
        return;
    if (which < 2)
        chaos_long(vm, seed);
    else if (which < 6)
        chaos_offer(vm, seed);
    else if (which < 8)
        (void)chaos_done(CHAOS_RELINQUISH,
                         s2_space_relinquish(chaos_space(vm), chaos_handle(vm, false, seed, &info), NULL));
    else if (which < 9)
        (void)chaos_done(CHAOS_UNMAP, s2_space_unmap(chaos_space(vm), chaos_range(seed), NULL));
    else if (which < 10)
        chaos_protect(vm, seed);
    else if (which < 11)
        chaos_fault(vm, seed);
    else
        chaos_write(vm, chaos_range(seed));
    chaos_leave(vm, need);
}

/* What the VM does with shares of others', or its own. */
static inline void chaos_share_step(unsigned vm, uint64_t *seed)
{
    switch (chaos_random(seed, 5)) {
    case 0:
        chaos_beside(vm, seed, CHAOS_BESIDE_OFFERS);
        break;
    case 1:
        chaos_beside(vm, seed, CHAOS_BESIDE_LEAVES);
        break;
    case 2:
        chaos_alone_or_not(vm, seed, chaos_reclaim);
        break;
    case 3:
        chaos_withdraw(vm, seed);
        break;
    default:
        chaos_alone_or_not(vm, seed, chaos_retrieve);
    }
}

static inline void chaos_step(unsigned vm, uint64_t *seed)
{
    unsigned which = (unsigned)chaos_random(seed, 27);

    if (which < 14) {
        chaos_beside(vm, seed, which);
    } else if (which < 19) {
        chaos_alone_or_not(vm, seed, chaos_retrieve);
    } else if (which < 21) {
        chaos_withdraw(vm, seed);
    } else if (which < 24) {
        chaos_alone_or_not(vm, seed, chaos_reclaim);
    } else if (which < 26) {
        chaos_alone_or_not(vm, seed, chaos_map);
    } else if (chaos_enter_audit(false)) {
        (void)s2_frames_scrub_step(&chaos.x->w->frames, 64);
        chaos_leave_audit(false);
    }
}

/* --- worlds ------------------------------------------------------------------------------------------------------------- */

static inline struct s2_space *chaos_audited(void *arg, unsigned i)
{
    (void)arg;
    return chaos_space(i);
}

static inline bool chaos_cached(void *arg, unsigned i, uint32_t *pages)
{
    (void)arg;
    (void)i;
    (void)pages;
    return false; /* in use */
}

static inline void chaos_found(void *arg, const struct s2_finding *f)
{
    (void)arg;
    model_violate(chaos.x->w->port, "audit: vm %u: %s at 0x%llx", f->vm, f->detail.what,
                  (unsigned long long)f->detail.asked_start);
}

static inline void chaos_begin(struct world_config wc)
{
    struct world *w;

    memset(&chaos, 0, sizeof chaos);
    wc.frame_quota = 3 * CHAOS_PAGES;
    wc.table_pages = 96;
    wc.nodes = 512;
    wc.ledger_nodes = 2048;
    chaos.x = share_create(wc);
    w = chaos.x->w;
    s2_ledger_quota(&w->ledger, chaos.account, VMS);
    for (unsigned vm = 0; vm < VMS; vm++) {
        s2_ledger_limit(&w->ledger, (uint16_t)(VM + vm), CHAOS_ENTRIES);
        s2_space_destroy_begin(chaos_space(vm));
        chaos_end_steps(vm);
        chaos_end(vm);
        chaos_make(vm);
    }
    chaos.audit = (struct s2_audit_config){.ledger = &w->ledger,
                                           .frames = &w->frames,
                                           .tables = &w->tables,
                                           .pools = 1,
                                           .vmids = &w->vmids,
                                           .spaces = VMS,
                                           .space = chaos_audited,
                                           .cached = chaos_cached,
                                           .found = chaos_found};
}

/* What the ledger counts for each VM is what there is of it. */
static inline void chaos_check_accounts(void)
{
    struct s2_ledger_entry e = {.range.end = S2_PA(0)};
    uint32_t held[VMS] = {0};

    while (s2_ledger_next(chaos_ledger(), e.range.end, &e))
        if (e.owner >= VM && e.owner < VM + VMS)
            held[e.owner - VM]++;
    for (unsigned i = 0; i < SHARES; i++)
        if (chaos.x->table[i].phase != S2_SHARE_UNUSED)
            held[chaos.x->table[i].owner - VM] += (uint32_t)chaos.x->table[i].runs.count;
    for (unsigned vm = 0; vm < VMS; vm++)
        assert_int_equal(s2_ledger_held(chaos_ledger(), (uint16_t)(VM + vm)), held[vm]);
}

/* What was asked for, and how often it was granted: all that was asked for often was. */
static inline void chaos_tell(uint64_t seed)
{
    static const char *const name[] = {"offer", "retrieve", "relinquish", "withdraw", "reclaim",
                                       "map",   "unmap",    "protect",    "long"};

    printf("# seed %llu:", (unsigned long long)seed);
    for (unsigned i = 0; i < CHAOS_CALLS; i++) {
        printf(" %s %llu of %llu", name[i], (unsigned long long)chaos.granted[i], (unsigned long long)chaos.calls[i]);
        assert_true(chaos.granted[i] > 0 || chaos.calls[i] < 100);
    }
    printf("; restarts %llu\n", (unsigned long long)chaos.restarts);
}

/* While nothing goes on. */
static inline void chaos_check(void)
{
    chaos_audit();
    share_check(chaos.x);
    chaos_check_accounts();
}

/* All go, in some order, and nothing is left. */
static inline void chaos_finish(uint64_t *seed)
{
    unsigned first = (unsigned)chaos_random(seed, VMS);

    chaos_check();
    for (unsigned i = 0; i < VMS; i++)
        chaos_revoke_shares(i);
    for (unsigned i = 0; i < VMS; i++)
        share_destroy_space(chaos.x, (uint16_t)(VM + (first + i) % VMS));
    assert_int_equal(chaos.x->w->frames.free, chaos.x->w->frames.total);
    assert_int_equal(s2_ledger_count(chaos_ledger(), S2_OWNER_NONE, S2_FREE), FRAME_BYTES / PAGE);
    for (unsigned vm = 0; vm < VMS; vm++)
        assert_int_equal(s2_ledger_held(chaos_ledger(), (uint16_t)(VM + vm)), 0);
    assert_true(model_ok(chaos.x->w->port));
    share_destroy(chaos.x);
}

#endif
