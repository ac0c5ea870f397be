/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Kinds of areas that the library does not have: one that maps, one that is emulated. Each is what a file of its own would hold,
 * and nothing else knows of it. */
#include "space_world.h"

#include <stage2/long.h>

#include "space/inner.h"

/* --- "mirror": a bank of frames, shown backward, a page at a time. Its backing counts from the bank's top downward. One
 * frame of the bank is broken, and never mapped. ------------------------------------------------------------------------- */

#define BANK       (FRAME_BASE + MIB(4))
#define BANK_PAGES 64ull
#define BROKEN     20ull
#define OTHERS     32ull /* from here on, so many pages are of another VM */

static bool frame_at(const struct s2_area *area, s2_ipa ipa, s2_pa *pa)
{
    uint64_t page = (area->backing + (ipa.v - area->range.start.v)) / PAGE;

    *pa = S2_PA(BANK + (BANK_PAGES - 1 - page) * PAGE);
    return page != BROKEN;
}

/* The frames of a part, one after the other, from *at on. */
static bool next_frame(const struct s2_change *c, s2_ipa *at, s2_pa *pa)
{
    for (; at->v < c->part.end.v; at->v += PAGE)
        if (frame_at(&c->area, *at, pa))
            return true;
    return false;
}

static bool in_part(const struct s2_change *c, s2_ipa ipa)
{
    return ipa.v >= c->part.start.v && ipa.v < c->part.end.v;
}

static enum s2_err check_rights(struct s2_space *sp, const struct s2_op *op, const struct s2_change *c, s2_attr attr)
{
    s2_pa pa;

    for (s2_ipa at = c->part.start; next_frame(c, &at, &pa); at.v += PAGE) {
        enum s2_err err = s2_ledger_check(sp->cfg.ledger, sp->cfg.id, s2_pa_run(pa, PAGE),
                                          (uint8_t)(attr.bits & S2_PERM_MASK), op->detail);
        if (err)
            return err;
    }
    return s2_space_attr(sp, attr, op->detail);
}

static enum s2_err prepare_map(struct s2_space *sp, struct s2_op *op, const struct s2_change *c)
{
    uint64_t bytes = s2_range_bytes(c->part), last = c->area.backing + (c->part.end.v - c->area.range.start.v);
    struct s2_ledger_entry e;
    enum s2_err err;
    s2_pa pa;

    if (last > BANK_PAGES * PAGE)
        return s2_refuse(op->detail, S2_ERANGE, S2_AXIS_IPA, c->part.start.v, c->part.end.v, "is larger than the bank");
    err = check_rights(sp, op, c, c->area.attr);
    if (err)
        return err;
    for (s2_ipa at = c->part.start; next_frame(c, &at, &pa); at.v += PAGE)
        if (s2_ledger_find(sp->cfg.ledger, pa, &e) && e.ipa.v != S2_IPA_NONE.v && !(c->replacing && in_part(c, e.ipa)))
            return s2_refuse(op->detail, S2_EPERM, S2_AXIS_PA, pa.v, pa.v + PAGE, "is mapped elsewhere already");
    s2_op_need_tables(op, s2_pages_need(sp, c->part, c->replacing));
    s2_op_need_cuts(op, (uint32_t)(bytes / PAGE));
    return S2_OK;
}

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    enum s2_err err = S2_OK;

    if (c->step == S2_STEP_MAP)
        return prepare_map(sp, op, c);
    if (c->step == S2_STEP_PROTECT)
        err = check_rights(sp, op, c, c->attr);
    if (!err && (c->step == S2_STEP_PROTECT || c->step == S2_STEP_UNMAP))
        s2_op_need_tables(op, s2_table_need_cut(&sp->table, c->part));
    return err;
}

static void note(struct s2_space *sp, s2_pa pa, s2_ipa ipa)
{
    struct s2_ledger_entry e;

    assert_true(s2_ledger_find(sp->cfg.ledger, pa, &e));
    e.range = s2_pa_run(pa, PAGE);
    e.ipa = ipa;
    s2_ledger_set(sp->cfg.ledger, &e);
}

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    struct s2_space *sp = ctx;
    s2_pa pa;

    if (c->step != S2_STEP_MAP) {
        s2_edit_run(sp, op, c);
        return;
    }
    for (s2_ipa at = c->part.start; next_frame(c, &at, &pa); at.v += PAGE) {
        s2_map_run(sp, op, ipa_range(at.v, PAGE), pa, c->area.attr);
        note(sp, pa, at);
    }
}

/* Each frame has an entry of its own, which goes whole: no node is needed. */
static void release(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    s2_pa pa;

    (void)op;
    if (c->step != S2_STEP_UNMAP)
        return;
    for (s2_ipa at = c->part.start; next_frame(c, &at, &pa); at.v += PAGE)
        note(ctx, pa, S2_IPA_NONE);
}

static uint64_t backing_at(const struct s2_area *area, s2_ipa start)
{
    return area->backing + (start.v - area->range.start.v);
}

/* What `memory` says that is not so. */
static struct lies {
    uint64_t pa, bytes;
    bool whole;
} lies;

static bool memory(void *ctx, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa)
{
    bool there = frame_at(area, ipa, pa);

    (void)ctx;
    pa->v += lies.pa;
    *run = ipa_range(ipa.v & ~(PAGE - 1), lies.bytes ? lies.bytes : PAGE);
    return there || lies.whole;
}

static void stats(void *ctx, const struct s2_area *area, struct s2_area_stats *out)
{
    const struct s2_change all = {.area = *area, .part = area->range};
    s2_pa pa;

    (void)ctx;
    for (s2_ipa at = area->range.start; next_frame(&all, &at, &pa); at.v += PAGE)
        out->resident += PAGE;
}

static const struct s2_backend mirror = {.kind = "mirror",
                                         .prepare = prepare,
                                         .commit = commit,
                                         .release = release,
                                         .backing_at = backing_at,
                                         .memory = memory,
                                         .stats = stats};

/* --- "console": every access is the caller's to answer ----------------------------------------------------------------- */

static void commit_nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

static const struct s2_backend console = {.kind = "console", .commit = commit_nothing, .emulates = true};

/* ------------------------------------------------------------------------------------------------------------------------- */

static struct s2_area area_of(const struct s2_backend *kind, uint64_t ipa, uint64_t pages, uint64_t first,
                              uint32_t attr)
{
    return (struct s2_area){
        .range = ipa_range(ipa, pages * PAGE), .backend = kind, .backing = first * PAGE, .attr = S2_ATTR(attr)};
}

static uint64_t frame(uint64_t page)
{
    return BANK + (BANK_PAGES - 1 - page) * PAGE;
}

static int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);

    lies = (struct lies){0};
    world_give(w, frame(OTHERS - 1), OTHERS * PAGE, VM, S2_RWX);
    world_give(w, BANK, (BANK_PAGES - OTHERS) * PAGE, OTHER, S2_RWX);
    world_run(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    lies = (struct lies){0};
    world_check(w);
    world_destroy_space(w);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_true(model_ok(w->port));
    world_free(w);
    return 0;
}

static void assert_reaches(struct world *w, uint64_t ipa, uint64_t page)
{
    struct attempt a = guest(w, ipa, MODEL_READ);

    assert_true(a.done);
    assert_int_equal(a.pa, frame(page));
}

static unsigned count(struct world *w)
{
    return (unsigned)s2_area_set_count(&w->space.areas);
}

static void a_kind_maps_what_it_likes(void **state)
{
    struct world *w = *state;
    struct s2_area_stats s;

    assert_int_equal(map_new(w, area_of(&mirror, MIB(2), 8, 4, S2_RW)), S2_OK);
    world_check(w);
    for (uint64_t i = 0; i < 8; i++)
        assert_reaches(w, MIB(2) + i * PAGE, 4 + i);
    assert_int_equal(leaves_at(w, 3), 8);
    assert_true(s2_area_set_area_stats(&w->space.areas, S2_IPA(MIB(2)), &s));
    assert_int_equal(s.bytes, 8 * PAGE);
    assert_int_equal(s.resident, 8 * PAGE);
    assert_int_equal(s.promised, 0);
    assert_int_equal(unmap(w, MIB(2), 8 * PAGE), S2_OK);
    world_check(w);
    assert_false(guest(w, MIB(2), MODEL_READ).done);
    assert_int_equal(leaves_at(w, 3), 0);
}

static void it_is_cut_protected_and_joined(void **state)
{
    struct world *w = *state;
    struct attempt a;

    assert_int_equal(map_new(w, area_of(&mirror, 0, 8, 0, S2_RW)), S2_OK);
    assert_int_equal(protect(w, 2 * PAGE, 2 * PAGE, S2_R), S2_OK);
    assert_int_equal(count(w), 3);
    world_check(w);
    assert_reaches(w, 2 * PAGE, 2);
    a = guest(w, 2 * PAGE, MODEL_WRITE);
    assert_false(a.done);
    assert_int_equal(a.answer, S2_VIOLATION);
    assert_int_equal(a.result.why, S2_NO_PERMISSION);
    assert_int_equal(protect(w, 2 * PAGE, 2 * PAGE, S2_RW), S2_OK);
    assert_int_equal(count(w), 1);
    assert_int_equal(unmap(w, 3 * PAGE, 2 * PAGE), S2_OK);
    assert_int_equal(count(w), 2);
    world_check(w);
    assert_reaches(w, 5 * PAGE, 5);
    /* Another frame does not fit into the hole, and the right ones do. */
    assert_int_equal(map_new(w, area_of(&mirror, 3 * PAGE, 2, 9, S2_RW)), S2_OK);
    assert_int_equal(count(w), 3);
    assert_int_equal(map_over(w, area_of(&mirror, 3 * PAGE, 2, 3, S2_RW)), S2_OK);
    assert_int_equal(count(w), 1);
    world_check(w);
    assert_reaches(w, 4 * PAGE, 4);
}

static void it_grows_and_is_there_already(void **state)
{
    struct world *w = *state;
    uint64_t tlbis;

    assert_int_equal(map_new(w, area_of(&mirror, 4 * PAGE, 4, 4, S2_RW)), S2_OK);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(4 * PAGE), ipa_range(2 * PAGE, 8 * PAGE), &w->d), S2_OK);
    world_check(w);
    assert_int_equal(count(w), 1);
    assert_reaches(w, 2 * PAGE, 2);
    assert_reaches(w, 9 * PAGE, 9);
    assert_int_equal(s2_space_extend(&w->space, S2_IPA(2 * PAGE), ipa_range(0, OTHERS * PAGE + PAGE), &w->d), S2_EPERM);
    /* The same once more: nothing to break. The same frames elsewhere: no. */
    tlbis = model_tlbis(w->port);
    assert_int_equal(map_over(w, area_of(&mirror, 3 * PAGE, 3, 3, S2_RW)), S2_OK);
    assert_int_equal(model_tlbis(w->port), tlbis);
    assert_int_equal(map_new(w, area_of(&mirror, MIB(1), 1, 3, S2_RW)), S2_EPERM);
    assert_string_equal(w->d.what, "is mapped elsewhere already");
    /* Its own frames change places within one operation. */
    assert_int_equal(map_over(w, area_of(&mirror, 2 * PAGE, 8, 3, S2_RW)), S2_OK);
    assert_true(model_tlbis(w->port) > tlbis);
    world_check(w);
    assert_reaches(w, 2 * PAGE, 3);
    assert_reaches(w, 9 * PAGE, 10);
}

static void it_is_protected_in_steps(void **state)
{
    struct world *w = *state;
    s2_attr attr = S2_ATTR(S2_R);
    struct s2_long l;

    assert_int_equal(map_new(w, area_of(&mirror, 0, 8, 0, S2_RW)), S2_OK);
    assert_int_equal(s2_space_protect_begin(&w->space, &l, ipa_range(0, 8 * PAGE), set_attr, &attr, &w->d), S2_OK);
    assert_true(s2_space_protect_step(&l, 3));
    world_check(w);
    assert_false(guest(w, 2 * PAGE, MODEL_WRITE).done);
    assert_true(guest(w, 3 * PAGE, MODEL_WRITE).done);
    while (s2_space_protect_step(&l, 3))
        ;
    assert_int_equal(s2_space_protect_end(&l), S2_OK);
    world_check(w);
    assert_int_equal(count(w), 1);
    assert_false(guest(w, 7 * PAGE, MODEL_WRITE).done);
    assert_reaches(w, 7 * PAGE, 7);
}

/* Of a kind with a rule of its own for joining, the backing does not say what is there. */
static void memory_is_new_each_time(void **state)
{
    struct world *w = *state;
    char byte = 1;

    assert_int_equal(map_new(w, area_alloc(0, 4 * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(PAGE), &byte, 1, 0, false, &w->d), S2_OK);
    assert_int_equal(map_over(w, area_alloc(0, 4 * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_copy_out(&w->space, &byte, S2_IPA(PAGE), 1, 0, &w->d), S2_OK);
    assert_int_equal(byte, 0);
}

static void it_refuses_before_anything_is_done(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_of(&mirror, 0, 2, OTHERS - 1, S2_RW)), S2_EPERM);
    assert_int_equal(w->d.holder, OTHER);
    assert_int_equal(map_new(w, area_of(&mirror, 0, 2, BANK_PAGES - 1, S2_RW)), S2_ERANGE);
    assert_string_equal(w->d.what, "is larger than the bank");
    assert_int_equal(map_new(w, area_of(&mirror, 0, 2, 0, 1u << 31)), S2_EATTR);
    assert_int_equal(count(w), 0);
    assert_int_equal(leaves_at(w, 3), 0);
}

static void copies_find_its_frames(void **state)
{
    static unsigned char in[3 * PAGE], out[3 * PAGE];
    struct world *w = *state;

    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 5 + (i >> 12) + 1);
    assert_int_equal(map_new(w, area_of(&mirror, 0, 8, 0, S2_RW)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(PAGE + 8), in, sizeof in, S2_W, false, &w->d), S2_OK);
    assert_memory_equal((char *)model_ram(w->port, frame(1)) + 8, in, PAGE - 8);
    assert_memory_equal(model_ram(w->port, frame(2)), in + PAGE - 8, PAGE);
    assert_memory_equal(model_ram(w->port, frame(4)), in + 3 * PAGE - 8, 8);
    assert_int_equal(s2_space_copy_out(&w->space, out, S2_IPA(PAGE + 8), sizeof out, S2_R, &w->d), S2_OK);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), in, 1, S2_X, false, &w->d), S2_EPERM);
    assert_string_equal(w->d.what, "is in part not open to that access");
    assert_int_equal(protect(w, 0, PAGE, S2_RW | S2_MT_DEV_nGnRE), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), in, 1, 0, false, &w->d), S2_EPERM);
    assert_string_equal(w->d.what, "is in part a device");
}

/* Where the kind has no memory nothing is mapped, nothing is copied, and nobody waits for it. */
static void it_may_have_holes(void **state)
{
    struct world *w = *state;
    struct s2_area_stats s;
    struct attempt a;
    char bytes[16];

    assert_int_equal(map_new(w, area_of(&mirror, 0, 4, BROKEN - 2, S2_RW)), S2_OK);
    world_check(w);
    assert_reaches(w, PAGE, BROKEN - 1);
    assert_reaches(w, 3 * PAGE, BROKEN + 1);
    a = guest(w, 2 * PAGE, MODEL_READ);
    assert_false(a.done);
    assert_int_equal(a.answer, S2_VIOLATION);
    assert_int_equal(a.result.why, S2_NOT_OURS);
    assert_true(s2_area_set_area_stats(&w->space.areas, S2_IPA(0), &s));
    assert_int_equal(s.resident, 3 * PAGE);
    assert_int_equal(s2_space_copy_out(&w->space, bytes, S2_IPA(2 * PAGE - 8), 8, 0, &w->d), S2_OK);
    assert_int_equal(s2_space_copy_out(&w->space, bytes, S2_IPA(2 * PAGE - 8), 9, 0, &w->d), S2_EPERM);
    assert_string_equal(w->d.what, "is in part not memory");
    assert_int_equal(unmap(w, PAGE, 2 * PAGE), S2_OK);
}

static void assert_found(struct world *w, struct lies told, const char *what)
{
    lies = told;
    assert_string_equal(s2_space_check(&w->space, &w->d), what);
    lies = (struct lies){0};
}

static void the_checker_holds_it_to_its_word(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_of(&mirror, 0, 4, BROKEN - 2, S2_RW)), S2_OK);
    assert_found(w, (struct lies){.pa = PAGE}, "is mapped to another address than its area says");
    assert_found(w, (struct lies){.bytes = PAGE / 2}, "is mapped, and its area has no memory there");
    assert_found(w, (struct lies){.whole = true}, "is not wholly mapped");
}

static void a_kind_may_be_emulated(void **state)
{
    struct world *w = *state;
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .access = S2_ACCESS_WRITE, .has_ipa = true, .isv = true};
    struct s2_fault_result r;
    struct s2_area found;
    char byte = 0;

    assert_int_equal(map_new(w, area_of(&console, MIB(1), 2, 0, S2_R)), S2_OK);
    world_check(w);
    f.ipa = S2_IPA(MIB(1) + PAGE + 4);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_EMULATE);
    assert_ptr_equal(r.area.backend, &console);
    assert_int_equal(r.offset, PAGE + 4);
    f.isv = false;
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_SYNDROME);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(1)), &byte, 1, 0, false, &w->d), S2_EPERM);
    assert_string_equal(w->d.what, "is in part not memory");
    /* And become one that maps, and back. */
    assert_int_equal(s2_space_swap(&w->space,
                                   &(struct s2_area){.range = ipa_range(MIB(1), PAGE),
                                                     .backend = &mirror,
                                                     .backing = 7 * PAGE,
                                                     .attr = S2_ATTR(S2_R)},
                                   &console, &w->d),
                     S2_OK);
    world_check(w);
    assert_reaches(w, MIB(1), 7);
    assert_int_equal(map_over(w, area_of(&console, MIB(1), 1, 0, S2_R)), S2_OK);
    world_check(w);
    f = (struct s2_fault){.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .isv = true, .ipa = S2_IPA(MIB(1))};
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_EMULATE);
    assert_true(s2_space_find(&w->space, S2_IPA(MIB(1)), &found));
    assert_int_equal(s2_range_bytes(found.range), 2 * PAGE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_kind_maps_what_it_likes),        T(it_is_cut_protected_and_joined),
        T(it_grows_and_is_there_already),    T(memory_is_new_each_time),
        T(it_is_protected_in_steps),         T(it_refuses_before_anything_is_done),
        T(copies_find_its_frames),           T(it_may_have_holes),
        T(the_checker_holds_it_to_its_word), T(a_kind_may_be_emulated),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
