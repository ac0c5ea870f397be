/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is done to the tables at random: each operation with what it needs, to its end, and noted in the array. */
#ifndef TABLE_RANDOM_OPS_H
#define TABLE_RANDOM_OPS_H

#include "table_random.h"

static inline struct s2_tstash take(struct s2_table *t, uint32_t n)
{
    struct s2_tstash stash = S2_TSTASH_EMPTY;

    assert_int_equal(s2_tpool_take(&w.pool, &t->quota, n, &stash), S2_OK);
    return stash;
}

/* Flushes, frees, gives back. */
static inline void end(struct s2_table *t, struct s2_gather *g, struct s2_tstash *stash)
{
    s2_gather_flush(t, g);
    s2_gather_free(t, g);
    s2_tpool_give(&w.pool, &t->quota, stash);
    quiet();
}

static inline void unmap_units(struct vm *vm, unsigned first, unsigned last)
{
    struct s2_tstash stash = take(&vm->t, s2_table_need_cut(&vm->t, range_of(first, last)));
    struct s2_gather g;

    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, range_of(first, last));
    assert_int_equal(stash.count, 0);
    end(&vm->t, &g, &stash);
    note(vm, first, last, false, 0, S2_ATTR(0));
}

static void unmap(struct vm *vm)
{
    unsigned first, last;

    random_range(&first, &last);
    unmap_units(vm, first, last);
}

/* Only what one unit holds goes, wherever one is mapped. */
static void unmap_one(struct vm *vm)
{
    unsigned u = (unsigned)chance(w.units), tries = w.units;

    while (tries-- && !vm->unit[u].valid)
        u = (u + 1) % w.units;
    unmap_units(vm, u, u + 1);
}

static void protect(struct vm *vm)
{
    struct s2_tstash stash;
    struct s2_gather g;
    unsigned first, last;
    s2_attr attr = random_attr();

    random_range(&first, &last);
    stash = take(&vm->t, s2_table_need_cut(&vm->t, range_of(first, last)));
    s2_gather_init(&g);
    s2_table_protect(&vm->t, &stash, &g, range_of(first, last), attr);
    end(&vm->t, &g, &stash);
    note_attr(vm, first, last, attr);
}

/* Where nothing is: from a random place to the next thing that is there. */
static inline bool random_hole(const struct vm *vm, unsigned *first, unsigned *last)
{
    unsigned stop;

    random_range(first, &stop);
    while (*first < stop && vm->unit[*first].valid)
        ++*first;
    for (*last = *first; *last < stop && !vm->unit[*last].valid;)
        ++*last;
    return *first < *last;
}

static inline void map_units(struct vm *vm, unsigned first, unsigned last, uint64_t pa, s2_attr attr)
{
    struct s2_tstash stash = take(&vm->t, s2_table_need_map(&vm->t, range_of(first, last), S2_PA(pa), false));
    struct s2_gather g;

    s2_gather_init(&g);
    model_reset_counters(w.m);
    s2_table_map(&vm->t, &stash, &g, range_of(first, last), S2_PA(pa), attr);
    assert_int_equal(stash.count, 0);
    end(&vm->t, &g, &stash);
    assert_int_equal(model_tlbis(w.m), 0);
    assert_int_equal(model_dsbs(w.m), 1);
    note(vm, first, last, true, pa, attr);
}

static void map(struct vm *vm)
{
    unsigned first, last;

    if (random_hole(vm, &first, &last))
        map_units(vm, first, last, random_pa(ipa_of(first)), random_attr());
}

/* A hole gets what its neighbour below goes on with: what there is to promote. */
static void map_on(struct vm *vm)
{
    unsigned first, last;

    if (!random_hole(vm, &first, &last))
        return;
    while (first > 0 && !vm->unit[first - 1].valid)
        first--;
    while (last < w.units && !vm->unit[last].valid && chance(64))
        last++;
    if (first > 0)
        map_units(vm, first, last, vm->unit[first - 1].pa + unit_bytes(), S2_ATTR(vm->unit[first - 1].attr));
}

/* What is there goes and something else comes, in one operation. */
static void remap(struct vm *vm)
{
    struct s2_tstash stash;
    struct s2_gather g;
    unsigned first, last;
    s2_attr attr = random_attr();
    struct s2_ipa_range range;
    s2_pa pa;

    random_range(&first, &last);
    range = range_of(first, last);
    pa = S2_PA(random_pa(range.start.v));
    stash = take(&vm->t, s2_table_need_cut(&vm->t, range) + s2_table_need_map(&vm->t, range, pa, true));
    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, range);
    s2_table_map(&vm->t, &stash, &g, range, pa, attr);
    end(&vm->t, &g, &stash);
    note(vm, first, last, true, pa.v, attr);
}

/* Two changes in one operation, the second partly where the first was: what the first split is split again. */
static void two_in_one(struct vm *vm)
{
    bool second_unmaps = chance(2);
    struct s2_ipa_range hole, part;
    struct s2_tstash stash;
    struct s2_gather g;
    unsigned first, last, from, to;
    s2_attr attr = random_attr();

    random_range(&first, &last);
    from = first < 40 ? 0 : first - 40;
    to = first + 1 + (last - first) / 2;
    hole = range_of(first, last);
    part = range_of(from, to);
    stash = take(&vm->t, s2_table_need_cut(&vm->t, hole) + s2_table_need_cut(&vm->t, part));
    s2_gather_init(&g);
    s2_table_unmap(&vm->t, &stash, &g, hole);
    if (second_unmaps)
        s2_table_unmap(&vm->t, &stash, &g, part);
    else
        s2_table_protect(&vm->t, &stash, &g, part, attr);
    end(&vm->t, &g, &stash);
    note(vm, first, last, false, 0, S2_ATTR(0));
    if (second_unmaps)
        note(vm, from, to, false, 0, S2_ATTR(0));
    else
        note_attr(vm, from, to, attr);
}

/* --- faults ---------------------------------------------------------------------------------------------------------- */

struct fault {
    struct vm *vm;
    struct s2_ipa_range within;
    uint64_t ipa, delta;
    s2_attr attr;
    struct s2_tstash stash;
};

static inline enum s2_install install_leaf(struct fault *f)
{
    enum s2_install done;
    uint32_t need = 0;

    while ((done = s2_table_install(&f->vm->t, &f->stash, f->within, S2_IPA(f->ipa), S2_PA(f->ipa + f->delta), f->attr,
                                    &need)) == S2_NO_TABLE) {
        assert_true(need > f->stash.count);
        assert_int_equal(s2_tpool_draw(&w.pool, &f->vm->t.quota, need - f->stash.count, &f->stash), S2_OK);
    }
    return done;
}

/* Of the units that the leaf at f->ipa covers. */
static inline void note_leaf(struct fault *f)
{
    uint64_t from;
    struct s2_leaf leaf;

    assert_true(s2_table_lookup(&f->vm->t, S2_IPA(f->ipa), &leaf));
    assert_true(leaf.accessed);
    assert_true(leaf.range.start.v >= f->within.start.v && leaf.range.end.v <= f->within.end.v);
    from = leaf.range.start.v & ~(unit_bytes() - 1);
    note(f->vm, unit_of(from), unit_of(leaf.range.end.v - 1) + 1, true, from + f->delta, f->attr);
    note_touch(f->vm, f->ipa, MODEL_READ);
}

/* Another vCPU faults in the same units just before this one's leaf stands. */
static void overtake(void *arg)
{
    struct fault *f = arg;

    assert_int_equal(install_leaf(f), S2_INSTALLED);
}

/* As a fault does: one leaf somewhere in a hole, as large as it may be; sometimes a race is lost. Units of which only a part
 * would be mapped are filled. */
static void install(struct vm *vm)
{
    struct fault f = {.vm = vm, .attr = random_attr(), .stash = S2_TSTASH_EMPTY}, other;
    bool race = !chance(3);
    unsigned first, last;

    if (!random_hole(vm, &first, &last))
        return;
    f.within = range_of(first, last);
    f.ipa = ipa_of(first + (unsigned)chance(last - first));
    f.delta = random_pa(f.within.start.v) - f.within.start.v;
    other = f;
    other.ipa = chance(2) ? f.ipa : ipa_of(first + (unsigned)chance(last - first));
    if (race)
        model_script_cas(w.m, overtake, &other);
    if (install_leaf(&f) == S2_WAS_THERE)
        assert_true(race);
    s2_tpool_give(&w.pool, &vm->t.quota, &f.stash);
    s2_tpool_give(&w.pool, &vm->t.quota, &other.stash);
    quiet();
    for (unsigned i = 0; i < 2; i++) {
        struct fault *one = i ? &other : &f;
        uint64_t unit = one->ipa & ~(unit_bytes() - 1);

        if (i && !race)
            break;
        for (one->ipa = unit; one->ipa < unit + unit_bytes(); one->ipa += s2_granule_bytes(&w.geo)) {
            struct s2_leaf leaf;

            (void)install_leaf(one);
            note_leaf(one);
            assert_true(s2_table_lookup(&vm->t, S2_IPA(one->ipa), &leaf));
            one->ipa = leaf.range.end.v - s2_granule_bytes(&w.geo);
        }
        s2_tpool_give(&w.pool, &vm->t.quota, &one->stash);
    }
    quiet();
}

/* --- promotion and tracking ------------------------------------------------------------------------------------------ */

/* Areas of so many units, aligned to that; 0: none is anywhere. */
static struct s2_ipa_range within_areas(void *arg, s2_ipa ipa)
{
    uint64_t units = *(const uint64_t *)arg, start;

    if (!units)
        return (struct s2_ipa_range){ipa, ipa};
    start = ipa.v & ~(units * unit_bytes() - 1);
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + units * unit_bytes())};
}

static void promote(struct vm *vm)
{
    uint64_t units = chance(8) ? 2ull * UNITS >> chance(8) : 0;
    struct s2_tstash none = S2_TSTASH_EMPTY;
    bool more = true;

    while (more) {
        struct s2_gather g;

        s2_gather_init(&g);
        more = s2_table_promote(&vm->t, &g, 1 + (unsigned)chance(8), within_areas, &units) && chance(8);
        end(&vm->t, &g, &none);
    }
}

struct harvest {
    struct vm *vm;
    unsigned what;
    bool all, stopped;
    uint64_t end; /* of the leaf told before */
};

static bool told(void *arg, const struct s2_leaf *leaf)
{
    struct harvest *h = arg;

    assert_true(leaf->valid);
    assert_true(leaf->range.start.v >= h->end);
    h->end = leaf->range.end.v;
    assert_true((h->what & S2_TOUCH_ACCESS && leaf->accessed) || (h->what & S2_TOUCH_WRITE && leaf->dirty));
    for (unsigned i = 0; i < TOUCHES; i++) {
        struct touched *at = &h->vm->touched[i];

        if (at->ipa < leaf->range.start.v || at->ipa >= leaf->range.end.v)
            continue;
        assert_true(leaf->dirty || !(at->how & h->what & S2_TOUCH_WRITE));
        assert_true(leaf->accessed || !(at->how & h->what & S2_TOUCH_ACCESS));
        at->how &= ~h->what;
    }
    h->stopped = !h->all && !chance(16);
    return !h->stopped;
}

static void harvest(struct vm *vm)
{
    struct harvest h = {.vm = vm, .what = 1 + (unsigned)chance(3), .all = chance(2)};
    struct s2_tstash none = S2_TSTASH_EMPTY;
    struct s2_gather g;
    unsigned first, last;

    if (w.have.tracking == NOTHING)
        return;
    random_range(&first, &last);
    s2_gather_init(&g);
    s2_table_harvest(&vm->t, &g, range_of(first, last), h.what, told, &h);
    end(&vm->t, &g, &none);
    for (unsigned i = 0; i < TOUCHES && !h.stopped; i++)
        if (vm->touched[i].how && unit_of(vm->touched[i].ipa) >= first && unit_of(vm->touched[i].ipa) < last)
            assert_int_equal(vm->touched[i].how & h.what, 0); /* it was told of */
}

#endif
