/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Three VMs to each of which anything may happen at any time, by calls that are chosen at random and keep the contracts of the headers
 * and nothing more: for suites that let several of them run at once. A suite says who may run beside whom (chaos_enter,
 * chaos_leave). */
#ifndef CHAOS_CALLS_H
#define CHAOS_CALLS_H

#include "share_world.h"

#include <stage2/audit.h>

enum { CHAOS_PAGES = 256, CHAOS_MOST = 48, CHAOS_ENTRIES = 400 };
#define CHAOS_RAM    OWNER_IPA
#define CHAOS_LINEAR MIB(256)
#define CHAOS_SLOTS  BORROWER_IPA

/* In what way a call needs a VM: beside all others; the same, but of these two not beside each other: long work, the begin of its
 * end; alone. */
enum chaos_need { CHAOS_BESIDE, CHAOS_STEPS, CHAOS_BEGIN, CHAOS_ALONE };

enum chaos_call {
    CHAOS_OFFER,
    CHAOS_RETRIEVE,
    CHAOS_RELINQUISH,
    CHAOS_WITHDRAW,
    CHAOS_RECLAIM,
    CHAOS_MAP,
    CHAOS_UNMAP,
    CHAOS_PROTECT,
    CHAOS_LONG,
    CHAOS_CALLS
};

static struct {
    struct share_world *x;
    struct s2_ledger_account account[VMS];
    bool is_destroyed[VMS]; /* from its destroy_begin until it is made again */
    struct s2_audit_config audit;
    uint64_t calls[CHAOS_CALLS], granted[CHAOS_CALLS], restarts;
} chaos;

/* Of the suite. False: not now; then nothing was entered. */
static bool chaos_enter(unsigned vm, enum chaos_need need);
static void chaos_leave(unsigned vm, enum chaos_need need);
/* What the audit wants nobody to do during its steps, and its steps. */
static bool chaos_enter_audit(bool is_audit);
static void chaos_leave_audit(bool is_audit);

static inline uint64_t chaos_random(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (*seed >> 11) % below;
}

static inline struct s2_space *chaos_space(unsigned vm)
{
    return space_of(chaos.x, (uint16_t)(VM + vm));
}

static inline struct s2_ledger *chaos_ledger(void)
{
    return &chaos.x->w->ledger;
}

/* No call answers with what it does not document, or changes its mind about what is there. */
static inline bool chaos_done(enum chaos_call call, enum s2_err err)
{
    __atomic_fetch_add(&chaos.calls[call], 1, __ATOMIC_RELAXED);
    if (err == S2_OK)
        __atomic_fetch_add(&chaos.granted[call], 1, __ATOMIC_RELAXED);
    if (err == S2_ERANGE || err == S2_EATTR || err == S2_EUNSUP || err == S2_EREFUSED)
        model_violate(chaos.x->w->port, "a call answers %s", s2_err_name(err));
    return err == S2_OK;
}

/* --- what is looked at ------------------------------------------------------------------------------------------------ */

static inline struct s2_ipa_range chaos_range(uint64_t *seed)
{
    static const uint64_t places[] = {CHAOS_RAM, CHAOS_RAM, CHAOS_LINEAR, CHAOS_SLOTS};
    uint64_t pages = 1 + chaos_random(seed, chaos_random(seed, 2) ? 4 : CHAOS_MOST);
    uint64_t at = chaos_random(seed, CHAOS_PAGES - pages);

    return ipa_range(places[chaos_random(seed, 4)] + at * PAGE, pages * PAGE);
}

/* The handle of some share, more often than not one that this VM is named in as its owner, or as a borrower; or one of which nothing
 * is left. */
static inline uint32_t chaos_handle(unsigned vm, bool owns, uint64_t *seed, struct s2_share_info *info)
{
    uint16_t id = (uint16_t)(VM + vm);
    bool found = false, fits = false;

    for (unsigned i = 0; i < 4 && !fits; i++) {
        found = s2_share_next(chaos_ledger(), (uint32_t)chaos_random(seed, SHARES), info);
        fits = found && (owns ? info->owner == id : s2_share_borrower(info, id) != NULL);
    }
    if (!found) {
        *info = (struct s2_share_info){.kind = S2_SHARE};
        return 1u << 16 | 1;
    }
    return chaos_random(seed, 16) ? info->handle : info->handle - (1u << 16);
}

/* The first word behind a page that the leaf maps. */
static inline uint64_t *chaos_word(const struct s2_leaf *leaf, uint64_t ipa)
{
    return model_ram(chaos.x->w->port, leaf->pa.v + (ipa - leaf->range.start.v));
}

struct chaos_look {
    struct s2_ipa_range range;
    bool is_zero;
};

static inline bool chaos_is_zero(void *arg, const struct s2_leaf *leaf)
{
    struct chaos_look *look = arg;

    for (uint64_t at = leaf->range.start.v; at < leaf->range.end.v; at += PAGE)
        if (at >= look->range.start.v && at < look->range.end.v &&
            __atomic_load_n(chaos_word(leaf, at), __ATOMIC_RELAXED))
            look->is_zero = false;
    return true;
}

/* With the VM entered alone. */
static inline void chaos_expect_zero(unsigned vm, struct s2_ipa_range range, const char *what)
{
    struct chaos_look look = {range, true};

    s2_space_visit(chaos_space(vm), range, chaos_is_zero, &look);
    if (!look.is_zero)
        model_violate(chaos.x->w->port, "%s is not zero", what);
}

static inline bool chaos_store(void *arg, const struct s2_leaf *leaf)
{
    if (leaf->attr.bits & S2_W)
        for (uint64_t at = leaf->range.start.v; at < leaf->range.end.v; at += PAGE)
            __atomic_store_n(chaos_word(leaf, at), *(uint64_t *)arg, __ATOMIC_RELAXED);
    return true;
}

/* A guest writes wherever it can: the lock is held, so nothing is withdrawn before it is done, as after a flush. */
static inline void chaos_write(unsigned vm, struct s2_ipa_range range)
{
    uint64_t value = vm + 1;

    s2_space_visit(chaos_space(vm), range, chaos_store, &value);
}

/* --- calls -------------------------------------------------------------------------------------------------------------- */

static inline void chaos_offer(unsigned vm, uint64_t *seed)
{
    struct s2_offer o = {.kind = (enum s2_share_kind)chaos_random(seed, 3), .range = chaos_range(seed)};
    uint32_t handle;

    o.borrowers = o.kind == S2_SHARE ? 1 + (unsigned)chaos_random(seed, VMS - 1) : 1;
    for (unsigned i = 0; i < o.borrowers; i++) {
        o.borrower[i].vm = (uint16_t)(VM + (vm + 1 + (i + chaos_random(seed, 2)) % (VMS - 1)) % VMS);
        o.borrower[i].rights = chaos_random(seed, 3) ? S2_RW : S2_R;
    }
    (void)chaos_done(CHAOS_OFFER, s2_space_share(chaos_space(vm), &o, &handle, NULL));
}

static inline void chaos_retrieve(unsigned vm, uint64_t *seed, bool alone)
{
    struct s2_share_info info = {.kind = S2_SHARE};
    uint32_t handle = chaos_handle(vm, false, seed, &info);
    uint64_t at = CHAOS_SLOTS + chaos_random(seed, CHAOS_PAGES) * PAGE;

    if (info.kind == S2_DONATE && chaos_random(seed, 4))
        while (s2_share_scrub_step(chaos_ledger(), handle, 1 + chaos_random(seed, 16)))
            if (info.phase != S2_SHARE_OPEN || !chaos_random(seed, 16))
                break;
    if (chaos_done(CHAOS_RETRIEVE, s2_space_retrieve(chaos_space(vm), handle, S2_IPA(at),
                                                     chaos_random(seed, 2) ? S2_RW : S2_R, 0, NULL)) &&
        alone && info.kind == S2_DONATE && handle == info.handle)
        chaos_expect_zero(vm, ipa_range(at, info.bytes), "a donation");
}

static inline void chaos_revoke_all(uint32_t handle)
{
    for (unsigned vm = 0; vm < VMS; vm++)
        if (chaos_enter(vm, CHAOS_BESIDE)) {
            s2_space_revoke(chaos_space(vm), handle);
            chaos_leave(vm, CHAOS_BESIDE);
        }
}

/* Begins to withdraw a share of this VM's, now and then with all that follows. */
static inline void chaos_withdraw(unsigned vm, uint64_t *seed)
{
    struct s2_share_info info = {.handle = 0};
    uint32_t handle = chaos_handle(vm, true, seed, &info);

    if (!chaos_done(CHAOS_WITHDRAW, s2_share_end_begin(chaos_ledger(), handle, (uint16_t)(VM + vm), S2_END_ANY, NULL)))
        return;
    if (chaos_random(seed, 4))
        chaos_revoke_all(handle);
    for (unsigned i = 0; i < 16 && s2_share_scrub_step(chaos_ledger(), handle, 8); i++)
        ;
}

static inline void chaos_reclaim(unsigned vm, uint64_t *seed, bool alone)
{
    struct s2_share_info info = {.kind = S2_SHARE};
    uint32_t handle = chaos_handle(vm, true, seed, &info);
    bool touched = info.kind == S2_LEND && info.owner == VM + vm && info.scrubbed == info.bytes && info.bytes > 0;

    if (chaos_done(CHAOS_RECLAIM, s2_space_reclaim(chaos_space(vm), handle, NULL)) && alone && touched &&
        handle == info.handle)
        chaos_expect_zero(vm, ipa_range(info.was.ipa.v, info.bytes), "what comes back from a loan");
}

static inline void chaos_map(unsigned vm, uint64_t *seed, bool alone)
{
    struct s2_ipa_range r = chaos_range(seed);
    struct s2_area a = {.range = r, .backend = &s2_backend_alloc, .attr = S2_ATTR(S2_RW)};
    enum s2_map_mode mode = chaos_random(seed, 2) ? S2_MAP_NEW : S2_MAP_REPLACE;

    if (r.start.v >= CHAOS_LINEAR && r.start.v < CHAOS_SLOTS) {
        a.backend = &s2_backend_linear;
        a.backing = FRAME_BASE + FRAME_BYTES - (vm + 1) * MIB(1) + (r.start.v - CHAOS_LINEAR);
    } else if (chaos_random(seed, 2)) {
        a.flags = chaos_random(seed, 3) ? S2_AREA_LAZY : S2_AREA_LAZY | S2_AREA_OVERCOMMIT;
    }
    if (chaos_done(CHAOS_MAP, s2_space_map(chaos_space(vm), &a, mode, NULL)) && alone && a.backend == &s2_backend_alloc)
        chaos_expect_zero(vm, r, "new memory");
}

static inline bool chaos_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    attr->bits = (area->attr.bits & ~(uint32_t)S2_W) | (*(const bool *)arg ? S2_W : 0);
    return true;
}

static inline void chaos_protect(unsigned vm, uint64_t *seed)
{
    bool writable = chaos_random(seed, 2);

    (void)chaos_done(CHAOS_PROTECT, s2_space_protect(chaos_space(vm), chaos_range(seed), chaos_attr, &writable, NULL));
}

static inline void chaos_fault(unsigned vm, uint64_t *seed)
{
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION,
                         .access = chaos_random(seed, 2) ? S2_ACCESS_WRITE : S2_ACCESS_READ,
                         .has_ipa = true};
    struct s2_fault_result r;
    struct s2_cache cache;
    bool refused = false;

    s2_cache_init(&cache);
    for (unsigned i = 0; i < 8 && !refused; i++) {
        f.ipa = chaos_range(seed).start;
        if (s2_space_fault(chaos_space(vm), &cache, &f, &r) == S2_NEED_REFILL)
            refused |= s2_cache_refill(chaos_space(vm), &cache) != S2_OK; /* others may have all */
    }
    s2_cache_drain(chaos_space(vm), &cache);
}

/* Entered for steps. */
static inline void chaos_long(unsigned vm, uint64_t *seed)
{
    struct s2_area a = {.range = chaos_range(seed), .backend = &s2_backend_alloc, .attr = S2_ATTR(S2_RW)};
    struct s2_space *sp = chaos_space(vm);
    bool writable = chaos_random(seed, 2);
    struct s2_long l;

    switch (chaos_random(seed, 3)) {
    case 0:
        if (!chaos_done(CHAOS_LONG, s2_space_unmap_begin(sp, &l, a.range, NULL)))
            return;
        while (chaos_random(seed, 8) && s2_space_unmap_step(&l, 3))
            ;
        (void)chaos_done(CHAOS_LONG, s2_space_unmap_end(&l));
        break;
    case 1:
        if (!chaos_done(CHAOS_LONG, s2_space_protect_begin(sp, &l, a.range, chaos_attr, &writable, NULL)))
            return;
        while (chaos_random(seed, 8) && s2_space_protect_step(&l, 3))
            ;
        (void)chaos_done(CHAOS_LONG, s2_space_protect_end(&l));
        break;
    default:
        if (!chaos_done(CHAOS_LONG, s2_space_map_begin(sp, &l, &a, NULL)))
            return;
        while (chaos_random(seed, 8) && s2_space_map_step(&l, 3))
            ;
        if (chaos_random(seed, 2))
            s2_space_map_end(&l);
        else
            while (s2_space_map_abort(&l, 5))
                ;
    }
}

static inline void chaos_audit(void)
{
    struct s2_audit a;

    s2_audit_begin(&a, &chaos.audit);
    for (bool more = true; more;) {
        if (!chaos_enter_audit(true))
            continue;
        more = s2_audit_step(&a, 200);
        chaos_leave_audit(true);
    }
    (void)s2_audit_end(&a);
}

#endif
