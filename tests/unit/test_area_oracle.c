/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random operations on an area set and on a flat array that holds a record per granule: after every step both say the
 * same about every granule, areas are the longest runs that the array has, and the byte page table agrees. */
#include "area_bytes.h"

#define GRANULE 16u
#define LO      0x2000u
#define CELLS   768u
#define HI      (LO + CELLS * GRANULE)

struct cell {
    const struct s2_backend *backend; /* null: hole */
    uint64_t backing;
    uint32_t attr;
    uint16_t name, flags;
};

struct oracle {
    struct bytes *b;
    struct cell cell[CELLS];
    uint64_t seed;
    uint64_t first, last; /* of the protect that is under way */
    uint8_t asked[CELLS]; /* how often the update function was asked about the granule's area */
    uint64_t most;        /* areas at once */
};

static uint64_t below(struct oracle *o, uint64_t n)
{
    o->seed ^= o->seed << 13;
    o->seed ^= o->seed >> 7;
    o->seed ^= o->seed << 17;
    return o->seed % n;
}

static uint64_t address(uint64_t cell)
{
    return LO + cell * GRANULE;
}

static bool one_run(const struct cell *low, const struct cell *high)
{
    uint64_t goes_on = low->backend == &bytes_linear ? low->backing + GRANULE : low->backing;

    return low->backend == high->backend && low->attr == high->attr && low->name == high->name &&
           low->flags == high->flags && goes_on == high->backing;
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

static void compare(struct oracle *o)
{
    uint64_t areas = 0;
    struct s2_area area;

    for (uint64_t i = 0; i < CELLS;) {
        const struct cell *c = &o->cell[i];
        uint64_t end = i + 1;

        if (!c->backend) {
            assert_false(s2_area_set_find(&o->b->set, S2_IPA(address(i)), NULL));
            i++;
            continue;
        }
        while (end < CELLS && o->cell[end].backend && one_run(&o->cell[end - 1], &o->cell[end]))
            end++;
        assert_true(s2_area_set_find(&o->b->set, S2_IPA(address(i) + GRANULE / 2), &area));
        assert_int_equal(area.range.start.v, address(i));
        assert_int_equal(area.range.end.v, address(end));
        assert_ptr_equal(area.backend, c->backend);
        assert_int_equal(area.backing, c->backing);
        assert_int_equal(area.attr.bits, c->attr);
        assert_int_equal(area.name, c->name);
        assert_int_equal(area.flags, c->flags);
        areas++;
        i = end;
    }
    assert_int_equal(s2_area_set_count(&o->b->set), areas);
    o->most = areas > o->most ? areas : o->most;
}

static void compare_free(struct oracle *o)
{
    uint64_t size = 1 + below(o, 24), align = 1ull << below(o, 4), first = below(o, CELLS), last = below(o, CELLS);
    s2_ipa low = S2_IPA(0), high = S2_IPA(0);
    enum s2_err err_low, err_high;
    uint64_t want_low = 0, want_high = 0;
    unsigned run = 0;

    if (last <= first)
        return;
    err_low = s2_area_set_find_free(&o->b->set, S2_IPA(address(first)), size * GRANULE, span(0, address(last)),
                                    align * GRANULE, S2_FIT_LOWEST, &low);
    err_high = s2_area_set_find_free(&o->b->set, S2_IPA(address(last)), size * GRANULE, span(address(first), HI),
                                     align * GRANULE, S2_FIT_HIGHEST, &high);
    for (uint64_t i = first; i < last; i++) {
        run = o->cell[i].backend ? 0 : run + 1;
        if (run < size || address(i + 1 - size) % (align * GRANULE) != 0)
            continue;
        want_high = address(i + 1 - size);
        want_low = want_low ? want_low : want_high;
    }
    assert_int_equal(err_low, want_low ? S2_OK : S2_ENOENT);
    assert_int_equal(low.v, want_low);
    assert_int_equal(err_high, want_high ? S2_OK : S2_ENOENT);
    assert_int_equal(high.v, want_high);
}

/* --- operations --------------------------------------------------------------------------------------------------- */

/* Short ranges mostly: they make many areas. */
static void pick(struct oracle *o, uint64_t *first, uint64_t *last)
{
    uint64_t most = below(o, 20) ? 8 : 200;

    *first = below(o, CELLS);
    *last = *first + 1 + below(o, most);
    if (*last > CELLS)
        *last = CELLS;
}

static void do_map(struct oracle *o)
{
    enum s2_map_mode mode = below(o, 3) ? S2_MAP_REPLACE : S2_MAP_NEW;
    bool linear = below(o, 2);
    struct s2_area area = {
        .attr = S2_ATTR(1 + below(o, 3)), .name = (uint16_t)(below(o, 8) == 0), .flags = (uint16_t)(below(o, 8) == 0)};
    uint64_t first, last, met = 0;
    enum s2_err err;

    pick(o, &first, &last);
    area.range = span(address(first), address(last));
    area.backend = linear ? &bytes_linear : &bytes_backend;
    area.backing = linear ? address(first) + GRANULE * (below(o, 6) == 0) : below(o, 6) == 0;
    for (uint64_t i = first; i < last; i++)
        met += o->cell[i].backend != NULL;
    err = bytes_map_area(o->b, &area, mode);
    assert_int_equal(err, met && mode == S2_MAP_NEW ? S2_EEXIST : S2_OK);
    for (uint64_t i = first; !err && i < last; i++)
        o->cell[i] = (struct cell){area.backend, linear ? area.backing + (i - first) * GRANULE : area.backing,
                                   area.attr.bits, area.name, area.flags};
}

static void do_unmap(struct oracle *o)
{
    uint64_t first, last;

    pick(o, &first, &last);
    assert_int_equal(bytes_unmap(o->b, address(first), address(last) - address(first)), S2_OK);
    memset(&o->cell[first], 0, (last - first) * sizeof(o->cell[0]));
}

/* Pure: turns 1 to 2, 2 to 1, leaves 3 but says that it changed it, and never touches names of 1. */
static bool swap(const struct s2_area *area, uint32_t *attr)
{
    if (area->name)
        return false;
    *attr = *attr == 3 ? 3 : 3 - *attr;
    return true;
}

static bool swap_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    struct oracle *o = arg;

    assert_true(area->range.start.v < address(o->last) && area->range.end.v > address(o->first));
    for (uint64_t i = (area->range.start.v - LO) / GRANULE; i < (area->range.end.v - LO) / GRANULE; i++)
        o->asked[i]++;
    return swap(area, &attr->bits);
}

static void do_protect(struct oracle *o)
{
    struct s2_area area = {.name = 0};
    uint64_t first, last;

    pick(o, &first, &last);
    o->first = first;
    o->last = last;
    memset(o->asked, 0, sizeof(o->asked));
    assert_int_equal(bytes_protect(o->b, address(first), address(last) - address(first), swap_attr, o), S2_OK);
    for (uint64_t i = first; i < last; i++) {
        assert_int_equal(o->asked[i] > 0, o->cell[i].backend != NULL);
        assert_true(o->asked[i] <= 2);
        area.name = o->cell[i].name;
        if (o->cell[i].backend)
            (void)swap(&area, &o->cell[i].attr);
    }
}

static void step(struct oracle *o, unsigned i)
{
    uint64_t dice = below(o, 100);

    if (dice < 45)
        do_map(o);
    else if (dice < 75)
        do_unmap(o);
    else
        do_protect(o);
    compare(o);
    compare_free(o);
    if (i % 64 == 0)
        bytes_check_table(o->b);
}

static void run(uint64_t seed, unsigned steps)
{
    struct oracle *o = calloc(1, sizeof(*o));

    o->b = bytes_new(LO, HI, GRANULE);
    o->seed = seed;
    for (unsigned i = 0; i < steps; i++) {
        step(o, i);
        if (i % 1000 == 999) {
            assert_int_equal(bytes_clear(o->b), S2_OK);
            memset(o->cell, 0, sizeof(o->cell));
        }
    }
    assert_true(o->most > 16 || steps < 1000); /* else it was not about more than the root leaf */
    bytes_free(o->b);
    free(o);
}

static void test_random_operations(void **state)
{
    (void)state;
    run(1, 20000);
    run(0xdecade, 20000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_operations)};

    if (argc == 3) { /* test_area_oracle SEED STEPS: one longer run by hand */
        run(strtoull(argv[1], NULL, 0), (unsigned)strtoul(argv[2], NULL, 0));
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
