/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Areas of kind "coloured" through their whole life, also at random beside an array, at other granules, and as the audit sees them. */
#include "colour_world.h"

#include <stage2/audit.h>

static int setup_16k(void **state)
{
    int r = make(state, S2_16K, 12);

    scrub_all(*state);
    return r;
}

static int setup_16k_wide(void **state)
{
    int r = make(state, S2_16K, 14);

    scrub_all(*state);
    return r;
}

/* Only there, only as memory, only what is its own. */
static void bad_maps(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_area area = area_coloured(IPA, 4 * PAGE, S2_RW);

    assert_int_equal(give_to(x, VM, 1, 4 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 2, 4 * PAGE, MIB(32)), S2_OK);
    assert_int_equal(map_new(w, area_coloured(MIB(32), 4 * PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_coloured(IPA - PAGE, 4 * PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_coloured(IPA + PAGE, 4 * PAGE, S2_RW)), S2_EPERM);
    area.backing = REGION;
    assert_int_equal(map_new(w, area), S2_EINVAL);
    assert_int_equal(map_new(w, area_coloured(IPA, 4 * PAGE, S2_RW | S2_MT_DEV_nGnRE)), S2_EATTR);
    /* As linear memory nobody has it, not even who holds it. */
    assert_int_equal(map_new(w, area_linear(0, PAGE, REGION, S2_RW)), S2_EPERM);
    assert_int_equal(map_new(w, area_linear(0, MIB(1), REGION, S2_RW)), S2_EPERM);
    assert_int_equal(s2_area_set_count(&w->space.areas), 0);
    assert_int_equal(x->piece[0].mapped, 0);
    assert_int_equal(map_new(w, area_coloured(IPA, 4 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(protect(w, IPA, PAGE, S2_RW | S2_MT_DEV_nGnRE), S2_EATTR);
}

/* --- areas --------------------------------------------------------------------------------------------------------------- */

/* The last of its frames is beyond the physical addresses that the descriptors have room for. */
static void frames_out_of_reach(void **state)
{
    enum { BELOW_RAM = 30 };
    struct coloured *x = *state;

    assert_int_equal(give_to(x, VM, 1, 4 * PAGE, IPA), S2_OK);
    x->w->space.cfg.geometry.pa_bits = BELOW_RAM;
    assert_int_equal(map_new(x->w, area_coloured(IPA, 4 * PAGE, S2_RW)), S2_ERANGE);
    assert_int_equal(x->w->d.asked_end, REGION + 3 * STRIPE + PAGE);
    x->w->space.cfg.geometry.pa_bits = x->w->cfg.geometry.pa_bits;
}

static void assert_reaches(struct coloured *x, const struct expected *e, uint64_t ipa)
{
    static uint64_t pa[FRAMES], at[FRAMES];
    struct attempt a = guest(x->w, ipa, MODEL_READ);

    (void)count_frames(e, pa, at);
    assert_true(a.done);
    assert_int_equal(a.pa, pa[(ipa - e->ipa) / PAGE] + ipa % PAGE);
}

static void an_area_lives(void **state)
{
    struct coloured *x = *state;
    struct expected e = {VM, 0xb4, IPA, 0, 16};
    struct world *w = x->w;
    struct s2_area_stats s;
    struct attempt a;

    assert_int_equal(give_to(x, VM, 0xb4, 64 * PAGE, IPA), S2_OK);
    /* Bit by bit, and it is one. */
    assert_int_equal(map_new(w, area_coloured(IPA, 7 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA + 7 * PAGE, 30 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(IPA), ipa_range(IPA, 64 * PAGE), &w->d), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(x->piece[0].mapped, 64 * PAGE);
    assert_int_equal(leaves_at(w, 3), 64);
    world_check(w);
    for (unsigned i = 0; i < 64; i++)
        assert_reaches(x, &e, IPA + i * PAGE + 16);
    assert_true(s2_area_set_area_stats(&w->space.areas, S2_IPA(IPA), &s));
    assert_int_equal(s.resident, 64 * PAGE);
    /* A hole, another attribute, and back again. */
    assert_int_equal(unmap(w, IPA + 5 * PAGE, 6 * PAGE), S2_OK);
    assert_int_equal(x->piece[0].mapped, 58 * PAGE);
    assert_false(guest(w, IPA + 5 * PAGE, MODEL_READ).done);
    assert_int_equal(protect(w, IPA + 20 * PAGE, 3 * PAGE, S2_R), S2_OK);
    world_check(w);
    a = guest(w, IPA + 21 * PAGE, MODEL_WRITE);
    assert_false(a.done);
    assert_int_equal(a.result.why, S2_NO_PERMISSION);
    assert_int_equal(protect(w, IPA + 20 * PAGE, 3 * PAGE, S2_RW), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA + 4 * PAGE, 4 * PAGE, S2_RW)), S2_EEXIST);
    assert_int_equal(map_over(w, area_coloured(IPA + 4 * PAGE, 10 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_area_set_count(&w->space.areas), 1);
    assert_int_equal(x->piece[0].mapped, 64 * PAGE);
    world_check(w);
    assert_reaches(x, &e, IPA + 10 * PAGE);
    /* What is mapped cannot be taken back. */
    assert_false(s2_colours_take_back(&w->ledger, VM));
    assert_int_equal(unmap(w, IPA, 64 * PAGE), S2_OK);
    assert_int_equal(x->piece[0].mapped, 0);
    assert_true(s2_colours_take_back(&w->ledger, VM));
    assert_int_equal(map_new(w, area_coloured(IPA, PAGE, S2_RW)), S2_EPERM);
}

/* Neighbours in the VM's view, from two records: one area, one operation. */
static void an_area_over_two_pieces(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct expected low = {VM, 0x01, IPA, 0, 8}, high = {VM, 0x06, IPA + 8 * PAGE, 0, 4};

    assert_int_equal(give_to(x, VM, 0x01, 8 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, VM, 0x06, 8 * PAGE, IPA + 8 * PAGE), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, 17 * PAGE, S2_RW)), S2_EPERM);
    assert_int_equal(x->piece[0].mapped, 0);
    assert_int_equal(map_new(w, area_coloured(IPA + 4 * PAGE, 12 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(x->piece[0].mapped, 4 * PAGE);
    assert_int_equal(x->piece[1].mapped, 8 * PAGE);
    world_check(w);
    assert_reaches(x, &low, IPA + 7 * PAGE);
    assert_reaches(x, &high, IPA + 8 * PAGE);
    assert_reaches(x, &high, IPA + 15 * PAGE);
    assert_int_equal(unmap(w, IPA + 6 * PAGE, 4 * PAGE), S2_OK);
    assert_int_equal(x->piece[0].mapped, 2 * PAGE);
    assert_int_equal(x->piece[1].mapped, 6 * PAGE);
}

static void copies_find_its_frames(void **state)
{
    static unsigned char in[5 * PAGE], out[5 * PAGE];
    struct coloured *x = *state;
    struct world *w = x->w;

    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 7 + (i >> 12) + 3);
    assert_int_equal(give_to(x, VM, 0x42, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, 16 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(IPA + 24), in, sizeof in, 0, false, &w->d), S2_OK);
    assert_memory_equal((char *)model_ram(w->port, REGION + PAGE) + 24, in, PAGE - 24);
    assert_memory_equal(model_ram(w->port, REGION + 6 * PAGE), in + PAGE - 24, PAGE);
    assert_memory_equal(model_ram(w->port, REGION + STRIPE + PAGE), in + 2 * PAGE - 24, PAGE);
    assert_int_equal(s2_space_copy_out(&w->space, out, S2_IPA(IPA + 24), sizeof out, 0, &w->d), S2_OK);
    assert_memory_equal(in, out, sizeof in);
}

/* --- at random, beside an array ------------------------------------------------------------------------------------------ */

enum { VIEW = 96 }; /* pages: two pieces side by side, and nothing behind them */

struct shadow {
    struct expected piece[2];
    uint32_t seed, attr[VIEW]; /* 0: nothing there */
};

static uint64_t below(struct shadow *s, uint64_t n)
{
    s->seed = s->seed * 1664525u + 1013904223u;
    return (uint64_t)s->seed * n >> 32;
}

static void note(struct shadow *s, uint64_t from, uint64_t pages, uint32_t attr, bool there_only)
{
    for (uint64_t i = from; i < from + pages; i++)
        if (!there_only || s->attr[i])
            s->attr[i] = attr;
}

static void random_step(struct coloured *x, struct shadow *s)
{
    uint64_t from = below(s, VIEW), pages = 1 + below(s, VIEW - from), ipa = IPA + from * PAGE;
    uint32_t attr = below(s, 2) ? S2_RW : S2_R;
    bool outside = from + pages > 80, free = true;
    enum s2_err err;

    for (uint64_t i = from; i < from + pages; i++)
        free &= s->attr[i] == 0;
    switch (below(s, 4)) {
    case 0:
        err = map_new(x->w, area_coloured(ipa, pages * PAGE, attr));
        assert_int_equal(err, !free ? S2_EEXIST : outside ? S2_EPERM : S2_OK);
        break;
    case 1:
        err = map_over(x->w, area_coloured(ipa, pages * PAGE, attr));
        assert_int_equal(err, outside ? S2_EPERM : S2_OK);
        break;
    case 2:
        assert_int_equal(unmap(x->w, ipa, pages * PAGE), S2_OK);
        note(s, from, pages, 0, false);
        return;
    default:
        assert_int_equal(protect(x->w, ipa, pages * PAGE, attr), S2_OK);
        note(s, from, pages, attr, true);
        return;
    }
    if (!err)
        note(s, from, pages, attr, false);
}

static void assert_like_shadow(struct coloured *x, const struct shadow *s)
{
    static uint64_t pa[2][FRAMES], ipa[2][FRAMES];
    uint64_t mapped = 0;

    (void)count_frames(&s->piece[0], pa[0], ipa[0]);
    (void)count_frames(&s->piece[1], pa[1], ipa[1]);
    for (uint64_t i = 0; i < VIEW; i++) {
        struct s2_leaf leaf;
        bool there = s2_space_translate(&x->w->space, S2_IPA(IPA + i * PAGE), &leaf);

        assert_int_equal(there, s->attr[i] != 0);
        if (!there)
            continue;
        mapped += PAGE;
        assert_int_equal(leaf.attr.bits & S2_PERM_MASK, s->attr[i]);
        assert_int_equal(leaf.pa.v + (IPA + i * PAGE - leaf.range.start.v), i < 32 ? pa[0][i] : pa[1][i - 32]);
    }
    assert_int_equal(x->piece[0].mapped + x->piece[1].mapped, mapped);
}

static void random_operations(void **state)
{
    struct coloured *x = *state;
    struct shadow s = {.piece = {{VM, 0x21, IPA, 0, 16}, {VM, 0x0e, IPA + 32 * PAGE, 0, 16}}, .seed = 5};

    assert_int_equal(give_to(x, VM, 0x21, 32 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, VM, 0x0e, 48 * PAGE, IPA + 32 * PAGE), S2_OK);
    for (unsigned i = 0; i < 2000; i++) {
        random_step(x, &s);
        assert_like_shadow(x, &s);
        if (i % 50 == 0)
            world_check(x->w);
    }
}

/* A resource that lacks: nothing has changed, and the memory can be taken back. */
static void all_or_nothing(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    struct s2_tstash all = S2_TSTASH_EMPTY;
    struct s2_tquota q = {.limit = UINT32_MAX};

    assert_int_equal(give_to(x, VM, 0x0f, MIB(1), IPA), S2_OK);
    assert_int_equal(s2_tpool_take(&w->tables, &q, w->tables.free, &all), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, MIB(1), S2_RW)), S2_ETABLES);
    assert_int_equal(x->piece[0].mapped, 0);
    world_check(w);
    s2_tpool_give(&w->tables, &q, &all);
    /* Refused when the memory was taken already. */
    struct s2_area area = area_coloured(IPA, MIB(1), S2_RW);
    struct s2_change c = {.step = S2_STEP_MAP, .area = area, .part = area.range};
    struct s2_op op;

    s2_op_begin(&op, &w->space, &w->d);
    assert_int_equal(s2_backend_coloured.take(&w->space, &op, &c), S2_OK);
    assert_int_equal(x->piece[0].mapped, MIB(1));
    s2_backend_coloured.undo(&w->space, &op, &c);
    assert_int_equal(x->piece[0].mapped, 0);
    /* Taken back by another CPU between plan and take. */
    assert_int_equal(s2_colours_use(&w->ledger, VM, ipa_range(IPA + PAGE, MIB(1)), &w->d), S2_EPERM);
    assert_int_equal(s2_colours_use(&w->ledger, VM, ipa_range(IPA - PAGE, 2 * PAGE), &w->d), S2_EPERM);
    assert_int_equal(x->piece[0].mapped, 0);
    s2_op_end(&op);
    uint32_t nodes = w->nodes.free - w->nodes.reserved;
    assert_int_equal(s2_pool_reserve(&w->nodes, nodes), S2_OK);
    (void)map_new(w, area_coloured(IPA, PAGE, S2_RW));
    enum s2_err err = map_new(w, area_coloured(IPA + 2 * PAGE, PAGE, S2_R));
    for (unsigned i = 2; !err; i++)
        err = map_new(w, area_coloured(IPA + 2 * i * PAGE, PAGE, S2_R));
    assert_int_equal(err, S2_ENODES);
    s2_pool_unreserve(&w->nodes, nodes);
    uint64_t mapped = x->piece[0].mapped;
    assert_int_equal(mapped, s2_area_set_count(&w->space.areas) * PAGE);
    world_check(w);
}

/* The life of a VM: what it has stays its own until it is taken back after the end of the space. */
static void a_space_is_destroyed(void **state)
{
    struct coloured *x = *state;
    struct s2_space_config cfg = x->w->cfg;
    struct s2_area area = area_coloured(MIB(1), MIB(1), S2_RWX);
    struct s2_colour_piece p;

    cfg.id = OTHER;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(give_to(x, OTHER, 0xf0, MIB(1), MIB(1)), S2_OK);
        assert_int_equal(s2_space_init(&x->other, &cfg, NULL), S2_OK);
        assert_int_equal(s2_space_map(&x->other, &area, S2_MAP_NEW, NULL), S2_OK);
        assert_null(s2_space_check(&x->other, NULL));
        s2_space_destroy_begin(&x->other);
        assert_false(s2_colours_take_back(&x->w->ledger, OTHER));
        while (s2_space_destroy_step(&x->other, 16))
            ;
        s2_space_destroy_end(&x->other);
        assert_true(s2_colours_list(&x->w->ledger, 0, &p));
        assert_int_equal(p.vm, OTHER);
        assert_int_equal(p.mapped, 0);
        assert_true(s2_space_disown_step(&x->other));
        assert_false(s2_space_disown_step(&x->other));
        assert_true(s2_colours_list(&x->w->ledger, 0, &p));
        assert_int_equal(p.state, S2_COLOUR_DIRTY);
        scrub_all(x);
    }
}

/* --- granules -------------------------------------------------------------------------------------------------------------- */

static void colours_narrower_than_the_granule(void **state)
{
    struct coloured *x = *state;

    assert_int_equal(give_to(x, VM, 0x0f, MIB(1), IPA), S2_OK);
    assert_int_equal(map_new(x->w, area_coloured(IPA, MIB(1), S2_RW)), S2_EUNSUP);
    assert_int_equal(x->piece[0].mapped, 0);
}

static void colours_as_wide_as_the_granule(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;

    assert_int_equal(give_to(x, VM, 0x02, MIB(1), IPA), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, MIB(1), S2_RW)), S2_OK);
    world_check(w);
    for (uint64_t i = 0; i < 64; i++)
        assert_int_equal(guest(w, IPA + i * KIB(16) + PAGE, MODEL_WRITE).pa, REGION + (2 * i + 1) * KIB(16) + PAGE);
}

/* --- the audit --------------------------------------------------------------------------------------------------------- */

static struct s2_space *only_space(void *arg, unsigned i)
{
    struct coloured *x = arg;

    (void)i;
    return &x->w->space;
}

static bool its_cache(void *arg, unsigned i, uint32_t *pages)
{
    struct coloured *x = arg;

    (void)i;
    *pages = x->w->cache.tables.count;
    return true;
}

static void note_finding(void *arg, const struct s2_finding *f)
{
    struct coloured *x = arg;

    x->w->d = f->detail;
}

static uint64_t audit(struct coloured *x)
{
    struct s2_audit_config cfg = {.ledger = &x->w->ledger,
                                  .frames = &x->w->frames,
                                  .tables = &x->w->tables,
                                  .pools = 1,
                                  .vmids = &x->w->vmids,
                                  .spaces = 1,
                                  .space = only_space,
                                  .cached = its_cache,
                                  .found = note_finding,
                                  .arg = x};
    struct s2_audit a;

    s2_audit_begin(&a, &cfg);
    while (s2_audit_step(&a, 100))
        ;
    return s2_audit_end(&a);
}

static void the_audit_knows_colours(void **state)
{
    struct coloured *x = *state;
    struct world *w = x->w;
    static const char counted[] = "shows another part of coloured memory than is counted";

    assert_int_equal(give_to(x, VM, 0x0f, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(give_to(x, OTHER, 0x30, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(map_new(w, area_coloured(IPA, 16 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_trap(IPA + 16 * PAGE, PAGE, 1)), S2_OK);
    assert_int_equal(audit(x), 0);
    /* The same frames are another's: the table, the area and the records are at odds. */
    x->piece[0].is.mask = 0x3c;
    assert_true(audit(x) > 0);
    x->piece[0].is.mask = 0x0f;
    /* Or they are seen at another place. */
    x->piece[0].is.ipa.v += MIB(64);
    assert_string_equal(s2_space_check(&w->space, &w->d), "is mapped, and its area has no memory there");
    x->piece[0].is.ipa.v -= MIB(64);
    for (unsigned more = 0; more < 2; more++) {
        x->piece[0].mapped = more ? 17 * PAGE : 15 * PAGE;
        assert_int_equal(audit(x), 1);
        assert_string_equal(w->d.what, counted);
        assert_int_equal(w->d.asked_start, 16 * PAGE);
        assert_int_equal(w->d.asked_end, x->piece[0].mapped);
    }
    x->piece[0].mapped = 16 * PAGE;
    assert_int_equal(unmap(w, IPA, 4 * PAGE), S2_OK);
    assert_int_equal(map_new(w, area_trap(IPA, 2 * PAGE, 1)), S2_OK);
    assert_int_equal(audit(x), 0);
    x->piece[1].mapped = PAGE;
    assert_int_equal(audit(x), 1);
    assert_string_equal(w->d.what, "has coloured memory mapped, and no space");
    x->piece[1].mapped = 0;
    x->piece[1].is.mask = 0x18;
    assert_int_equal(audit(x), 1);
    assert_string_equal(w->d.what, "is coloured memory that two have");
    x->piece[1].is.mask = 0x30;
    assert_int_equal(audit(x), 0);
}

/* The audit, on another CPU, looks at the ledger whenever it is not locked. */
struct looker {
    struct coloured *x;
    unsigned twice;
    const char *wrong;
};

static void look(void *arg, const struct s2_lock *lock, bool taken)
{
    struct looker *l = arg;

    if (taken || lock != &l->x->w->ledger.lock)
        return;
    if (!l->wrong)
        l->wrong = s2_colours_check(&l->x->w->ledger, NULL);
    l->twice += l->x->piece[0].mapped > l->x->piece[0].is.bytes;
}

static void what_is_replaced_meanwhile_is_no_finding(void **state)
{
    struct coloured *x = *state;
    struct looker l = {.x = x};

    assert_int_equal(give_to(x, VM, 0x0f, 16 * PAGE, IPA), S2_OK);
    assert_int_equal(map_new(x->w, area_coloured(IPA, 16 * PAGE, S2_RW)), S2_OK);
    model_script_lock(x->w->port, look, &l);
    assert_int_equal(map_over(x->w, area_coloured(IPA, 16 * PAGE, S2_R)), S2_OK);
    model_script_lock(x->w->port, NULL, NULL);
    assert_null(l.wrong);
    assert_true(l.twice > 0);
    assert_int_equal(x->piece[0].mapped, 16 * PAGE);
    assert_int_equal(audit(x), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(bad_maps),
        T(frames_out_of_reach),
        T(an_area_lives),
        T(an_area_over_two_pieces),
        T(copies_find_its_frames),
        T(random_operations),
        T(all_or_nothing),
        T(a_space_is_destroyed),
        cmocka_unit_test_setup_teardown(colours_narrower_than_the_granule, setup_16k, teardown),
        cmocka_unit_test_setup_teardown(colours_as_wide_as_the_granule, setup_16k_wide, teardown),
        T(the_audit_knows_colours),
        T(what_is_replaced_meanwhile_is_no_finding),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("coloured areas", tests, NULL, NULL);
}
