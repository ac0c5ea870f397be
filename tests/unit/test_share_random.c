/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Three VMs that share, lend, donate, retrieve, relinquish and reclaim at random, on the strict model, each on a CPU of its own that
 * touches memory between any two calls. Beside them an oracle that is a flat array: who reaches which frame where, and what is in
 * it. SEED= and STEPS= choose others. */
#include "share_world.h"

#include "base/bits.h"

enum { PAGES = 48, SLOTS = 6, SLOT_PAGES = 8, MOST = 3 * SHARES_EACH };
#define RAM_IPA     MIB(64)
#define SLOT_IPA(i) (MIB(512) + (uint64_t)(i)*MIB(1))

/* A page of a VM: the frame that it reaches (0: none), and may it write? */
struct page {
    uint64_t frame;
    bool write;
};
struct deal {
    uint32_t handle;
    enum s2_share_kind kind;
    unsigned owner, first, pages, borrower, slot;
    bool writable, held, ending, touched, clean;
};
static struct {
    struct share_world *x;
    uint64_t random, seed;
    struct page ram[VMS][PAGES], slot[VMS][SLOTS][SLOT_PAGES];
    bool donated[VMS][SLOTS]; /* a slot that is its VM's own for good */
    uint64_t frame[VMS][PAGES];
    struct deal deal[MOST];
    unsigned deals;
} o;

static uint64_t arbitrary(uint64_t below)
{
    o.random ^= o.random << 13;
    o.random ^= o.random >> 7;
    o.random ^= o.random << 17;
    return (o.random >> 11) % below;
}

static uint16_t id(unsigned vm)
{
    return (uint16_t)(VM + vm);
}

static uint64_t *word(uint64_t frame)
{
    return model_ram(o.x->w->port, frame);
}

/* --- what each VM reaches ---------------------------------------------------------------------------------------------- */

static void look(unsigned vm, uint64_t ipa, const struct page *p)
{
    assert_int_equal(share_access(o.x, id(vm), ipa, MODEL_READ), p->frame ? p->frame : UINT64_MAX);
    assert_int_equal(share_access(o.x, id(vm), ipa, MODEL_WRITE), p->write ? p->frame : UINT64_MAX);
    if (p->write)
        *word(p->frame) = arbitrary(UINT32_MAX) + 1;
}

static void look_around(void)
{
    for (unsigned vm = 0; vm < VMS; vm++) {
        for (unsigned n = 0; n < 6; n++) {
            unsigned i = (unsigned)arbitrary(PAGES);
            look(vm, RAM_IPA + i * PAGE, &o.ram[vm][i]);
        }
        for (unsigned s = 0; s < SLOTS; s++) {
            unsigned i = (unsigned)arbitrary(SLOT_PAGES);
            look(vm, SLOT_IPA(s) + i * PAGE, &o.slot[vm][s][i]);
        }
    }
}

/* --- offers ------------------------------------------------------------------------------------------------------------- */

static bool all_there(unsigned vm, unsigned first, unsigned pages)
{
    for (unsigned i = first; i < first + pages; i++)
        if (!o.ram[vm][i].frame)
            return false;
    for (unsigned k = 0; k < o.deals; k++) { /* not in another deal, nor lent */
        const struct deal *d = &o.deal[k];

        if (d->owner == vm && first < d->first + d->pages && d->first < first + pages)
            return false;
    }
    return true;
}

static unsigned deals_of(unsigned vm)
{
    unsigned n = 0;

    for (unsigned k = 0; k < o.deals; k++)
        n += o.deal[k].owner == vm;
    return n;
}

static void offer(void)
{
    struct deal d = {.kind = (enum s2_share_kind)arbitrary(3),
                     .owner = (unsigned)arbitrary(VMS),
                     .first = (unsigned)arbitrary(PAGES - SLOT_PAGES),
                     .pages = 1 + (unsigned)arbitrary(SLOT_PAGES),
                     .writable = arbitrary(2)};
    struct s2_offer offer;
    enum s2_err err;

    d.borrower = (d.owner + 1 + (unsigned)arbitrary(VMS - 1)) % VMS;
    offer = offer_to(d.kind, ipa_range(RAM_IPA + d.first * PAGE, d.pages * PAGE), id(d.borrower),
                     d.writable ? S2_RW : S2_R);
    err = s2_space_share(space_of(o.x, id(d.owner)), &offer, &d.handle, &o.x->d);
    if (!all_there(d.owner, d.first, d.pages)) {
        assert_true(err == S2_ENOENT || err == S2_EPERM);
        return;
    }
    if (deals_of(d.owner) == SHARES_EACH || o.deals == SHARES) {
        assert_true(err == S2_EQUOTA || err == S2_ENODES);
        return;
    }
    assert_int_equal(err, S2_OK);
    for (unsigned i = 0; i < d.pages && d.kind != S2_SHARE; i++)
        o.ram[d.owner][d.first + i] = (struct page){0};
    o.deal[o.deals++] = d;
}

static void forget(struct deal *d)
{
    *d = o.deal[--o.deals];
}

/* --- taking ------------------------------------------------------------------------------------------------------------- */

static enum s2_err expected_to_take(const struct deal *d, unsigned vm, bool write)
{
    if (vm != d->borrower)
        return S2_ENOENT;
    if (d->ending)
        return S2_EBUSY;
    if (d->held)
        return S2_EEXIST;
    if (d->kind == S2_DONATE && !d->clean)
        return S2_EBUSY;
    return write && !d->writable ? S2_EPERM : S2_OK;
}

static bool is_free(unsigned vm, unsigned slot)
{
    for (unsigned i = 0; i < SLOT_PAGES; i++)
        if (o.slot[vm][slot][i].frame)
            return false;
    return true;
}

static void take(struct deal *d)
{
    unsigned vm = arbitrary(4) ? d->borrower : (unsigned)arbitrary(VMS), slot = (unsigned)arbitrary(SLOTS);
    bool write = arbitrary(2);
    enum s2_err want = expected_to_take(d, vm, write);

    if (want == S2_OK && !is_free(vm, slot))
        want = S2_EEXIST;
    assert_int_equal(
        s2_space_retrieve(space_of(o.x, id(vm)), d->handle, S2_IPA(SLOT_IPA(slot)), write ? S2_RW : S2_R, 0, &o.x->d),
        want);
    if (want)
        return;
    d->held = true;
    d->slot = slot;
    d->touched |= write;
    for (unsigned i = 0; i < d->pages; i++) {
        uint64_t frame = o.frame[d->owner][d->first + i];

        o.slot[vm][slot][i] = (struct page){frame, write};
        assert_true(d->kind != S2_DONATE || *word(frame) == 0);
    }
    if (d->kind == S2_DONATE)
        forget(d);
}

static void leave(struct deal *d)
{
    for (unsigned i = 0; i < d->pages; i++)
        o.slot[d->borrower][d->slot][i] = (struct page){0};
    d->held = false;
}

static void give_up(struct deal *d)
{
    unsigned vm = arbitrary(4) ? d->borrower : (unsigned)arbitrary(VMS);
    bool has = vm == d->borrower && d->held;

    assert_int_equal(s2_space_relinquish(space_of(o.x, id(vm)), d->handle, &o.x->d), has ? S2_OK : S2_ENOENT);
    if (has)
        leave(d);
}

/* --- the end ------------------------------------------------------------------------------------------------------------ */

static void withdraw(struct deal *d)
{
    unsigned vm = arbitrary(4) ? d->owner : (unsigned)arbitrary(VMS);
    enum s2_err err = s2_share_end_begin(&o.x->w->ledger, d->handle, id(vm), S2_END_ANY, &o.x->d);

    assert_int_equal(err, vm == d->owner ? S2_OK : S2_ENOENT);
    d->ending |= !err;
}

static void revoke(struct deal *d)
{
    s2_space_revoke(space_of(o.x, id(d->borrower)), d->handle);
    if (d->held)
        leave(d);
}

static void scrub(struct deal *d)
{
    bool wanted = d->kind == S2_DONATE ? !d->ending : d->kind == S2_LEND && d->ending && d->touched && !d->held;
    bool left = s2_share_scrub_step(&o.x->w->ledger, d->handle, 1 + arbitrary(SLOT_PAGES));

    assert_true(!left || (wanted && !d->clean));
    if (wanted && !left)
        d->clean = true;
}

static void reclaim(struct deal *d)
{
    bool dirty = d->kind == S2_LEND && d->touched && !d->clean;
    enum s2_err want = !d->ending ? S2_EINVAL : d->held || dirty ? S2_EBUSY : S2_OK;

    assert_int_equal(s2_space_reclaim(space_of(o.x, id(d->owner)), d->handle, &o.x->d), want);
    if (want)
        return;
    for (unsigned i = 0; i < d->pages; i++) {
        uint64_t frame = o.frame[d->owner][d->first + i];

        o.ram[d->owner][d->first + i] = (struct page){frame, true};
        assert_true(!(d->kind == S2_LEND && d->touched) || *word(frame) == 0);
    }
    forget(d);
}

static void step(void)
{
    static void (*const calls[])(struct deal *) = {take,  take,  take,  give_up, withdraw, revoke,
                                                   scrub, scrub, scrub, reclaim, reclaim};
    unsigned n = (unsigned)arbitrary(sizeof(calls) / sizeof(calls[0]) + 4);

    if (n >= sizeof(calls) / sizeof(calls[0]) || o.deals == 0)
        offer();
    else
        calls[n](&o.deal[arbitrary(o.deals)]);
}

/* --- worlds -------------------------------------------------------------------------------------------------------------- */

static void begin(uint64_t seed)
{
    memset(&o, 0, sizeof o);
    o.seed = o.random = seed * 0x9e3779b97f4a7c15ull + 1;
    o.x = share_create(world_defaults());
    for (unsigned vm = 0; vm < VMS; vm++) {
        /* In pieces, now and then. */
        for (unsigned i = 0, n; i < PAGES; i += n) {
            struct s2_area a = area_alloc(RAM_IPA + i * PAGE, PAGE, S2_RW, 0);

            n = (unsigned)s2_min_u64(1 + arbitrary(PAGES), PAGES - i);
            a.range.end.v = a.range.start.v + n * PAGE;
            assert_int_equal(s2_space_map(space_of(o.x, id(vm)), &a, S2_MAP_NEW, &o.x->d), S2_OK);
        }
        share_run(o.x, id(vm));
        for (unsigned i = 0; i < PAGES; i++) {
            o.frame[vm][i] = share_access(o.x, id(vm), RAM_IPA + i * PAGE, MODEL_WRITE);
            o.ram[vm][i] = (struct page){o.frame[vm][i], true};
        }
    }
}

static void end(void)
{
    unsigned first = (unsigned)arbitrary(VMS);

    share_check(o.x);
    s2_cache_drain(&o.x->w->space, &o.x->w->cache);
    for (unsigned i = 0; i < VMS; i++)
        share_destroy_space(o.x, id((first + i) % VMS));
    assert_int_equal(o.x->w->frames.free, o.x->w->frames.total);
    assert_int_equal(s2_ledger_count(&o.x->w->ledger, S2_OWNER_NONE, S2_FREE), FRAME_BYTES / PAGE);
    share_destroy(o.x);
}

static void at_random(void **state)
{
    const char *seed = getenv("SEED"), *steps = getenv("STEPS");
    unsigned worlds = 40, each = steps ? (unsigned)strtoul(steps, NULL, 0) : 400;
    uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;

    (void)state;
    for (uint64_t s = first; s < first + worlds; s++) {
        printf("# seed %llu\n", (unsigned long long)s);
        begin(s);
        for (unsigned i = 0; i < each; i++) {
            step();
            look_around();
            model_set_cpu(o.x->w->port, (unsigned)arbitrary(VMS));
            if (i % 16 == 0)
                share_check(o.x);
        }
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(at_random)};

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
