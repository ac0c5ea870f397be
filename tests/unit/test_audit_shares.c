/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit where VMs let each other use memory; and spaces that check each operation at its end. */
#include "share_world.h"

#include <stage2/audit.h>

#include "space/inner.h"

enum { FINDINGS = 32, ALL = 1u << 30 };

struct machine {
    struct share_world *x;
    struct s2_audit_config cfg;
    struct s2_ledger_account account[VMS];
    struct s2_finding finding[FINDINGS];
    unsigned findings;
    bool no_borrower, no_stranger;
};

static struct s2_space *space_at(void *arg, unsigned i)
{
    struct machine *m = arg;

    return (i == BORROWER - VM && m->no_borrower) || (i == STRANGER - VM && m->no_stranger)
               ? NULL
               : space_of(m->x, (uint16_t)(VM + i));
}

static bool cached(void *arg, unsigned i, uint32_t *pages)
{
    struct machine *m = arg;

    *pages = i ? 0 : m->x->w->cache.tables.count;
    return true;
}

static void found(void *arg, const struct s2_finding *f)
{
    struct machine *m = arg;

    if (m->findings < FINDINGS)
        m->finding[m->findings++] = *f;
}

static void audit(struct machine *m, uint64_t budget)
{
    struct s2_audit a;

    m->findings = 0;
    s2_audit_begin(&a, &m->cfg);
    while (s2_audit_step(&a, budget))
        ;
}

static void clean(struct machine *m)
{
    audit(m, 64);
    for (unsigned i = 0; i < m->findings; i++)
        fprintf(stderr, "# vm %u: %s at 0x%llx\n", m->finding[i].vm, m->finding[i].detail.what,
                (unsigned long long)m->finding[i].detail.asked_start);
    assert_int_equal(m->findings, 0);
}

static void finds(struct machine *m, uint16_t vm, const char *what, uint64_t start)
{
    audit(m, ALL);
    for (unsigned i = 0; i < m->findings; i++)
        if (m->finding[i].vm == vm && !strcmp(m->finding[i].detail.what, what)) {
            assert_int_equal(m->finding[i].detail.asked_start, start);
            return;
        }
    for (unsigned i = 0; i < m->findings; i++)
        fprintf(stderr, "# vm %u: %s at 0x%llx\n", m->finding[i].vm, m->finding[i].detail.what,
                (unsigned long long)m->finding[i].detail.asked_start);
    fail_msg("not found: %s", what);
}

static int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct machine *m = world_alloc(sizeof *m);
    struct world *w;

    memset(m, 0, sizeof *m);
    wc.table_pages = 96;
    wc.frame_quota = 4096;
    wc.not_strict = true; /* books are scribbled on */
    m->x = share_create(wc);
    w = m->x->w;
    m->cfg = (struct s2_audit_config){.ledger = &w->ledger,
                                      .frames = &w->frames,
                                      .tables = &w->tables,
                                      .pools = 1,
                                      .vmids = &w->vmids,
                                      .spaces = VMS,
                                      .space = space_at,
                                      .cached = cached,
                                      .found = found,
                                      .arg = m};
    s2_ledger_quota(&w->ledger, m->account, VMS);
    assert_int_equal(map_new(w, area_alloc(OWNER_IPA, MIB(4), S2_RW, 0)), S2_OK);
    clean(m);
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct machine *m = *state;

    clean(m);
    share_check(m->x);
    share_destroy(m->x);
    free(m);
    return 0;
}

static uint32_t offered(struct machine *m, enum s2_share_kind kind)
{
    struct s2_offer o = offer_to(kind, ipa_range(OWNER_IPA + KIB(64), KIB(16)), BORROWER, S2_RW);
    uint32_t handle = 0;

    assert_int_equal(s2_space_share(space_of(m->x, OWNER), &o, &handle, &m->x->d), S2_OK);
    clean(m);
    return handle;
}

static uint32_t held(struct machine *m, enum s2_share_kind kind)
{
    uint32_t handle = offered(m, kind);
    enum s2_err err;

    while ((err = s2_space_retrieve(space_of(m->x, BORROWER), handle, S2_IPA(BORROWER_IPA), S2_RW, 0, &m->x->d)) ==
           S2_EBUSY) {
        (void)s2_share_scrub_step(&m->x->w->ledger, handle, 1);
        clean(m);
    }
    assert_int_equal(err, S2_OK);
    clean(m);
    return handle;
}

static void ended(struct machine *m, uint32_t handle)
{
    struct s2_ledger *l = &m->x->w->ledger;
    enum s2_err err;

    assert_int_equal(s2_share_end_begin(l, handle, OWNER, S2_END_ANY, NULL), S2_OK);
    clean(m);
    s2_space_revoke(space_of(m->x, BORROWER), handle);
    clean(m);
    while ((err = s2_space_reclaim(space_of(m->x, OWNER), handle, &m->x->d)) == S2_EBUSY) {
        (void)s2_share_scrub_step(l, handle, 1);
        clean(m);
    }
    assert_int_equal(err, S2_OK);
    clean(m);
}

static void a_share_from_its_beginning_to_its_end(void **state)
{
    static const enum s2_share_kind kinds[] = {S2_SHARE, S2_LEND};
    struct machine *m = *state;

    for (unsigned i = 0; i < 2; i++) {
        uint32_t handle = held(m, kinds[i]);

        assert_int_equal(s2_space_relinquish(space_of(m->x, BORROWER), handle, NULL), S2_OK);
        clean(m);
        ended(m, handle);
        ended(m, held(m, kinds[i]));
        ended(m, offered(m, kinds[i]));
    }
    (void)held(m, S2_DONATE);
}

static void a_borrower_or_an_owner_that_goes(void **state)
{
    struct machine *m = *state;
    uint32_t handle = held(m, S2_SHARE);

    assert_int_equal(s2_space_unmap(space_of(m->x, BORROWER), ipa_range(BORROWER_IPA, KIB(4)), NULL), S2_OK);
    clean(m);
    assert_int_equal(s2_space_unmap(space_of(m->x, OWNER), ipa_range(OWNER_IPA + KIB(64), KIB(4)), NULL), S2_OK);
    clean(m);
    assert_int_equal(s2_space_unmap(space_of(m->x, OWNER), ipa_range(OWNER_IPA + KIB(64), KIB(16)), NULL), S2_OK);
    clean(m); /* the frames stay until the borrower leaves */
    s2_space_revoke(space_of(m->x, BORROWER), handle);
    clean(m);
}

static struct s2_share *record(struct machine *m, uint32_t handle)
{
    return &m->x->table[(handle & 0xffff) - 1];
}

static void records_that_say_something_else(void **state)
{
    struct machine *m = *state;
    uint32_t handle = held(m, S2_SHARE);
    struct s2_share *s = record(m, handle);
    struct s2_ient run;
    struct s2_ival was;
    uint64_t pa;

    assert_true(s2_imap_find_from(&s->runs, 0, &run));
    pa = run.val.w[0];
    was = run.val;
    run.val.w[0] += PAGE;
    s2_imap_set(&s->runs, run.start, &run.val);
    finds(m, OWNER, "is not what its share has there", pa);
    finds(m, OWNER, "is in a share, and the ledger does not say so", pa + KIB(16));
    run.val.w[0] = MIB(8); /* of which the ledger knows nothing */
    s2_imap_set(&s->runs, run.start, &run.val);
    finds(m, OWNER, "is in a share, and the ledger does not say so", MIB(8));
    run.val = was;
    s2_imap_erase(&s->runs, run.start);
    finds(m, OWNER, "is not what its share has there", pa);
    finds(m, BORROWER, "is mapped, and its area has no memory there", BORROWER_IPA);
    s2_imap_insert(&s->runs, &run);
    s->owner = STRANGER;
    finds(m, OWNER, "is in a share of another VM's", pa);
    s->owner = OWNER;
    s->generation++;
    finds(m, OWNER, "is in a share that there is not", pa);
    s->generation--;
    /* A borrower that is said to hold it, and does not; and the other way round. */
    s->borrower[0].mapped -= PAGE;
    finds(m, BORROWER, "shows another part of a share than it is said to have", handle);
    s->borrower[0].mapped += PAGE;
    s->borrower[0].vm = STRANGER;
    finds(m, STRANGER, "shows another part of a share than it is said to have", handle);
    finds(m, BORROWER, "is mapped, and its area has no memory there", BORROWER_IPA);
    s->borrower[0].vm = BORROWER;
    m->no_borrower = true;
    finds(m, BORROWER, "has memory of a share, and no space", KIB(16));
    m->no_borrower = false;
    clean(m);
    ended(m, handle);
}

static bool no_more(void *arg, const struct s2_detail *d)
{
    *(struct s2_detail *)arg = *d;
    return false;
}

/* Steps of an audit with that budget. */
static unsigned steps(struct machine *m, uint64_t budget)
{
    struct s2_audit a;
    unsigned n = 1;

    m->findings = 0;
    s2_audit_begin(&a, &m->cfg);
    while (s2_audit_step(&a, budget))
        n++;
    return n;
}

/* Frames of a share that lie apart are looked at in steps, each wrong run is told once, and then the next share. */
static void shares_are_looked_at_in_steps(void **state)
{
    struct machine *m = *state;
    struct world *w = m->x->w;
    enum { PIECES = 7 };
    struct s2_offer o = offer_to(S2_SHARE, ipa_range(MIB(300), PIECES * PAGE), BORROWER, S2_RW);
    unsigned few = steps(m, ALL);
    uint32_t handle = 0;
    struct s2_share *s;
    struct s2_ient run;

    for (unsigned i = 0; i < PIECES; i++) /* from the top: no two of them are neighbours that go on */
        assert_int_equal(map_new(w, area_alloc(MIB(300) + (PIECES - 1 - i) * PAGE, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_share(space_of(m->x, OWNER), &o, &handle, &m->x->d), S2_OK);
    s = record(m, handle);
    assert_int_equal(s->runs.count, PIECES);
    assert_int_equal(steps(m, ALL), few);
    unsigned at_once = steps(m, 64), one_by_one = steps(m, 1);
    assert_true(one_by_one > at_once + PIECES);
    assert_true(s2_imap_find_from(&s->runs, 3 * PAGE, &run));
    run.val.w[0] = MIB(8);
    s2_imap_set(&s->runs, run.start, &run.val);
    for (uint64_t budget = 1; budget < 6; budget++) {
        unsigned told = 0;

        audit(m, budget);
        for (unsigned i = 0; i < m->findings; i++)
            told += !strcmp(m->finding[i].detail.what, "is in a share, and the ledger does not say so") &&
                    m->finding[i].detail.asked_start == MIB(8) && m->finding[i].detail.asked_end == MIB(8) + PAGE;
        assert_int_equal(told, 1);
    }
    assert_true(s2_imap_find_from(&s->runs, 2 * PAGE, &run));
    uint64_t before = run.val.w[0];
    assert_true(s2_imap_find_from(&s->runs, 3 * PAGE, &run));
    run.val.w[0] = before - PAGE;
    s2_imap_set(&s->runs, run.start, &run.val);
    clean(m);
    assert_int_equal(s2_share_end_begin(&w->ledger, handle, OWNER, S2_END_ANY, NULL), S2_OK);
    assert_int_equal(s2_space_reclaim(space_of(m->x, OWNER), handle, &m->x->d), S2_OK);
}

static void counts_of_shares(void **state)
{
    struct machine *m = *state;
    uint32_t handle = held(m, S2_SHARE);
    struct s2_share *s = record(m, handle);
    struct s2_space *sp = space_of(m->x, OWNER);
    struct s2_detail d;

    sp->frames_shared++;
    finds(m, OWNER, "is charged for another number of shared frames", KIB(16) / PAGE);
    assert_string_equal(s2_space_check(sp, &d), "is charged for another number of shared frames");
    assert_false(s2_check_totals(sp, no_more, &d));
    assert_int_equal(d.asked_end, KIB(16) / PAGE + 1);
    sp->frames_shared--;
    m->account[OWNER - VM].held++;
    finds(m, OWNER, "takes up another number of ledger entries than it is charged for",
          m->account[OWNER - VM].held - 1);
    m->account[OWNER - VM].held--;
    s->phase = S2_SHARE_UNUSED;
    finds(m, BORROWER, "shows shares that there are not", KIB(16));
    s->phase = S2_SHARE_OPEN;
    clean(m);
    ended(m, handle);
}

static void an_entry_that_left_its_share(void **state)
{
    struct machine *m = *state;
    uint32_t handle = held(m, S2_SHARE);
    struct s2_ledger *l = &m->x->w->ledger;
    struct s2_ient run, e;
    struct s2_ival was;

    assert_true(s2_imap_find_from(&record(m, handle)->runs, 0, &run));
    assert_true(s2_imap_find(&l->map, run.val.w[0], &e));
    was = e.val;
    e.val.w[0] = (e.val.w[0] & 0xff00ffff) | (uint64_t)S2_OWNED << 16; /* owned, in no share */
    e.val.w[2] &= 1;
    s2_imap_set(&l->map, e.start, &e.val);
    finds(m, OWNER, "is in a share, and the ledger does not say so", run.val.w[0]);
    s2_imap_set(&l->map, e.start, &was);
    l->map.pool->count++;
    finds(m, S2_OWNER_HYP, "the ledger has nodes that no map of it uses", l->map.pool->count - 1);
    l->map.pool->count--;
    ended(m, handle);
}

/* --- after each operation ------------------------------------------------------------------------------------------------- */

static uint64_t first_frame(struct s2_space *sp, uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_space_translate(sp, S2_IPA(ipa), &leaf));
    return leaf.pa.v + (ipa - leaf.range.start.v);
}

/* A right that goes while the frame is mapped, at OWNER_IPA. */
static struct s2_ledger_entry spoil(struct machine *m)
{
    struct s2_space *sp = space_of(m->x, OWNER);
    struct s2_ledger_entry was, e;

    assert_true(s2_ledger_find(&m->x->w->ledger, S2_PA(first_frame(sp, OWNER_IPA)), &was));
    assert_int_equal(was.ipa.v, OWNER_IPA);
    was.range.end.v = was.range.start.v + PAGE;
    e = was;
    e.rights = S2_R;
    s2_ledger_set(&m->x->w->ledger, &e);
    return was;
}

static void an_operation_checks_what_it_was_about(void **state)
{
    struct machine *m = *state;
    struct world *w = m->x->w;
    struct s2_space *sp = &w->space;
    struct s2_ledger_entry was;

    sp->cfg.audit = true;
    was = spoil(m);
    assert_int_equal(protect(w, OWNER_IPA + MIB(2), PAGE, S2_R), S2_OK); /* elsewhere */
    assert_null(sp->wrong);
    assert_int_equal(map_new(w, area_trap(OWNER_IPA, MIB(2), 1)), S2_EEXIST); /* one that is refused looks, too */
    assert_non_null(sp->wrong);
    assert_string_equal(sp->wrong, "is mapped with rights that the ledger does not allow");
    assert_string_equal(sp->wrong_detail.what, sp->wrong);
    assert_int_equal(sp->wrong_detail.asked_start, was.range.start.v);
    s2_ledger_set(&w->ledger, &was);
    finds(m, OWNER, "is mapped with rights that the ledger does not allow", was.range.start.v);
    assert_int_equal(protect(w, OWNER_IPA, PAGE, S2_RW), S2_OK); /* the first finding stays */
    assert_non_null(sp->wrong);
    sp->wrong = NULL;
}

static void a_dying_space_checks_nothing(void **state)
{
    struct machine *m = *state;
    struct s2_space *sp = space_of(m->x, STRANGER);

    sp->cfg.audit = true;
    share_leave(m->x, STRANGER);
    s2_space_destroy_begin(sp);
    sp->frames_shared++;
    assert_int_equal(s2_space_unmap(sp, ipa_range(OWNER_IPA, PAGE), NULL), S2_EDYING);
    assert_null(sp->wrong);
    assert_int_equal(sp->operations, 0);
    sp->frames_shared--;
    while (s2_space_destroy_step(sp, 64))
        continue;
    s2_space_destroy_end(sp);
    while (s2_space_disown_step(sp))
        continue;
    m->no_stranger = true;
}

static void every_so_often_it_checks_all(void **state)
{
    struct machine *m = *state;
    struct world *w = m->x->w;
    struct s2_ledger_entry was;
    unsigned n = 0;

    w->space.cfg.audit = true;
    was = spoil(m);
    while (!w->space.wrong && n++ < 100)
        assert_int_equal(protect(w, OWNER_IPA + MIB(2), PAGE, n & 1 ? S2_R : S2_RW), S2_OK);
    assert_int_equal(n, 64);
    s2_ledger_set(&w->ledger, &was);
    w->space.wrong = NULL;
    w->space.cfg.audit = false;
    was = spoil(m);
    assert_int_equal(protect(w, OWNER_IPA, PAGE, S2_R), S2_OK);
    assert_null(w->space.wrong);
    s2_ledger_set(&w->ledger, &was);
}

/* All kinds of operations, each of which leaves nothing to find. */
static void sound_operations_find_nothing(void **state)
{
    struct machine *m = *state;
    struct world *w = m->x->w;
    struct s2_area grows = area_alloc(MIB(256), MIB(4), S2_RW, 0);
    s2_attr ro = S2_ATTR(S2_R);
    struct s2_long l;
    uint32_t handle;

    for (uint16_t vm = OWNER; vm <= STRANGER; vm++)
        space_of(m->x, vm)->cfg.audit = true;
    assert_int_equal(s2_space_map_begin(&w->space, &l, &grows, NULL), S2_OK);
    while (s2_space_map_step(&l, 64))
        assert_int_equal(map_over(w, area_alloc(MIB(320), MIB(1) + PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    s2_space_map_end(&l);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(MIB(256) + PAGE, MIB(3)), set_attr, &ro, NULL),
                     S2_OK);
    while (s2_space_protect_step(&l, 16))
        continue;
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    assert_int_equal(unmap(w, MIB(256) + MIB(1), MIB(2) + PAGE), S2_OK);
    assert_int_equal(unmap(w, MIB(320), MIB(4)), S2_OK);
    handle = held(m, S2_SHARE);
    assert_int_equal(s2_space_relinquish(space_of(m->x, BORROWER), handle, NULL), S2_OK);
    ended(m, handle);
    ended(m, held(m, S2_LEND));
    (void)held(m, S2_DONATE);
    for (uint16_t vm = OWNER; vm <= STRANGER; vm++) {
        if (space_of(m->x, vm)->wrong)
            fprintf(stderr, "# vm %u: %s\n", vm, space_of(m->x, vm)->wrong);
        assert_null(space_of(m->x, vm)->wrong);
    }
    assert_true(w->space.operations > 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_share_from_its_beginning_to_its_end), TEST(a_borrower_or_an_owner_that_goes),
        TEST(records_that_say_something_else),       TEST(an_entry_that_left_its_share),
        TEST(shares_are_looked_at_in_steps),         TEST(counts_of_shares),
        TEST(a_dying_space_checks_nothing),          TEST(an_operation_checks_what_it_was_about),
        TEST(every_so_often_it_checks_all),          TEST(sound_operations_find_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
