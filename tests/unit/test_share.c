/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The state machine of share.h: every state, every transition, every caller, and what each is told. The expectations stand here as
 * a table of their own, one row for each state and transition. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "frame/ledger.h"

#include "model.h"

enum caller { OWNER, BORROWER, STRANGER, HYPERVISOR, CALLERS };
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
static const uint16_t ids[CALLERS] = {S2_OWNER_FIRST_VM, S2_OWNER_FIRST_VM + 1, S2_OWNER_FIRST_VM + 2, S2_OWNER_HYP};

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

#define BASE  0x40000000ull
#define PAGE  0x1000ull
#define FRAME (BASE + 16 * PAGE)
#define IPA   0x80000000ull
enum { NODES = 64, RECORDS = 3, FRAMES = 64, PAGES = 4 };

struct fixture {
    struct s2_port *port;
    struct s2_pool pool;
    struct s2_ledger l;
    struct s2_frames frames;
    struct s2_share table[RECORDS];
    uint32_t handle;
    struct s2_detail d;
    void *nodes, *meta;
};

static struct s2_pa_range frames_at(uint64_t pa, unsigned pages)
{
    return (struct s2_pa_range){S2_PA(pa), S2_PA(pa + pages * PAGE)};
}

static void add(struct fixture *x, uint64_t pa, unsigned pages, uint16_t owner, enum s2_frame_state state)
{
    struct s2_ledger_entry e = {
        .range = frames_at(pa, pages), .owner = owner, .state = (uint8_t)state, .rights = S2_RWX, .ipa = S2_IPA_NONE};

    assert_int_equal(s2_ledger_add(&x->l, &e, NULL), S2_OK);
}

/* The frames of interest are the owner's, from the allocator, and mapped. */
static void own(struct fixture *x)
{
    struct s2_ledger_entry e = {.range = frames_at(FRAME, PAGES),
                                .owner = ids[OWNER],
                                .state = S2_OWNED,
                                .rights = S2_RWX,
                                .ipa = S2_IPA(IPA),
                                .pooled = true};
    struct s2_claim c;
    bool clean;

    assert_int_equal(s2_frames_alloc_at(&x->frames, e.range, &clean, NULL), S2_OK);
    assert_int_equal(s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &e, NULL), S2_OK);
    s2_ledger_commit(&x->l, &c);
    memset(model_ram(x->port, FRAME), 1, PAGE);
}

static struct fixture *create(void)
{
    struct fixture *x = calloc(1, sizeof *x);

    x->nodes = aligned_alloc(64, NODES * S2_NODE_BYTES);
    x->port = model_create_simple(BASE, FRAMES * PAGE, false);
    s2_pool_init(&x->pool, x->nodes, NODES * S2_NODE_BYTES);
    s2_ledger_init(&x->l, x->port, &x->pool, 40);
    s2_share_init(&x->l, x->table, RECORDS, RECORDS);
    s2_frames_init(&x->frames, x->port);
    x->meta = aligned_alloc(64, (s2_frames_meta_bytes(S2_PA(BASE), FRAMES * PAGE) + 63) & ~63ul);
    assert_int_equal(s2_frames_add(&x->frames, S2_PA(BASE), FRAMES * PAGE, x->meta, NULL), S2_OK);
    s2_frames_free(&x->frames, frames_at(BASE, FRAMES), false, false);
    add(x, BASE, FRAMES, S2_OWNER_NONE, S2_FREE);
    add(x, 0x9000000, 1, S2_OWNER_NONE, S2_DEVICE);
    add(x, 0x9001000, 1, ids[OWNER], S2_DEVICE);
    add(x, 0x30000000, 1, S2_OWNER_HYP, S2_HYP);
    return x;
}

static void destroy(struct fixture *x)
{
    assert_null(s2_imap_check(&x->l.map));
    assert_null(s2_pool_check(&x->pool));
    assert_int_equal(x->pool.reserved, 0);
    assert_null(s2_frames_check(&x->frames));
    assert_true(model_ok(x->port));
    model_destroy(x->port);
    free(x->nodes);
    free(x->meta);
    free(x);
}

/* --- transitions ------------------------------------------------------------------------------------------------------ */

static enum s2_err offer(struct fixture *x, enum s2_share_kind kind, uint16_t caller, uint64_t pa, unsigned pages,
                         uint32_t *handle)
{
    struct s2_offer o = {.kind = kind, .borrowers = 1, .borrower[0] = {ids[BORROWER], S2_RW}};
    struct s2_share_was was = {S2_IPA(pa < FRAME ? IPA : IPA + (pa - FRAME)), S2_RWX, 0, 0};
    enum s2_err err;

    if (caller == ids[BORROWER])
        o.borrower[0].vm = ids[STRANGER];
    err = s2_share_begin(&x->l, caller, &o, &was, &x->frames, handle, &x->d);
    if (err)
        return err;
    err = s2_share_add(&x->l, *handle, frames_at(pa, pages), &x->d);
    if (err)
        s2_share_drop(&x->l, *handle);
    else
        s2_share_commit(&x->l, *handle);
    return err;
}

static enum s2_err retrieve(struct fixture *x, uint16_t caller)
{
    enum s2_err err = s2_share_take_begin(&x->l, x->handle, caller, S2_RW, &x->d);

    if (!err)
        s2_share_take_commit(&x->l, x->handle, caller, S2_IPA(IPA));
    return err;
}

/* As the space's backend does it. */
static enum s2_err relinquish(struct fixture *x, uint16_t caller)
{
    struct s2_share_info info;
    const struct s2_borrower *b = s2_share_info(&x->l, x->handle, &info) ? s2_share_borrower(&info, caller) : NULL;

    if (!b || b->state != S2_BORROW_HELD)
        return S2_ENOENT;
    s2_share_let_go(&x->l, s2_share_index(x->handle), caller, info.bytes);
    return S2_OK;
}

static enum s2_err finish(struct fixture *x, uint16_t caller, enum s2_share_end how)
{
    enum s2_err err = s2_share_end_begin(&x->l, x->handle, caller, how, &x->d);

    if (!err)
        err = s2_share_end_ready(&x->l, x->handle, caller, &x->d);
    if (!err)
        s2_share_close(&x->l, x->handle, true);
    return err;
}

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

static enum s2_err attempt(struct fixture *x, enum state s, enum transition t, uint16_t caller)
{
    uint32_t ignored;

    switch (t) {
    case SHARE:
    case LEND:
    case DONATE:
        return offer(x, (enum s2_share_kind)(t - SHARE), caller, frame_of(s), 1, &ignored);
    case RETRIEVE:
        return retrieve(x, caller);
    case RELINQUISH:
        return relinquish(x, caller);
    case UNSHARE:
        return finish(x, caller, S2_UNSHARE);
    default:
        return finish(x, caller, S2_RECLAIM);
    }
}

/* --- states ----------------------------------------------------------------------------------------------------------- */

static void begin_end(struct fixture *x)
{
    assert_int_equal(s2_share_end_begin(&x->l, x->handle, ids[OWNER], S2_END_ANY, &x->d), S2_OK);
}

static void scrub(struct fixture *x)
{
    while (s2_share_scrub_step(&x->l, x->handle, 1))
        ;
}

static struct fixture *in_state(enum state s)
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
    struct fixture *x = create();

    if (s >= OWNED)
        own(x);
    if (s <= OWNED)
        return x;
    assert_int_equal(offer(x, made[s].kind, ids[OWNER], FRAME, PAGES, &x->handle), S2_OK);
    if (made[s].held)
        assert_int_equal(retrieve(x, ids[BORROWER]), S2_OK);
    if (made[s].let_go)
        assert_int_equal(relinquish(x, ids[BORROWER]), S2_OK);
    if (made[s].scrubbed)
        scrub(x);
    if (made[s].ending)
        begin_end(x);
    return x;
}

/* All that the ledger says, in one piece of memory, to be compared bit for bit. */
struct snapshot {
    struct s2_ledger_entry entry[16];
    struct s2_share_info share[RECORDS];
    unsigned entries, shares;
    uint32_t nodes;
    uint64_t frames;
};

static struct snapshot look(struct fixture *x)
{
    struct s2_share_info info = {.handle = 0};
    struct snapshot s;
    struct s2_ledger_entry e;

    memset(&s, 0, sizeof s);
    for (s2_pa at = S2_PA(0); s2_ledger_next(&x->l, at, &e); at = e.range.end)
        memcpy(&s.entry[s.entries++], &e, sizeof e);
    while (s2_share_next(&x->l, info.handle, &info))
        s.share[s.shares++] = info;
    s.nodes = x->pool.free;
    s.frames = x->frames.free;
    return s;
}

static void same(const struct snapshot *a, const struct snapshot *b, bool phases)
{
    assert_int_equal(a->entries, b->entries);
    for (unsigned i = 0; i < a->entries; i++) {
        assert_int_equal(a->entry[i].range.start.v, b->entry[i].range.start.v);
        assert_int_equal(a->entry[i].range.end.v, b->entry[i].range.end.v);
        assert_int_equal(a->entry[i].owner, b->entry[i].owner);
        assert_int_equal(a->entry[i].state, b->entry[i].state);
        assert_int_equal(a->entry[i].rights, b->entry[i].rights);
        assert_int_equal(a->entry[i].share, b->entry[i].share);
        assert_int_equal(a->entry[i].ipa.v, b->entry[i].ipa.v);
        assert_int_equal(a->entry[i].pooled, b->entry[i].pooled);
    }
    assert_int_equal(a->shares, b->shares);
    for (unsigned i = 0; i < a->shares; i++) {
        assert_int_equal(a->share[i].handle, b->share[i].handle);
        assert_true(!phases || a->share[i].phase == b->share[i].phase);
        assert_int_equal(a->share[i].owner_has, b->share[i].owner_has);
        assert_memory_equal(a->share[i].borrower, b->share[i].borrower, sizeof a->share[i].borrower);
    }
    assert_int_equal(a->nodes, b->nodes);
    assert_int_equal(a->frames, b->frames);
}

/* --- what a transition that succeeds leads to ---------------------------------------------------------------------------- */

static void assert_became(struct fixture *x, enum state s, enum transition t)
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
    struct fixture *x = in_state(s);
    struct snapshot before = look(x), after;
    enum s2_err err = attempt(x, s, t, ids[c]);

    if (err != (enum s2_err)want)
        print_error("%s, %s by caller %d: %s instead of %s\n", state_names[s], transition_names[t], c, s2_err_name(err),
                    s2_err_name((enum s2_err)want));
    assert_int_equal(err, want);
    after = look(x);
    if (err)
        same(&before, &after, err != S2_EBUSY); /* an end that has to wait was begun */
    else
        assert_became(x, s, t);
    destroy(x);
}

static void every_state_transition_and_caller(void **state)
{
    (void)state;
    for (unsigned s = 0; s < STATES; s++)
        for (unsigned t = 0; t < TRANSITIONS; t++)
            for (unsigned c = 0; c < CALLERS; c++)
                try_one((enum state)s, (enum transition)t, (enum caller)c);
}

/* --- ranges ------------------------------------------------------------------------------------------------------------ */

/* One frame of the run is not like the others: all of it is refused, and what came before it in the same offer is undone. */
static void mixed_ranges_are_refused_whole(void **state)
{
    struct s2_offer o = {.kind = S2_LEND, .borrowers = 1, .borrower[0] = {ids[BORROWER], S2_RW}};
    struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};

    (void)state;
    for (unsigned kind = 0; kind < 5; kind++) {
        struct fixture *x = create();
        struct s2_ledger_entry odd = {.range = frames_at(FRAME + 2 * PAGE, 1),
                                      .owner = ids[OWNER],
                                      .state = S2_OWNED,
                                      .rights = S2_RWX,
                                      .ipa = S2_IPA(IPA + 2 * PAGE),
                                      .pooled = true};
        struct snapshot before, after;
        uint32_t handle;

        own(x);
        odd.owner = kind == 0 ? ids[STRANGER] : odd.owner;
        odd.state = kind == 1 ? S2_FREE : kind == 4 ? S2_DEVICE : S2_OWNED;
        odd.rights = kind == 2 ? S2_R : S2_RWX;
        odd.pooled = kind != 3;
        assert_int_equal(s2_ledger_promise(&x->l, S2_OWNER_FIRST_VM, 1), S2_OK);
        s2_ledger_set(&x->l, &odd);
        s2_ledger_unpromise(&x->l, 1);
        before = look(x);
        assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &handle, &x->d), S2_OK);
        assert_int_equal(s2_share_add(&x->l, handle, frames_at(FRAME, 1), &x->d), S2_OK);
        assert_int_equal(s2_share_add(&x->l, handle, frames_at(FRAME + PAGE, 3), &x->d), S2_EPERM);
        assert_int_equal(x->d.found_start, FRAME + 2 * PAGE);
        s2_share_drop(&x->l, handle);
        after = look(x);
        same(&before, &after, true);
        destroy(x);
    }
}

static void offers_that_are_wrong(void **state)
{
    struct fixture *x = create();
    struct s2_share_was was = {S2_IPA(IPA), S2_R, 0, 0}; /* the owner may read */
    static const struct {
        struct s2_offer offer;
        enum s2_err err;
    } bad[] = {
        {{.kind = S2_SHARE}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = S2_SHARE_BORROWERS + 1}, S2_EINVAL},
        {{.kind = S2_LEND, .borrowers = 2, .borrower = {{3, S2_R}, {4, S2_R}}}, S2_EINVAL},
        {{.kind = S2_DONATE, .borrowers = 2, .borrower = {{3, S2_R}, {4, S2_R}}}, S2_EINVAL},
        {{.kind = S2_DONATE + 1, .borrowers = 1, .borrower = {{3, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 2, .borrower = {{3, S2_R}, {3, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{S2_OWNER_FIRST_VM, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{S2_OWNER_HYP, S2_R}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, 0}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_W}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_R | 1u << 6}}}, S2_EINVAL},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_RW}}}, S2_EPERM},
        {{.kind = S2_SHARE, .borrowers = 1, .borrower = {{3, S2_RX}}}, S2_EPERM},
    };
    uint32_t handle = 77;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &bad[i].offer, &was, &x->frames, &handle, &x->d),
                         bad[i].err);
        assert_non_null(x->d.what);
        assert_int_equal(handle, 77);
    }
    destroy(x);
}

/* As many borrowers as there may be: each takes it, and it ends when the last has let go. */
static void as_many_borrowers_as_there_may_be(void **state)
{
    struct fixture *x = create();
    struct s2_offer o = {.kind = S2_SHARE, .borrowers = S2_SHARE_BORROWERS};
    struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};

    (void)state;
    own(x);
    for (unsigned i = 0; i < S2_SHARE_BORROWERS; i++) {
        o.borrower[i].vm = (uint16_t)(ids[BORROWER] + i);
        o.borrower[i].rights = S2_RW;
    }
    assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &x->handle, &x->d), S2_OK);
    assert_int_equal(s2_share_add(&x->l, x->handle, frames_at(FRAME, PAGES), &x->d), S2_OK);
    s2_share_commit(&x->l, x->handle);
    for (unsigned i = 0; i < S2_SHARE_BORROWERS; i++)
        assert_int_equal(retrieve(x, o.borrower[i].vm), S2_OK);
    assert_int_equal(retrieve(x, (uint16_t)(ids[BORROWER] + S2_SHARE_BORROWERS)), S2_ENOENT);
    for (unsigned i = 0; i < S2_SHARE_BORROWERS; i++) {
        assert_int_equal(finish(x, ids[OWNER], S2_UNSHARE), S2_EBUSY);
        assert_int_equal(relinquish(x, o.borrower[i].vm), S2_OK);
    }
    assert_int_equal(finish(x, ids[OWNER], S2_UNSHARE), S2_OK);
    destroy(x);
}

/* Numbers that are no handle: none at all, another generation, beyond the table. */
static void handles_that_are_none(void **state)
{
    struct fixture *x = in_state(SHARED_OFFERED);
    const uint32_t bad[] = {0, 1, x->handle + 1, x->handle + (1u << 16), x->handle & 0xffff, 0xffff, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct s2_share_info info;

        assert_false(s2_share_info(&x->l, bad[i], &info));
        assert_int_equal(s2_share_take_begin(&x->l, bad[i], ids[BORROWER], S2_R, &x->d), S2_ENOENT);
        assert_int_equal(s2_share_end_begin(&x->l, bad[i], ids[OWNER], S2_END_ANY, &x->d), S2_ENOENT);
        assert_int_equal(s2_share_end_ready(&x->l, bad[i], ids[OWNER], &x->d), S2_ENOENT);
        assert_false(s2_share_scrub_step(&x->l, bad[i], 1));
        assert_int_equal(s2_share_add(&x->l, bad[i], frames_at(BASE, 1), &x->d), S2_EINVAL);
    }
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_R, &x->d), S2_OK);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_R, &x->d), S2_EBUSY);
    s2_share_take_drop(&x->l, x->handle, ids[BORROWER]);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_W, &x->d), S2_EINVAL);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], 0xff, &x->d), S2_EINVAL);
    assert_int_equal(s2_share_take_begin(&x->l, x->handle, ids[BORROWER], S2_RX, &x->d), S2_EPERM);
    destroy(x);
}

/* Every frame of the pool is left to each in turn: too few is refused with nothing changed, and the way back never lacks any. */
static void nodes_run_out(void **state)
{
    bool done = false;

    (void)state;
    for (uint32_t spare = 0; !done; spare++) {
        struct fixture *x = create();
        struct snapshot before, after;
        uint32_t handle, taken;
        enum s2_err err;

        own(x);
        taken = x->pool.free - x->pool.reserved - spare;
        before = look(x);
        assert_int_equal(s2_pool_reserve(&x->pool, taken), S2_OK);
        err = offer(x, S2_LEND, ids[OWNER], FRAME + PAGE, 2, &handle);
        if (err) {
            assert_int_equal(err, S2_ENODES);
        } else {
            x->handle = handle;
            assert_int_equal(finish(x, ids[OWNER], S2_RECLAIM), S2_OK);
            done = true;
        }
        s2_pool_unreserve(&x->pool, taken);
        after = look(x);
        same(&before, &after, true);
        destroy(x);
    }
}

/* Frames next to each other that come in another order than their addresses, so that an entry might join what the share must
 * part again. */
static void runs_in_any_order_come_back(void **state)
{
    struct s2_offer o = {.kind = S2_LEND, .borrowers = 1, .borrower[0] = {ids[BORROWER], S2_RW}};
    struct s2_share_was was = {S2_IPA(IPA), S2_RWX, 0, 0};
    static const unsigned order[PAGES] = {2, 3, 1, 0};
    struct fixture *x = create();
    struct s2_ledger_entry e;
    uint64_t run, bytes;
    uint32_t handle;
    s2_pa pa;

    (void)state;
    own(x);
    assert_int_equal(s2_share_begin(&x->l, ids[OWNER], &o, &was, &x->frames, &handle, &x->d), S2_OK);
    for (unsigned i = 0; i < PAGES; i++)
        assert_int_equal(s2_share_add(&x->l, handle, frames_at(FRAME + order[i] * PAGE, 1), &x->d), S2_OK);
    s2_share_commit(&x->l, handle);
    assert_true(s2_share_run(&x->l, s2_share_index(handle), PAGE, &run, &pa, &bytes));
    assert_int_equal(run, 0);
    assert_int_equal(pa.v, FRAME + 2 * PAGE);
    assert_int_equal(bytes, 2 * PAGE);
    assert_true(s2_ledger_find(&x->l, S2_PA(FRAME + 3 * PAGE), &e));
    assert_int_equal(e.range.start.v, FRAME + 2 * PAGE); /* what goes on in the share is one entry, too */
    assert_int_equal(e.range.end.v, FRAME + 4 * PAGE);
    for (unsigned i = 0; i < PAGES; i++) {
        s2_ipa at;
        s2_pa end;

        x->handle = handle;
        if (i == 0)
            assert_int_equal(retrieve(x, ids[BORROWER]), S2_OK);
        assert_int_equal(s2_ledger_right(&x->l, ids[BORROWER], S2_PA(FRAME + order[i] * PAGE), &at, &end), S2_RW);
        assert_int_equal(at.v, IPA + i * PAGE);
    }
    assert_int_equal(s2_pool_reserve(&x->pool, x->pool.free - x->pool.reserved), S2_OK);
    begin_end(x);
    assert_int_equal(relinquish(x, ids[BORROWER]), S2_OK);
    scrub(x);
    s2_share_close(&x->l, handle, false);
    assert_true(s2_ledger_find(&x->l, S2_PA(FRAME), &e));
    assert_int_equal(e.state, S2_FREE);
    assert_int_equal(e.range.end.v - e.range.start.v, FRAMES * PAGE);
    assert_int_equal(x->frames.free, FRAMES);
    s2_pool_unreserve(&x->pool, x->pool.reserved);
    destroy(x);
}

/* The same handles for who shares alone, and beside others that come and go. */
static void handles_say_nothing_of_others(void **state)
{
    uint32_t alone[2], beside[2], other;

    (void)state;
    for (unsigned others = 0; others < 2; others++) {
        struct fixture *x = create();
        struct s2_share table[2 * PAGES] = {{0}};
        struct s2_ledger_entry e = {.range = frames_at(FRAME + PAGES * PAGE, PAGES),
                                    .owner = ids[BORROWER],
                                    .state = S2_OWNED,
                                    .rights = S2_RWX,
                                    .ipa = S2_IPA(IPA + PAGES * PAGE)};
        struct s2_claim c;

        s2_share_init(&x->l, table, 2 * PAGES, PAGES);
        own(x);
        assert_int_equal(s2_ledger_plan(&x->l, &c, S2_OWNER_NONE, S2_FREE, &e, NULL), S2_OK);
        s2_ledger_commit(&x->l, &c);
        for (unsigned i = 0; i < others * PAGES; i++)
            assert_int_equal(offer(x, S2_SHARE, ids[BORROWER], FRAME + (PAGES + i) * PAGE, 1, &other), S2_OK);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(offer(x, S2_SHARE, ids[OWNER], FRAME + i * PAGE, 1, others ? &beside[i] : &alone[i]),
                             S2_OK);
        x->l.share = x->table; /* all go with the table */
        model_destroy(x->port);
        free(x->nodes);
        free(x->meta);
        free(x);
    }
    assert_memory_equal(alone, beside, sizeof alone);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_state_transition_and_caller), T(mixed_ranges_are_refused_whole), T(offers_that_are_wrong),
        T(as_many_borrowers_as_there_may_be), T(handles_that_are_none),          T(nodes_run_out),
        T(runs_in_any_order_come_back),       T(handles_say_nothing_of_others),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
