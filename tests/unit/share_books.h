/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A ledger with its frames, and one VM's frames to share, for suites about shares without spaces: the transitions as the space's
 * backends call them, and all that the ledger says, to be compared. */
#ifndef SHARE_BOOKS_H
#define SHARE_BOOKS_H

#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "frame/ledger.h"

#include "model.h"

enum caller { OWNER, BORROWER, STRANGER, HYPERVISOR, CALLERS };
static const uint16_t ids[CALLERS] = {S2_OWNER_FIRST_VM, S2_OWNER_FIRST_VM + 1, S2_OWNER_FIRST_VM + 2, S2_OWNER_HYP};

#define BASE  0x40000000ull
#define PAGE  0x1000ull
#define FRAME (BASE + 16 * PAGE)
#define IPA   0x80000000ull
enum { NODES = 64, RECORDS = 3, FRAMES = 64, PAGES = 4 };

struct books {
    struct s2_port *port;
    struct s2_pool pool;
    struct s2_ledger l;
    struct s2_frames frames;
    struct s2_share table[RECORDS];
    uint32_t handle;
    struct s2_detail d;
    void *nodes, *meta;
};

static inline struct s2_pa_range frames_at(uint64_t pa, unsigned pages)
{
    return (struct s2_pa_range){S2_PA(pa), S2_PA(pa + pages * PAGE)};
}

static inline void books_add(struct books *x, uint64_t pa, unsigned pages, uint16_t owner, enum s2_frame_state state)
{
    struct s2_ledger_entry e = {
        .range = frames_at(pa, pages), .owner = owner, .state = (uint8_t)state, .rights = S2_RWX, .ipa = S2_IPA_NONE};

    assert_int_equal(s2_ledger_add(&x->l, &e, NULL), S2_OK);
}

/* The frames of interest are the owner's, from the allocator, and mapped. */
static inline void books_own(struct books *x)
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

static inline struct books *books_create(void)
{
    struct books *x = calloc(1, sizeof *x);

    x->nodes = aligned_alloc(64, NODES * S2_NODE_BYTES);
    x->port = model_create_simple(BASE, FRAMES * PAGE, false);
    s2_pool_init(&x->pool, x->nodes, NODES * S2_NODE_BYTES);
    s2_ledger_init(&x->l, x->port, &x->pool, 40);
    s2_share_init(&x->l, x->table, RECORDS, RECORDS);
    s2_frames_init(&x->frames, x->port);
    x->meta = aligned_alloc(64, (s2_frames_meta_bytes(S2_PA(BASE), FRAMES * PAGE) + 63) & ~63ul);
    assert_int_equal(s2_frames_add(&x->frames, S2_PA(BASE), FRAMES * PAGE, x->meta, NULL), S2_OK);
    s2_frames_free(&x->frames, frames_at(BASE, FRAMES), false, false);
    books_add(x, BASE, FRAMES, S2_OWNER_NONE, S2_FREE);
    books_add(x, 0x9000000, 1, S2_OWNER_NONE, S2_DEVICE);
    books_add(x, 0x9001000, 1, ids[OWNER], S2_DEVICE);
    books_add(x, 0x30000000, 1, S2_OWNER_HYP, S2_HYP);
    return x;
}

static inline void books_destroy(struct books *x)
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

static inline enum s2_err books_offer(struct books *x, enum s2_share_kind kind, uint16_t caller, uint64_t pa,
                                      unsigned pages, uint32_t *handle)
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
        s2_share_commit(&x->l, *handle, NULL);
    return err;
}

static inline enum s2_err books_retrieve(struct books *x, uint16_t caller)
{
    enum s2_err err = s2_share_take_begin(&x->l, x->handle, caller, S2_RW, &x->d);

    if (!err)
        s2_share_take_commit(&x->l, x->handle, caller, S2_IPA(IPA));
    return err;
}

/* As the space's backend does it. */
static inline enum s2_err books_relinquish(struct books *x, uint16_t caller)
{
    struct s2_share_info info;
    const struct s2_borrower *b = s2_share_info(&x->l, x->handle, &info) ? s2_share_borrower(&info, caller) : NULL;

    if (!b || b->state != S2_BORROW_HELD)
        return S2_ENOENT;
    s2_share_let_go(&x->l, s2_share_index(x->handle), caller, info.bytes);
    return S2_OK;
}

static inline enum s2_err books_finish(struct books *x, uint16_t caller, enum s2_share_end how)
{
    enum s2_err err = s2_share_end_begin(&x->l, x->handle, caller, how, &x->d);

    if (!err)
        err = s2_share_end_ready(&x->l, x->handle, caller, &x->d);
    if (!err)
        s2_share_close(&x->l, x->handle, true);
    return err;
}

static inline void books_begin_end(struct books *x)
{
    assert_int_equal(s2_share_end_begin(&x->l, x->handle, ids[OWNER], S2_END_ANY, &x->d), S2_OK);
}

static inline void books_scrub(struct books *x)
{
    while (s2_share_scrub_step(&x->l, x->handle, 1))
        ;
}

/* One whose owner offers its frames to the borrower. */
static inline struct books *books_offered(enum s2_share_kind kind)
{
    struct books *x = books_create();

    books_own(x);
    assert_int_equal(books_offer(x, kind, ids[OWNER], FRAME, PAGES, &x->handle), S2_OK);
    return x;
}

/* All that the ledger says, in one piece of memory, to be compared bit for bit. */
struct books_seen {
    struct s2_ledger_entry entry[16];
    struct s2_share_info share[RECORDS];
    unsigned entries, shares;
    uint32_t nodes;
    uint64_t frames;
};

static inline struct books_seen books_look(struct books *x)
{
    struct s2_share_info info = {.handle = 0};
    struct books_seen s;
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

static inline void books_same(const struct books_seen *a, const struct books_seen *b, bool phases)
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
        assert_int_equal(a->share[i].owner, b->share[i].owner);
        assert_int_equal(a->share[i].kind, b->share[i].kind);
        assert_int_equal(a->share[i].bytes, b->share[i].bytes);
        assert_int_equal(a->share[i].scrubbed, b->share[i].scrubbed);
        assert_int_equal(a->share[i].owner_has, b->share[i].owner_has);
        assert_memory_equal(a->share[i].borrower, b->share[i].borrower, sizeof a->share[i].borrower);
    }
    assert_int_equal(a->nodes, b->nodes);
    assert_int_equal(a->frames, b->frames);
}

#endif
