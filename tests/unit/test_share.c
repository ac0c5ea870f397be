/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The state machine of share.h: every state, every transition, every caller, and what each is told. The expectations stand here as
 * a table of their own, one row for each state and transition. */
#include "share_books.h"

enum transition { SHARE, LEND, DONATE, RETRIEVE, RELINQUISH, UNSHARE, RECLAIM, TRANSITIONS };
enum state {
    FREE,
    HYP,
    DEVICE_NOBODYS,
    DEVICE_OWNED,
    OWNED,
    SHARED_OFFERED,
    SHARED_HELD,
    LENT_OFFERED,
    LENT_HELD,
    DONATED,
    DONATED_CLEAN,
    SHARED_ENDING,
    SHARED_ENDING_HELD,
    LENT_ENDING,
    LENT_ENDING_HELD,
    LENT_ENDING_DIRTY,
    DONATED_ENDING,
    STATES
};
static const char *const state_names[] = {"free",
                                          "hypervisor",
                                          "device, nobody's",
                                          "device, a VM's",
                                          "owned",
                                          "shared, offered",
                                          "shared, held",
                                          "lent, offered",
                                          "lent, held",
                                          "donated",
                                          "donated and scrubbed",
                                          "shared, ending",
                                          "shared, ending, held",
                                          "lent, ending",
                                          "lent, ending, held",
                                          "lent, ending, not scrubbed",
                                          "donated, ending"};
static const char *const transition_names[] = {"share",      "lend",    "donate", "retrieve",
                                               "relinquish", "unshare", "reclaim"};

/* Short names, so that the table is one. */
enum { OK = S2_OK, IN = S2_EINVAL, PE = S2_EPERM, NO = S2_ENOENT, EX = S2_EEXIST, BU = S2_EBUSY };

/* By transition, by caller: owner, borrower, stranger, hypervisor. */
#define NOBODY                                                                                                         \
    {PE, PE, PE, PE}, {PE, PE, PE, PE},                                                                                \
    {                                                                                                                  \
        PE, PE, PE, PE                                                                                                 \
    }
#define NO_SHARE                                                                                                       \
    {NO, NO, NO, NO}, {NO, NO, NO, NO}, {NO, NO, NO, NO},                                                              \
    {                                                                                                                  \
        NO, NO, NO, NO                                                                                                 \
    }
static const uint8_t expected[STATES][TRANSITIONS][CALLERS] = {
    /* clang-format off */
    [FREE]           = {NOBODY, NO_SHARE},
    [HYP]            = {NOBODY, NO_SHARE},
    [DEVICE_NOBODYS] = {NOBODY, NO_SHARE},
    [DEVICE_OWNED]   = {NOBODY, NO_SHARE},
    [OWNED]          = {{OK, PE, PE, PE}, {OK, PE, PE, PE}, {OK, PE, PE, PE}, NO_SHARE},
    /*                          retrieve          relinquish        unshare           reclaim */
    [SHARED_OFFERED]     = {NOBODY, {NO, OK, NO, NO}, {NO, NO, NO, NO}, {OK, NO, NO, NO}, {IN, NO, NO, NO}},
    [SHARED_HELD]        = {NOBODY, {NO, EX, NO, NO}, {NO, OK, NO, NO}, {BU, NO, NO, NO}, {IN, NO, NO, NO}},
    [LENT_OFFERED]       = {NOBODY, {NO, OK, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {OK, NO, NO, NO}},
    [LENT_HELD]          = {NOBODY, {NO, EX, NO, NO}, {NO, OK, NO, NO}, {IN, NO, NO, NO}, {BU, NO, NO, NO}},
    [DONATED]            = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {OK, NO, NO, NO}},
    [DONATED_CLEAN]      = {NOBODY, {NO, OK, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {OK, NO, NO, NO}},
    [SHARED_ENDING]      = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {OK, NO, NO, NO}, {IN, NO, NO, NO}},
    [SHARED_ENDING_HELD] = {NOBODY, {NO, BU, NO, NO}, {NO, OK, NO, NO}, {BU, NO, NO, NO}, {IN, NO, NO, NO}},
    [LENT_ENDING]        = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {OK, NO, NO, NO}},
    [LENT_ENDING_HELD]   = {NOBODY, {NO, BU, NO, NO}, {NO, OK, NO, NO}, {IN, NO, NO, NO}, {BU, NO, NO, NO}},
    [LENT_ENDING_DIRTY]  = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {BU, NO, NO, NO}},
    [DONATED_ENDING]     = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {OK, NO, NO, NO}},
    /* clang-format on */
};

static uint64_t frame_of(enum state s)
{
    switch (s) {
    case HYP:
        return 0x30000000;
    case DEVICE_NOBODYS:
        return 0x9000000;
    case DEVICE_OWNED:
        return 0x9001000;
    default:
        return FRAME;
    }
}

static enum s2_err attempt(struct books *x, enum state s, enum transition t, uint16_t caller)
{
    uint32_t ignored;

    switch (t) {
    case SHARE:
    case LEND:
    case DONATE:
        return books_offer(x, (enum s2_share_kind)(t - SHARE), caller, frame_of(s), 1, &ignored);
    case RETRIEVE:
        return books_retrieve(x, caller);
    case RELINQUISH:
        return books_relinquish(x, caller);
    case UNSHARE:
        return books_finish(x, caller, S2_UNSHARE);
    default:
        return books_finish(x, caller, S2_RECLAIM);
    }
}

static struct books *in_state(enum state s)
{
    static const struct {
        enum s2_share_kind kind;
        bool held, let_go, scrubbed, ending;
    } made[STATES] = {
        [SHARED_OFFERED] = {.kind = S2_SHARE},
        [SHARED_HELD] = {.kind = S2_SHARE, .held = true},
        [LENT_OFFERED] = {.kind = S2_LEND},
        [LENT_HELD] = {.kind = S2_LEND, .held = true},
        [DONATED] = {.kind = S2_DONATE},
        [DONATED_CLEAN] = {.kind = S2_DONATE, .scrubbed = true},
        [SHARED_ENDING] = {.kind = S2_SHARE, .ending = true},
        [SHARED_ENDING_HELD] = {.kind = S2_SHARE, .held = true, .ending = true},
        [LENT_ENDING] = {.kind = S2_LEND, .ending = true},
        [LENT_ENDING_HELD] = {.kind = S2_LEND, .held = true, .ending = true},
        [LENT_ENDING_DIRTY] = {.kind = S2_LEND, .held = true, .let_go = true, .ending = true},
        [DONATED_ENDING] = {.kind = S2_DONATE, .ending = true},
    };
    struct books *x = s > OWNED ? books_offered(made[s].kind) : books_create();

    if (s == OWNED)
        books_own(x);
    if (made[s].held)
        assert_int_equal(books_retrieve(x, ids[BORROWER]), S2_OK);
    if (made[s].let_go)
        assert_int_equal(books_relinquish(x, ids[BORROWER]), S2_OK);
    if (made[s].scrubbed)
        books_scrub(x);
    if (made[s].ending)
        books_begin_end(x);
    return x;
}

static void assert_became(struct books *x, enum state s, enum transition t)
{
    struct s2_ledger_entry e;
    s2_pa end;
    s2_ipa at;
    bool gives_away = t == RETRIEVE && s == DONATED_CLEAN, back = t == UNSHARE || t == RECLAIM;
    uint8_t borrowers = s2_ledger_right(&x->l, ids[BORROWER], S2_PA(FRAME), &at, &end);

    assert_true(s2_ledger_find(&x->l, S2_PA(FRAME), &e));
    assert_int_equal(e.owner, gives_away ? ids[BORROWER] : ids[OWNER]);
    if (gives_away || back)
        assert_int_equal(e.state, S2_OWNED);
    else
        assert_int_equal(e.state, t == SHARE || s == SHARED_OFFERED || s == SHARED_HELD || s == SHARED_ENDING_HELD
                                      ? S2_SHARED
                                      : S2_LENT);
    assert_int_equal(borrowers, t == RETRIEVE ? S2_RW : 0);
    assert_int_equal(at.v, t == RETRIEVE ? IPA : S2_IPA_NONE.v);
    assert_int_equal(s2_ledger_right(&x->l, ids[STRANGER], S2_PA(FRAME), &at, &end), 0);
    assert_int_equal(s2_ledger_right(&x->l, ids[OWNER], S2_PA(FRAME), &at, &end),
                     e.state == S2_LENT || gives_away ? 0 : S2_RWX);
    if (gives_away)
        for (unsigned i = 0; i < PAGE; i++)
            assert_int_equal(((unsigned char *)model_ram(x->port, FRAME))[i], 0);
}

static void try_one(enum state s, enum transition t, enum caller c)
{
    uint8_t want = expected[s][t][c];
    struct books *x = in_state(s);
    struct books_seen before = books_look(x), after;
    enum s2_err err = attempt(x, s, t, ids[c]);

    if (err != (enum s2_err)want)
        print_error("%s, %s by caller %d: %s instead of %s\n", state_names[s], transition_names[t], c, s2_err_name(err),
                    s2_err_name((enum s2_err)want));
    assert_int_equal(err, want);
    after = books_look(x);
    if (err)
        books_same(&before, &after, err != S2_EBUSY); /* an end that has to wait was begun */
    else
        assert_became(x, s, t);
    books_destroy(x);
}

static void every_state_transition_and_caller(void **state)
{
    (void)state;
    for (unsigned s = 0; s < STATES; s++)
        for (unsigned t = 0; t < TRANSITIONS; t++)
            for (unsigned c = 0; c < CALLERS; c++)
                try_one((enum state)s, (enum transition)t, (enum caller)c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_transition_and_caller),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
