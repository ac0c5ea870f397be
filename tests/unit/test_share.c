/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The state machine of share.h: every state, every transition, every caller, and what each is told. The expectations stand here as
 * a table of their own, one row for each state and transition. */
#include "share_books.h"

#include <stage2/colours.h>

enum transition { SHARE, LEND, DONATE, RETRIEVE, RELINQUISH, UNSHARE, RECLAIM, TRANSITIONS };
enum state {
    FREE,
    HYP,
    DEVICE_NOBODYS,
    DEVICE_OWNED,
    COLOURED_NOBODYS,
    COLOURED_OWNED,
    OWNED,
    MAKING,
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
    SHARED_TAKEN,
    LENT_TAKEN,
    DONATED_TAKEN,
    SHARED_TAKEN_ENDING,
    STATES
};
static const char *const state_names[] = {"free",
                                          "hypervisor",
                                          "device, nobody's",
                                          "device, a VM's",
                                          "coloured, nobody's",
                                          "coloured, a VM's",
                                          "owned",
                                          "being offered",
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
                                          "donated, ending",
                                          "shared, being taken",
                                          "lent, being taken",
                                          "donated, being taken",
                                          "shared, ending, being taken"};
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
    [COLOURED_NOBODYS] = {NOBODY, NO_SHARE},
    [COLOURED_OWNED]   = {NOBODY, NO_SHARE},
    [OWNED]          = {{OK, PE, PE, PE}, {OK, PE, PE, PE}, {OK, PE, PE, PE}, NO_SHARE},
    [MAKING]         = {NOBODY, NO_SHARE},
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
    [SHARED_TAKEN]        = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {BU, NO, NO, NO}, {IN, NO, NO, NO}},
    [LENT_TAKEN]          = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {BU, NO, NO, NO}},
    [DONATED_TAKEN]       = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {IN, NO, NO, NO}, {BU, NO, NO, NO}},
    [SHARED_TAKEN_ENDING] = {NOBODY, {NO, BU, NO, NO}, {NO, NO, NO, NO}, {BU, NO, NO, NO}, {IN, NO, NO, NO}},
    /* clang-format on */
};

#define COLOURED (BASE + 32 * PAGE)
enum { COLOURS = 4, COLOURED_PAGES = 8 };

/* A part of memory is divided by colours; the first one is held, or nobody's. */
static void colour(struct books *x, bool held)
{
    static struct s2_colours region;
    static struct s2_colour_piece piece[2];
    bool clean;

    memset(&region, 0, sizeof region);
    memset(piece, 0, sizeof piece);
    assert_int_equal(s2_frames_alloc_at(&x->frames, frames_at(COLOURED, COLOURED_PAGES), &clean, NULL), S2_OK);
    assert_int_equal(s2_colours_add(&x->l, &region, frames_at(COLOURED, COLOURED_PAGES), COLOURS, 12, piece, 2, &x->d),
                     S2_OK);
    while (s2_colours_scrub_step(&x->l, &region, COLOURED_PAGES))
        ;
    if (held)
        assert_int_equal(s2_colours_give(&x->l, &region, ids[OWNER], 1, PAGE, S2_IPA(2 * IPA), &x->d), S2_OK);
}

static uint64_t frame_of(enum state s)
{
    switch (s) {
    case COLOURED_NOBODYS:
    case COLOURED_OWNED:
        return COLOURED;
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

/* As far as the commit. */
static void begin_offer(struct books *x)
{
    const struct s2_offer o = {.kind = S2_SHARE, .borrowers = 1, .borrower[0] = {ids[BORROWER], S2_RW}};
    const struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};

    assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &x->handle, &x->d), S2_OK);
    assert_int_equal(s2_share_add(&x->l, x->handle, frames_at(FRAME, PAGES), &x->d), S2_OK);
}

static struct books *in_state(enum state s)
{
    static const struct {
        enum s2_share_kind kind;
        bool held, let_go, scrubbed, ending, taken;
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
        [SHARED_TAKEN] = {.kind = S2_SHARE, .taken = true},
        [LENT_TAKEN] = {.kind = S2_LEND, .taken = true},
        [DONATED_TAKEN] = {.kind = S2_DONATE, .scrubbed = true, .taken = true},
        [SHARED_TAKEN_ENDING] = {.kind = S2_SHARE, .taken = true, .ending = true},
    };
    struct books *x = s > MAKING ? books_offered(made[s].kind) : books_create();

    if (s == COLOURED_NOBODYS || s == COLOURED_OWNED)
        colour(x, s == COLOURED_OWNED);
    if (s == OWNED || s == MAKING)
        books_own(x);
    if (s == MAKING)
        begin_offer(x);
    if (made[s].held)
        assert_int_equal(books_retrieve(x, ids[BORROWER]), S2_OK);
    if (made[s].let_go)
        assert_int_equal(books_relinquish(x, ids[BORROWER]), S2_OK);
    if (made[s].scrubbed)
        books_scrub(x);
    if (made[s].taken)
        assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_RW, &x->d), S2_OK);
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
    bool waits = err == S2_EBUSY && t >= UNSHARE; /* an end that was begun, */

    if (err != (enum s2_err)want)
        print_error("%s, %s by caller %d: %s instead of %s\n", state_names[s], transition_names[t], c, s2_err_name(err),
                    s2_err_name((enum s2_err)want));
    assert_int_equal(err, want);
    after = books_look(x);
    if (err)
        books_same(&before, &after, !waits);
    else
        assert_became(x, s, t);
    if (waits) /* and nothing else */
        assert_int_equal(after.share[0].phase, S2_SHARE_ENDING);
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
