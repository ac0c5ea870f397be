/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A machine with three VMs, for suites about memory that VMs let each other use: the first is the space of space_world.h, whose CPU
 * is 0, and each has a CPU. */
#ifndef SHARE_WORLD_H
#define SHARE_WORLD_H

#include "space_world.h"

enum { OWNER = VM, BORROWER = VM + 1, STRANGER = VM + 2, VMS = 3, SHARES = 6, SHARES_EACH = 4 };
#define OWNER_IPA    MIB(64)
#define BORROWER_IPA MIB(512)

struct share_world {
    struct world *w;
    struct s2_share table[SHARES];
    struct s2_space other[VMS - 1];
    struct s2_pool nodes[VMS - 1];
    void *node_mem[VMS - 1];
    struct s2_detail d;
};

static inline struct s2_space *space_of(struct share_world *x, uint16_t vm)
{
    return vm == VM ? &x->w->space : &x->other[vm - VM - 1];
}

static inline void share_add_vm(struct share_world *x, const struct world_config *wc, unsigned i)
{
    struct s2_space_config cfg = x->w->cfg;

    x->node_mem[i] = world_alloc((size_t)wc->nodes * S2_NODE_BYTES);
    s2_pool_init(&x->nodes[i], x->node_mem[i], (size_t)wc->nodes * S2_NODE_BYTES);
    cfg.nodes = &x->nodes[i];
    cfg.id = (uint16_t)(VM + 1 + i);
    assert_int_equal(s2_space_init(&x->other[i], &cfg, &x->d), S2_OK);
}

static inline struct share_world *share_create(struct world_config wc)
{
    struct share_world *x = world_alloc(sizeof *x);

    memset(x, 0, sizeof *x);
    wc.cpus = wc.cpus > VMS ? wc.cpus : VMS;
    x->w = world_create(&wc);
    s2_share_init(&x->w->ledger, x->table, SHARES, SHARES_EACH);
    for (unsigned i = 0; i < VMS - 1; i++)
        share_add_vm(x, &wc, i);
    return x;
}

static inline void share_check(struct share_world *x)
{
    world_check(x->w);
    for (unsigned i = 0; i < VMS - 1; i++) {
        const char *wrong = s2_space_check(&x->other[i], &x->d);

        if (wrong)
            fprintf(stderr, "# VM %u: %s at 0x%llx\n", i + 1, wrong, (unsigned long long)x->d.asked_start);
        assert_null(wrong);
        assert_null(s2_pool_check(&x->nodes[i]));
    }
}

/* The VM's space is loaded on its CPU, which becomes the calling thread's. */
static inline void share_run(struct share_world *x, uint16_t vm)
{
    uint64_t was;

    model_set_cpu(x->w->port, (unsigned)(vm - VM));
    was = s2_port_irq_mask(x->w->port);
    s2_space_load(space_of(x, vm));
    s2_port_irq_restore(x->w->port, was);
}

/* Its CPU runs another VM from now on. */
static inline void share_leave(struct share_world *x, uint16_t vm)
{
    uint16_t next = OWNER;
    uint64_t was;

    while (next <= STRANGER && (next == vm || space_of(x, next)->dying))
        next++;
    if (next > STRANGER)
        return;
    model_set_cpu(x->w->port, (unsigned)(vm - VM));
    was = s2_port_irq_mask(x->w->port);
    s2_space_load(space_of(x, next));
    s2_port_irq_restore(x->w->port, was);
}

static inline void share_destroy_space(struct share_world *x, uint16_t vm)
{
    struct s2_space *sp = space_of(x, vm);

    share_leave(x, vm);
    s2_space_destroy_begin(sp);
    while (s2_space_destroy_step(sp, 64))
        ;
    s2_space_destroy_end(sp);
    while (s2_space_disown_step(sp))
        ;
}

/* Takes all down, and nothing is left of it. */
static inline void share_destroy(struct share_world *x)
{
    for (unsigned i = 0; i < VMS - 1; i++)
        if (!x->other[i].dying)
            share_destroy_space(x, (uint16_t)(VM + 1 + i));
    if (x->w->space.dying)
        world_free(x->w);
    else
        world_destroy(x->w);
    for (unsigned i = 0; i < VMS - 1; i++) {
        assert_int_equal(x->nodes[i].free, x->nodes[i].count);
        assert_int_equal(x->nodes[i].reserved, 0);
        free(x->node_mem[i]);
    }
    for (unsigned i = 0; i < SHARES; i++)
        assert_int_equal(x->table[i].phase, S2_SHARE_UNUSED);
    free(x);
}

static inline struct s2_offer offer_to(enum s2_share_kind kind, struct s2_ipa_range range, uint16_t vm, uint8_t rights)
{
    return (struct s2_offer){.kind = kind, .range = range, .borrowers = 1, .borrower[0] = {vm, rights}};
}

/* An access of that VM: where it ends, or UINT64_MAX. */
static inline uint64_t share_access(struct share_world *x, uint16_t vm, uint64_t ipa, enum model_kind kind)
{
    struct model_outcome o;

    model_set_cpu(x->w->port, (unsigned)(vm - VM));
    o = model_access(x->w->port, ipa, kind, false);
    return o.result == MODEL_DONE ? o.pa : UINT64_MAX;
}

/* Withdraws it, revokes whoever holds it, scrubs and takes it back. */
static inline enum s2_err share_reclaim(struct share_world *x, uint16_t vm, uint32_t handle)
{
    enum s2_err err = s2_share_end_begin(&x->w->ledger, handle, vm, S2_END_ANY, &x->d);

    if (err)
        return err;
    for (unsigned i = 0; i < VMS; i++)
        s2_space_revoke(space_of(x, (uint16_t)(VM + i)), handle);
    while (s2_share_scrub_step(&x->w->ledger, handle, 3))
        ;
    return s2_space_reclaim(space_of(x, vm), handle, &x->d);
}

/* For suites that end with all spaces there; and where one has been taken down. */
static inline int share_teardown(void **state)
{
    share_check(*state);
    share_destroy(*state);
    return 0;
}
static inline int share_teardown_rest(void **state)
{
    share_destroy(*state);
    return 0;
}

/* The first VM has 4 MiB of RAM, and each runs on its CPU. */
static inline struct share_world *share_begin(struct world_config wc, uint16_t name)
{
    struct share_world *x = share_create(wc);
    struct s2_area ram = area_alloc(OWNER_IPA, MIB(4), S2_RWX, 0);

    ram.name = name;
    assert_int_equal(map_new(x->w, ram), S2_OK);
    for (uint16_t vm = STRANGER + 1; vm-- > OWNER;)
        share_run(x, vm);
    return x;
}

/* An offer of its memory to the borrower, which is granted. */
static inline uint32_t share_offer(struct share_world *x, enum s2_share_kind kind, uint64_t ipa, uint64_t bytes,
                                   uint8_t rights)
{
    struct s2_offer o = offer_to(kind, ipa_range(ipa, bytes), BORROWER, rights);
    uint32_t handle = 0;

    assert_int_equal(s2_space_share(&x->w->space, &o, &handle, &x->d), S2_OK);
    share_check(x);
    return handle;
}

/* --- for suites whose owner's area has to come back as it was ------------------------------------------------------------ */

enum { OWNER_NAME = 7 };

static inline int share_setup(void **state)
{
    *state = share_begin(world_defaults(), OWNER_NAME);
    return 0;
}

static inline void share_retrieve(struct share_world *x, uint32_t handle, uint64_t ipa, uint8_t rights)
{
    assert_int_equal(s2_space_retrieve(space_of(x, BORROWER), handle, S2_IPA(ipa), rights, 9, &x->d), S2_OK);
    share_check(x);
}

static inline struct s2_area share_area(struct share_world *x, uint16_t vm, uint64_t ipa)
{
    struct s2_area a = {.name = 0};

    assert_true(s2_space_find(space_of(x, vm), S2_IPA(ipa), &a));
    return a;
}

static inline uint64_t share_owner_pa(struct share_world *x, uint64_t ipa)
{
    return share_access(x, OWNER, ipa, MODEL_READ);
}

/* The owner's RAM is one area again, as it was. */
static inline void share_assert_whole(struct share_world *x)
{
    struct s2_area a = share_area(x, OWNER, OWNER_IPA);

    assert_ptr_equal(a.backend, &s2_backend_alloc);
    assert_int_equal(a.range.end.v - a.range.start.v, MIB(4));
    assert_int_equal(a.attr.bits, S2_RWX);
    assert_int_equal(a.name, OWNER_NAME);
    assert_int_equal(x->w->space.frames_shared, 0);
    assert_int_equal(x->w->space.frames_held, MIB(4) / PAGE);
}

#endif
