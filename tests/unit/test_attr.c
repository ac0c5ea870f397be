/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every attribute value on every kind of CPU (rules 14 to 16), against a description of permissions, memory types and
 * shareability as rows: what is refused, for a reason that is true, and what is left of the rest. */
#include "unit.h"

#include <string.h>

#include <stage2/attr.h>

/* Where a value is refused. */
enum {
    NEVER = 0,
    ALWAYS = 1 << 0,
    WITHOUT_XNX = 1 << 1,
    IF_EXECUTABLE = 1 << 2,
    WITH_FWB = 1 << 3,
    WITH_DS = 1 << 4,
};

enum reason { UNKNOWN, UNREADABLE, LEVELS, DEVICE, WRITE_THROUGH, SHAREABILITY, REASONS };
static const char *const phrases[REASONS] = {
    "has unknown attribute bits",
    "is writable or executable without being readable",
    "is executable at one exception level only, which needs FEAT_XNX",
    "is executable Device memory",
    "is write-through, which FEAT_S2FWB cannot express",
    "has its own shareability, which 52-bit descriptors cannot express",
};

/* Bits 0 to 3: R, W, X, UX. `stricter`: what is left where XNX is absent. */
static const struct {
    unsigned refused, why, stricter;
} permissions[16] = {
    {NEVER, 0, 0},           {NEVER, 0, S2_R},
    {ALWAYS, UNREADABLE, 0}, {NEVER, 0, S2_R | S2_W},
    {ALWAYS, UNREADABLE, 0}, {WITHOUT_XNX, LEVELS, S2_R},
    {ALWAYS, UNREADABLE, 0}, {WITHOUT_XNX, LEVELS, S2_R | S2_W},
    {ALWAYS, UNREADABLE, 0}, {WITHOUT_XNX, LEVELS, S2_R},
    {ALWAYS, UNREADABLE, 0}, {WITHOUT_XNX, LEVELS, S2_R | S2_W},
    {ALWAYS, UNREADABLE, 0}, {NEVER, 0, S2_R | S2_X | S2_UX},
    {ALWAYS, UNREADABLE, 0}, {NEVER, 0, S2_R | S2_W | S2_X | S2_UX},
};

static const struct {
    unsigned refused, why;
} types[8] =
    {
        {NEVER, 0},                /* Normal, write-back */
        {WITH_FWB, WRITE_THROUGH}, /* write-through */
        {NEVER, 0},                /* non-cacheable */
        {IF_EXECUTABLE, DEVICE},   /* nGnRnE */
        {IF_EXECUTABLE, DEVICE},   /* nGnRE */
        {IF_EXECUTABLE, DEVICE},   /* nGRE */
        {IF_EXECUTABLE, DEVICE},   /* GRE */
        {ALWAYS, UNKNOWN},
},
  shareabilities[4] = {
      {NEVER, 0},              /* inner */
      {WITH_DS, SHAREABILITY}, /* outer */
      {WITH_DS, SHAREABILITY}, /* none */
      {ALWAYS, UNKNOWN},
};

struct cpu {
    struct s2_caps caps;
    bool ds;
};

/* The reasons that hold, as a set: bit r for reason r. */
static unsigned reasons(uint32_t bits, const struct cpu *cpu)
{
    unsigned p = bits & 15, type = bits >> 8 & 7, sh = bits >> 11 & 3, set = 0;
    unsigned now = ALWAYS | (cpu->caps.fwb ? WITH_FWB : 0u) | (cpu->ds ? WITH_DS : 0u) |
                   (!cpu->caps.xnx && !(bits & 16) ? WITHOUT_XNX : 0u) | (p & 12 ? IF_EXECUTABLE : 0u);

    if (bits & ~UINT32_C(0xf1f1f))
        set |= 1u << UNKNOWN;
    if (permissions[p].refused & now)
        set |= 1u << permissions[p].why;
    if (types[type].refused & now)
        set |= 1u << types[type].why;
    if (shareabilities[sh].refused & now)
        set |= 1u << shareabilities[sh].why;
    return set;
}

static unsigned reason_of(const char *what)
{
    for (unsigned r = 0; r < REASONS; r++)
        if (strcmp(what, phrases[r]) == 0)
            return r;
    fail_msg("\"%s\" is no reason", what);
    return REASONS;
}

static void check_effective(uint32_t bits, const struct cpu *cpu)
{
    s2_attr left = s2_attr_effective(S2_ATTR(bits), &cpu->caps);
    uint32_t p = cpu->caps.xnx ? bits & 15 : permissions[bits & 15].stricter;

    assert_int_equal(left.bits, p | (bits & UINT32_C(0xf1f00)));
    /* What is told of a mapping can be asked for again, and is the same then. */
    assert_int_equal(s2_attr_check(left, &cpu->caps, cpu->ds, NULL), S2_OK);
    assert_true(s2_attr_eq(s2_attr_effective(left, &cpu->caps), left));
}

static void check_value(uint32_t bits, const struct cpu *cpu)
{
    unsigned set = reasons(bits, cpu);
    struct s2_detail d = {.err = S2_OK};
    enum s2_err err = s2_attr_check(S2_ATTR(bits), &cpu->caps, cpu->ds, &d);

    assert_int_equal(err, set ? S2_EATTR : S2_OK);
    assert_int_equal(s2_attr_check(S2_ATTR(bits), &cpu->caps, cpu->ds, NULL), err);
    assert_int_equal(d.err, err);
    if (set)
        assert_true(set >> reason_of(d.what) & 1);
    else
        check_effective(bits, cpu);
}

static struct cpu cpu_of(unsigned n)
{
    return (struct cpu){.caps = {.fwb = n & 1, .xnx = n & 2}, .ds = n & 4};
}

/* Permissions, STRICTER_OK, types, shareability and software bits, all at once. */
static void every_value_on_every_cpu(void **state)
{
    unsigned fine = 0;

    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        struct cpu cpu = cpu_of(n);

        for (uint32_t v = 0; v < 1u << 14; v++) {
            uint32_t bits = (v & 31) | (v >> 5 & 31) << 8 | v >> 10 << 16;

            check_value(bits, &cpu);
            fine += !reasons(bits, &cpu);
        }
    }
    /* 16 software values; with XNX 9 permissions, twice (STRICTER_OK), without 9 and 5; 3 of them, twice, do not execute.
     * Normal memory takes all of them, three types of it without FWB, two with; the four Devices those 6. Without DS three
     * shareabilities, with it one. */
    assert_int_equal(fine,
                     16 * ((3 * 18 + 4 * 6) * 3 + (2 * 18 + 4 * 6) * 3 + (3 * 14 + 4 * 6) * 3 + (2 * 14 + 4 * 6) * 3 +
                           (3 * 18 + 4 * 6) + (2 * 18 + 4 * 6) + (3 * 14 + 4 * 6) + (2 * 14 + 4 * 6)));
}

/* One bit that means nothing spoils any value, and is the reason given. */
static void unknown_bits(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        struct cpu cpu = cpu_of(n);

        for (unsigned bit = 0; bit < 32; bit++)
            for (uint32_t v = 0; v < 1u << 10 && !(UINT32_C(0xf1f1f) >> bit & 1); v++) {
                uint32_t bits = (v & 31) | (v >> 5) << 8 | UINT32_C(1) << bit;
                struct s2_detail d;

                check_value(bits, &cpu);
                assert_int_equal(s2_attr_check(S2_ATTR(bits), &cpu.caps, cpu.ds, &d), S2_EATTR);
                assert_string_equal(d.what, phrases[UNKNOWN]);
            }
    }
}

/* The names and the bits that the rows above are written in. */
static void names(void **state)
{
    (void)state;
    assert_int_equal(S2_PERM_MASK, 15);
    assert_int_equal(S2_STRICTER_OK, 16);
    assert_int_equal(S2_MT_MASK, 7 << 8);
    assert_int_equal(S2_SH_MASK, 3 << 11);
    assert_int_equal(S2_SW_MASK, 15 << 16);
    assert_int_equal(S2_ATTR_MASK, 0xf1f1f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(every_value_on_every_cpu),
        cmocka_unit_test(unknown_bits),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
