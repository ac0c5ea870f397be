/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Three VMs with shares, loans and gifts in all stages, memory in pieces and holes: a call at random, with each thing that it may be
 * refused refused in turn, until it is granted, or refused for itself. Whenever it is refused nothing has changed for anybody.
 * SEED= and STEPS= choose others. */
#include "share_chaos.h"
#include "space_state.h"

#include "inject.h"

enum { STEPS = 250, WORLDS = 6 };

/* One after the other. */
static bool chaos_enter(unsigned vm, enum chaos_need need)
{
    (void)vm;
    (void)need;
    return true;
}

static void chaos_leave(unsigned vm, enum chaos_need need)
{
    (void)vm;
    (void)need;
}

static bool chaos_enter_audit(bool is_audit)
{
    (void)is_audit;
    return true;
}

static void chaos_leave_audit(bool is_audit)
{
    (void)is_audit;
}

/* --- what there is ----------------------------------------------------------------------------------------------------- */

static void note_vm(struct state *s, unsigned vm)
{
    struct s2_space *sp = chaos_space(vm);

    note_space(s, sp, MEANING);
    note_areas(s, &sp->areas);
    note_map(s, &sp->chunks, MEANING);
    note(s, sp->cut.count | (uint64_t)sp->cut_nodes << 32);
    note(s, sp->cut_ledger);
    note(s, sp->frames_shared);
    note_pool(s, sp->cfg.nodes, MEANING);
    note(s, sp->cfg.nodes->free);
    note(s, s2_ledger_held(chaos_ledger(), sp->cfg.id));
}

static void note_share(struct state *s, const struct s2_share *share)
{
    note(s, share->phase);
    if (share->phase == S2_SHARE_UNUSED)
        return;
    note(s, (uint64_t)share->generation | (uint64_t)share->owner << 16 | (uint64_t)share->kind << 32);
    note(s, share->owner_has);
    note(s, share->scrubbed);
    note_map(s, &share->runs, MEANING);
    for (unsigned i = 0; i < share->borrowers; i++) {
        note(s, share->borrower[i].state | (uint64_t)share->borrower[i].vm << 16);
        note(s, share->borrower[i].mapped);
        note(s, share->borrower[i].ipa.v);
    }
}

static void take_all(struct state *s)
{
    static const char *const name[VMS] = {"the first VM", "the second VM", "the third VM"};
    struct world *w = chaos.x->w;

    s->n = s->headings = 0;
    for (unsigned vm = 0; vm < VMS; vm++) {
        under(s, name[vm]);
        note_vm(s, vm);
    }
    under(s, "shares");
    for (unsigned i = 0; i < SHARES; i++)
        note_share(s, &chaos.x->table[i]);
    under(s, "the ledger");
    note_map(s, &w->ledger.map, MEANING); /* is edited, and edited back: another shape */
    note_pool(s, &w->ledger_nodes, MEANING);
    note(s, (uintptr_t)w->ledger.pending);
    under(s, "table pages");
    note_tables(s, w, MEANING);
    under(s, "frames");
    note_frames(s, &w->frames, MEANING);
    note(s, w->frames.clean);
}

/* --- calls -------------------------------------------------------------------------------------------------------------- */

struct call {
    enum chaos_call which;
    unsigned vm, kind;
    struct s2_ipa_range range;
    struct s2_offer offer;
    struct s2_area area;
    enum s2_map_mode mode;
    uint32_t handle;
    uint8_t rights;
    bool writable;
};

static struct call any_call(uint64_t *seed)
{
    static const enum chaos_call which[] = {CHAOS_OFFER,    CHAOS_OFFER,    CHAOS_OFFER,   CHAOS_RETRIEVE,
                                            CHAOS_RETRIEVE, CHAOS_RETRIEVE, CHAOS_RECLAIM, CHAOS_RECLAIM,
                                            CHAOS_MAP,      CHAOS_UNMAP,    CHAOS_PROTECT, CHAOS_LONG};
    struct s2_share_info info = {.handle = 0};
    struct call c = {.which = which[chaos_random(seed, sizeof which / sizeof which[0])],
                     .vm = (unsigned)chaos_random(seed, VMS),
                     .kind = (unsigned)chaos_random(seed, 3),
                     .range = chaos_range(seed),
                     .mode = chaos_random(seed, 2) ? S2_MAP_NEW : S2_MAP_REPLACE,
                     .rights = chaos_random(seed, 2) ? S2_RW : S2_R,
                     .writable = chaos_random(seed, 2)};

    c.handle = chaos_handle(c.vm, c.which == CHAOS_RECLAIM, seed, &info);
    c.offer = (struct s2_offer){.kind = (enum s2_share_kind)c.kind, .range = c.range, .borrowers = 1};
    c.offer.borrower[0].vm = (uint16_t)(VM + (c.vm + 1 + chaos_random(seed, VMS - 1)) % VMS);
    c.offer.borrower[0].rights = S2_RW;
    c.area = (struct s2_area){.range = c.range, .backend = &s2_backend_alloc, .attr = S2_ATTR(S2_RW)};
    if (c.range.start.v >= CHAOS_LINEAR && c.range.start.v < CHAOS_SLOTS) {
        c.area.backend = &s2_backend_linear;
        c.area.backing = FRAME_BASE + FRAME_BYTES - (c.vm + 1) * MIB(1) + (c.range.start.v - CHAOS_LINEAR);
    } else if (chaos_random(seed, 3) == 0 && c.which == CHAOS_MAP) {
        c.area.flags = S2_AREA_LAZY;
    }
    if (c.which == CHAOS_RETRIEVE)
        c.range.start = S2_IPA(CHAOS_SLOTS + chaos_random(seed, CHAOS_PAGES) * PAGE);
    return c;
}

static enum s2_err long_begin(const struct call *c, struct s2_long *l, struct s2_detail *d)
{
    struct s2_space *sp = chaos_space(c->vm);

    switch (c->kind) {
    case 0:
        return s2_space_unmap_begin(sp, l, c->range, d);
    case 1:
        return s2_space_protect_begin(sp, l, c->range, chaos_attr, (void *)(uintptr_t)&c->writable, d);
    default:
        return s2_space_map_begin(sp, l, &c->area, d);
    }
}

static void long_end(const struct call *c, struct s2_long *l)
{
    switch (c->kind) {
    case 0:
        assert_int_equal(s2_space_unmap_end(l), S2_OK);
        break;
    case 1:
        while (s2_space_protect_step(l, 7))
            ;
        assert_int_equal(s2_space_protect_end(l), S2_OK);
        break;
    default:
        if (c->writable)
            s2_space_map_end(l);
        else
            while (s2_space_map_abort(l, 7))
                ;
    }
}

static enum s2_err call(const struct call *c, struct s2_detail *d)
{
    struct s2_space *sp = chaos_space(c->vm);
    uint32_t handle;
    struct s2_long l;
    enum s2_err err;

    switch (c->which) {
    case CHAOS_OFFER:
        return s2_space_share(sp, &c->offer, &handle, d);
    case CHAOS_RETRIEVE:
        return s2_space_retrieve(sp, c->handle, c->range.start, c->rights, 0, d);
    case CHAOS_RECLAIM:
        return s2_space_reclaim(sp, c->handle, d);
    case CHAOS_MAP:
        return s2_space_map(sp, &c->area, c->mode, d);
    case CHAOS_UNMAP:
        return s2_space_unmap(sp, c->range, d);
    case CHAOS_PROTECT:
        return s2_space_protect(sp, c->range, chaos_attr, (void *)(uintptr_t)&c->writable, d);
    default:
        err = long_begin(c, &l, d);
        inject_disarm();
        if (!err)
            long_end(c, &l);
        return err;
    }
}

/* What populating lazy memory has brought stays. */
static bool may_populate(const struct call *c)
{
    struct s2_area a;

    return c->which == CHAOS_OFFER && s2_space_find(chaos_space(c->vm), c->range.start, &a) && (a.flags & S2_AREA_LAZY);
}

/* What earlier calls used up of it comes back with the next one, refused or not. */
static bool has_reserves(void)
{
    for (unsigned vm = 0; vm < VMS; vm++) {
        const struct s2_space *sp = chaos_space(vm);

        if (sp->cut.count < s2_cut_tables(&sp->cfg.geometry) || sp->cut_nodes < S2_CUT_NODES || !sp->cut_ledger)
            return false;
    }
    return true;
}

static uint64_t refusals;

/* Refuses the k-th thing, and all of its kind behind it, `burst` of them. True when that was the reason. */
static bool refused(const struct call *c, unsigned k, unsigned burst, enum s2_err *err)
{
    static struct state before, after;
    struct s2_detail d = {.err = S2_OK};
    bool compares = !may_populate(c) && has_reserves();
    unsigned fired;
    char what[100];

    take_all(&before);
    inject_arm(k, burst);
    *err = call(c, &d);
    fired = inject.refused;
    inject_disarm();
    if (!*err)
        return false;
    snprintf(what, sizeof what, "call %d kind %u of VM %u, refusal %u of %u (%s)", (int)c->which, c->kind, c->vm, k,
             burst, s2_err_name(*err));
    if (d.err != *err)
        printf("# %s\n", what);
    assert_int_equal(d.err, *err);
    take_all(&after);
    if (compares && has_reserves())
        expect_same(&before, &after, what);
    refusals += fired != 0;
    return fired != 0;
}

static void each_in_turn(const struct call *c)
{
    enum s2_err err = S2_OK;

    for (unsigned k = 1; refused(c, k, k % 3 ? 1 : 1000, &err); k++)
        ;
    __atomic_fetch_add(&chaos.calls[c->which], 1, __ATOMIC_RELAXED);
    chaos.granted[c->which] += !err;
}

/* What is not refused: scrubs, withdrawals, guests that write. */
static void between(uint64_t *seed)
{
    struct s2_share_info info;
    unsigned vm = (unsigned)chaos_random(seed, VMS);

    chaos_write(vm, chaos_range(seed));
    if (chaos_random(seed, 3) == 0)
        chaos_withdraw(vm, seed);
    if (chaos_random(seed, 4) == 0)
        (void)chaos_done(CHAOS_RELINQUISH,
                         s2_space_relinquish(chaos_space(vm), chaos_handle(vm, false, seed, &info), NULL));
    for (info.handle = 0; s2_share_next(chaos_ledger(), info.handle, &info);)
        if (info.kind == S2_DONATE && chaos_random(seed, 2))
            (void)s2_share_scrub_step(chaos_ledger(), info.handle, 64);
}

static void run(const struct world_config *wc, uint64_t seed, unsigned steps)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15ull;

    chaos_begin(*wc);
    refusals = 0;
    for (unsigned vm = VMS; vm-- > 0;)
        share_run(chaos.x, (uint16_t)(VM + vm));
    for (unsigned i = 0; i < steps; i++) {
        struct call c = any_call(&random);

        each_in_turn(&c);
        between(&random);
        assert_true(model_ok(chaos.x->w->port));
        if (i % 8 == 0)
            share_check(chaos.x);
    }
    chaos_tell(seed);
    printf("# %llu refusals\n", (unsigned long long)refusals);
    chaos_finish(&random);
}

static void nothing_changes_when_refused(void **state)
{
    static const uint8_t chunks[] = {12, 14, 21};
    const char *seed = getenv("SEED"), *steps = getenv("STEPS");
    uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;

    (void)state;
    for (unsigned i = 0; i < WORLDS; i++) {
        struct world_config wc = world_defaults();

        wc.chunk_log2 = chunks[i % 3];
        run(&wc, first + i, steps ? (unsigned)strtoul(steps, NULL, 0) : STEPS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_changes_when_refused)};

    inject_backends();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
