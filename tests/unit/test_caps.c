/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Capabilities and attributes: ID registers of known CPUs, reserved values, minimum, masks, what is refused. */
#include "unit.h"

#include <string.h>

#include <stage2/attr.h>
#include <stage2/caps.h>

#define FIELD(value, low) ((uint64_t)(value) << (low))

/* ID_AA64MMFR0_EL1 */
#define PARANGE(v)   FIELD(v, 0)
#define TGRAN16(v)   FIELD(v, 20)
#define TGRAN64(v)   FIELD(v, 24)
#define TGRAN4(v)    FIELD(v, 28)
#define TGRAN16_2(v) FIELD(v, 32)
#define TGRAN64_2(v) FIELD(v, 36)
#define TGRAN4_2(v)  FIELD(v, 40)
#define ABSENT       15
/* ID_AA64MMFR1_EL1 */
#define HAFDBS(v)   FIELD(v, 0)
#define VMIDBITS(v) FIELD(v, 4)
#define XNX(v)      FIELD(v, 28)
/* ID_AA64MMFR2_EL1 */
#define CNP(v) FIELD(v, 0)
#define ST(v)  FIELD(v, 28)
#define FWB(v) FIELD(v, 40)
#define TTL(v) FIELD(v, 48)
#define BBM(v) FIELD(v, 52)
/* ID_AA64ISAR0_EL1 */
#define TLB(v) FIELD(v, 56)
/* CTR_EL0: 64-byte lines, IDC and DIC */
#define CTR_LINES_64 (FIELD(4, 0) | FIELD(4, 16))
#define CTR_IDC      FIELD(1, 28)
#define CTR_DIC      FIELD(1, 29)

/* As measured (hardware notes). */
static const struct cpu {
    const char *name;
    struct s2_idregs regs;
    struct s2_caps caps;
} cpus[] = {
    {"cortex-a53",
     {.mmfr0 = PARANGE(2), .ctr = CTR_LINES_64},
     {.pa_bits = 40, .vmid_bits = 8, .gran4k = true, .gran64k = true, .dline_log2 = 6, .iline_log2 = 6}},
    {"cortex-a57",
     {.mmfr0 = PARANGE(4), .ctr = CTR_LINES_64},
     {.pa_bits = 44, .vmid_bits = 8, .gran4k = true, .gran64k = true, .dline_log2 = 6, .iline_log2 = 6}},
    {"cortex-a72",
     {.mmfr0 = PARANGE(4), .ctr = CTR_LINES_64},
     {.pa_bits = 44, .vmid_bits = 8, .gran4k = true, .gran64k = true, .dline_log2 = 6, .iline_log2 = 6}},
    {"cortex-a76",
     {.mmfr0 = PARANGE(2) | TGRAN16(1),
      .mmfr1 = HAFDBS(2) | VMIDBITS(2) | XNX(1),
      .mmfr2 = CNP(1),
      .ctr = CTR_LINES_64},
     {.pa_bits = 40,
      .vmid_bits = 16,
      .gran4k = true,
      .gran16k = true,
      .gran64k = true,
      .xnx = true,
      .haf = true,
      .hdbs = true,
      .cnp = true,
      .dline_log2 = 6,
      .iline_log2 = 6}},
    {"max",
     {.mmfr0 = PARANGE(6) | TGRAN16(2) | TGRAN4(1) | TGRAN16_2(3) | TGRAN64_2(2) | TGRAN4_2(3),
      .mmfr1 = HAFDBS(2) | VMIDBITS(2) | XNX(1),
      .mmfr2 = CNP(1) | ST(1) | FWB(1) | TTL(1) | BBM(2),
      .isar0 = TLB(2),
      .ctr = CTR_LINES_64 | CTR_IDC | CTR_DIC},
     {.pa_bits = 52,
      .vmid_bits = 16,
      .bbm = 2,
      .gran4k = true,
      .gran16k = true,
      .gran64k = true,
      .lpa2_4k = true,
      .lpa2_16k = true,
      .tlbirange = true,
      .ttl = true,
      .fwb = true,
      .xnx = true,
      .haf = true,
      .hdbs = true,
      .cnp = true,
      .small_va = true,
      .idc = true,
      .dic = true,
      .dline_log2 = 6,
      .iline_log2 = 6}},
};
enum { CPUS = sizeof cpus / sizeof cpus[0], MAX = CPUS - 1 };

static struct s2_caps decoded(struct s2_idregs regs)
{
    struct s2_caps c;

    memset(&c, 0xa5, sizeof c);
    s2_caps_decode(&regs, &c);
    return c;
}

static void known_cpus(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        struct s2_caps c = decoded(cpus[i].regs);

        print_message("# %s\n", cpus[i].name);
        assert_memory_equal(&c, &cpus[i].caps, sizeof c);
    }
}

static void every_parange(void **state)
{
    static const unsigned bits[16] = {32, 36, 40, 42, 44, 48, 52, 52, 32, 32, 32, 32, 32, 32, 32, 32};

    (void)state;
    for (unsigned v = 0; v < 16; v++)
        assert_int_equal(decoded((struct s2_idregs){.mmfr0 = PARANGE(v)}).pa_bits, bits[v]);
}

/* {stage 1, stage 2} -> usable, with 52 bits. */
struct granule_row {
    unsigned s1, s2;
    bool usable, wide;
};

static void granules(void **state)
{
    static const struct granule_row g4k[] = {
        {0, 0, true, false},      {1, 0, true, true},      {ABSENT, 0, false, false}, {2, 0, false, false},
        {ABSENT, 2, true, false}, {ABSENT, 3, true, true}, {0, 1, false, false},      {1, 1, false, false},
        {1, 2, true, false},      {0, 4, false, false},
    };
    static const struct granule_row g16k[] = {
        {0, 0, false, false}, {1, 0, true, false}, {2, 0, true, true},   {3, 0, false, false},
        {0, 2, true, false},  {0, 3, true, true},  {2, 1, false, false}, {2, 2, true, false},
    };
    static const struct granule_row g64k[] = {
        {0, 0, true, false},  {ABSENT, 0, false, false}, {1, 0, false, false},
        {0, 1, false, false}, {ABSENT, 2, true, false},  {0, 3, false, false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof g4k / sizeof g4k[0]; i++) {
        struct s2_caps c = decoded((struct s2_idregs){.mmfr0 = TGRAN4(g4k[i].s1) | TGRAN4_2(g4k[i].s2)});

        assert_int_equal(c.gran4k, g4k[i].usable);
        assert_int_equal(c.lpa2_4k, g4k[i].wide);
    }
    for (unsigned i = 0; i < sizeof g16k / sizeof g16k[0]; i++) {
        struct s2_caps c = decoded((struct s2_idregs){.mmfr0 = TGRAN16(g16k[i].s1) | TGRAN16_2(g16k[i].s2)});

        assert_int_equal(c.gran16k, g16k[i].usable);
        assert_int_equal(c.lpa2_16k, g16k[i].wide);
    }
    for (unsigned i = 0; i < sizeof g64k / sizeof g64k[0]; i++) {
        struct s2_caps c = decoded((struct s2_idregs){.mmfr0 = TGRAN64(g64k[i].s1) | TGRAN64_2(g64k[i].s2)});

        assert_int_equal(c.gran64k, g64k[i].usable);
    }
}

static void reserved_values_are_absence(void **state)
{
    struct s2_caps c = decoded((struct s2_idregs){
        .mmfr1 = HAFDBS(5) | VMIDBITS(3) | XNX(2),
        .mmfr2 = CNP(2) | ST(2) | FWB(2) | TTL(2) | BBM(3),
        .isar0 = TLB(3),
    });

    (void)state;
    assert_false(c.haf || c.hdbs || c.xnx || c.cnp || c.small_va || c.fwb || c.ttl || c.tlbirange);
    assert_int_equal(c.vmid_bits, 8);
    assert_int_equal(c.bbm, 0);
    c = decoded((struct s2_idregs){.mmfr1 = HAFDBS(1) | VMIDBITS(1), .mmfr2 = BBM(1), .isar0 = TLB(1)});
    assert_true(c.haf);
    assert_false(c.hdbs || c.tlbirange);
    assert_int_equal(c.bbm, 1);
    assert_int_equal(c.vmid_bits, 8);
    c = decoded((struct s2_idregs){.mmfr1 = HAFDBS(4)}); /* FEAT_HAFT, FEAT_HDBSS: both include the dirty state */
    assert_true(c.haf && c.hdbs);
}

static void meet_is_the_minimum(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        for (unsigned j = 0; j < CPUS; j++) {
            struct s2_caps a = cpus[i].caps, b = cpus[j].caps;
            const char *what = NULL;
            bool lowers;

            s2_caps_meet(&a, &cpus[j].caps);
            s2_caps_meet(&b, &cpus[i].caps);
            assert_memory_equal(&a, &b, sizeof a);
            lowers = s2_caps_lowers(&cpus[i].caps, &cpus[j].caps, &what);
            assert_int_equal(lowers, memcmp(&a, &cpus[i].caps, sizeof a) != 0);
            assert_int_equal(lowers, what != NULL);
        }
}

/* An erratum of one CPU is one of all, whoever came first; a CPU that brings it late is refused. */
static void errata_meet_as_any(void **state)
{
    static const struct {
        const char *name;
        struct s2_caps with;
    } errata[] = {{"repeat_tlbi", {.repeat_tlbi = true}}, {"short_ranges", {.short_ranges = true}}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct s2_caps fine = {.repeat_tlbi = false}, with = errata[i].with, sum = fine;
        const char *what = NULL;

        s2_caps_meet(&sum, &with);
        assert_memory_equal(&sum, &with, sizeof sum);
        s2_caps_meet(&sum, &fine);
        assert_memory_equal(&sum, &with, sizeof sum);
        assert_false(s2_caps_lowers(&with, &fine, &what));
        assert_true(s2_caps_lowers(&fine, &with, &what));
        assert_string_equal(what, errata[i].name);
        /* No mask takes it away. */
        assert_int_equal(s2_caps_mask(&sum, errata[i].name), 0);
        assert_int_equal(s2_caps_mask(&sum, "tlbirange,ttl,bbm,fwb,xnx,hafdbs,cnp,lpa2"), -1);
        assert_memory_equal(&sum, &with, sizeof sum);
    }
}

/* Each member alone: it alone is lowered, and named. */
static void lowering_is_named(void **state)
{
#define MEMBER(name)                                                                                                   \
    {                                                                                                                  \
#name, offsetof(struct s2_caps, name)                                                                          \
    }
    static const struct {
        const char *name;
        size_t offset;
    } members[] = {
        MEMBER(pa_bits),     MEMBER(vmid_bits),    MEMBER(bbm),      MEMBER(gran4k),    MEMBER(gran16k),
        MEMBER(gran64k),     MEMBER(lpa2_4k),      MEMBER(lpa2_16k), MEMBER(tlbirange), MEMBER(ttl),
        MEMBER(fwb),         MEMBER(xnx),          MEMBER(haf),      MEMBER(hdbs),      MEMBER(cnp),
        MEMBER(repeat_tlbi), MEMBER(short_ranges), MEMBER(small_va), MEMBER(idc),       MEMBER(dic),
        MEMBER(dline_log2),  MEMBER(iline_log2),
    };
#undef MEMBER
    const struct s2_caps have = cpus[MAX].caps;
    const char *what = "nothing";

    (void)state;
    assert_int_equal(sizeof members / sizeof members[0], sizeof have);
    assert_false(s2_caps_lowers(&have, &have, &what));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        bool erratum = members[i].offset == offsetof(struct s2_caps, repeat_tlbi) ||
                       members[i].offset == offsetof(struct s2_caps, short_ranges);
        struct s2_caps more = have, less = have;

        ((uint8_t *)&more)[members[i].offset] = 1;
        ((uint8_t *)&less)[members[i].offset] = 0;
        assert_true(s2_caps_lowers(erratum ? &less : &more, erratum ? &more : &less, &what));
        assert_string_equal(what, members[i].name);
    }
}

static void masks(void **state)
{
    struct s2_caps c = cpus[MAX].caps;

    (void)state;
    assert_int_equal(s2_caps_mask(&c, ""), -1);
    assert_memory_equal(&c, &cpus[MAX].caps, sizeof c);
    assert_int_equal(s2_caps_mask(&c, "ttl,bbm"), -1);
    assert_false(c.ttl);
    assert_int_equal(c.bbm, 0);
    assert_true(c.tlbirange && c.fwb && c.xnx && c.haf && c.hdbs && c.cnp && c.lpa2_4k);
    assert_int_equal(s2_caps_mask(&c, "tlbirange,fwb,xnx,hafdbs,vmid16,cnp,lpa2"), -1);
    assert_false(c.tlbirange || c.fwb || c.xnx || c.haf || c.hdbs || c.cnp || c.lpa2_4k || c.lpa2_16k);
    assert_int_equal(c.vmid_bits, 8);
    assert_true(c.gran4k && c.gran16k && c.gran64k);
    assert_int_equal(c.pa_bits, 52);
    assert_int_equal(s2_caps_mask(&c, "ttl,tt"), 4);
    assert_int_equal(s2_caps_mask(&c, "ttlx"), 0);
    assert_int_equal(s2_caps_mask(&c, "ttl,,bbm"), 4);
    assert_int_equal(s2_caps_mask(&c, "ttl,"), 4);
    assert_int_equal(s2_caps_mask(&c, ","), 0);
    assert_int_equal(s2_caps_mask(&c, "pa_bits"), 0);
}

/* --- attributes ---------------------------------------------------------------------------------------------------- */

static struct s2_caps most(void)
{
    struct s2_caps c = cpus[MAX].caps;

    c.fwb = false;
    return c;
}

static void attributes_refused(void **state)
{
    struct s2_caps c = most(), plain = cpus[0].caps, fwb = cpus[MAX].caps;
    static const uint32_t never[] = {
        S2_W,                          /* write-only */
        S2_X | S2_UX,                  /* execute-only */
        S2_R | (1u << 5),              /* unknown bits */
        S2_R | (1u << 20),             /* the same, above */
        S2_R | (7u << S2_MT_SHIFT),    /* no such memory type */
        S2_R | S2_SH_MASK,             /* no such shareability */
        S2_RX | S2_MT_DEV_nGnRE,       /* executable Device */
        S2_R | S2_X | S2_MT_DEV_GRE,   /* the same */
        S2_R | S2_UX | S2_MT_DEV_nGRE, /* the same */
    };
    struct s2_detail d;

    (void)state;
    for (unsigned i = 0; i < sizeof never / sizeof never[0]; i++) {
        d = (struct s2_detail){.err = S2_OK};
        assert_int_equal(s2_attr_check(S2_ATTR(never[i]), &c, false, &d), S2_EATTR);
        assert_int_equal(d.err, S2_EATTR);
        assert_non_null(d.what);
        assert_int_equal(s2_attr_check(S2_ATTR(never[i]), &c, false, NULL), S2_EATTR);
    }
    assert_int_equal(s2_attr_check(S2_ATTR(S2_R | S2_X), &plain, false, &d), S2_EATTR);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_R | S2_UX), &plain, false, &d), S2_EATTR);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_R | S2_X | S2_STRICTER_OK), &plain, false, &d), S2_OK);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_R | S2_X), &c, false, &d), S2_OK);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_RW | S2_MT_NORMAL_WT), &c, false, &d), S2_OK);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_RW | S2_MT_NORMAL_WT), &fwb, false, &d), S2_EATTR);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_RW | S2_SH_OUTER), &c, false, &d), S2_OK);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_RW | S2_SH_OUTER), &c, true, &d), S2_EATTR);
    assert_int_equal(s2_attr_check(S2_ATTR(S2_RW), &c, true, &d), S2_OK);
    assert_int_equal(s2_attr_check(S2_ATTR(0), &plain, false, &d), S2_OK); /* no access is legal */
}

static void attributes_as_reported(void **state)
{
    struct s2_caps c = most(), plain = cpus[0].caps;

    (void)state;
    assert_int_equal(s2_attr_effective(S2_ATTR(S2_RWX | S2_STRICTER_OK), &plain).bits, S2_RWX);
    assert_int_equal(s2_attr_effective(S2_ATTR(S2_RW | S2_X | S2_STRICTER_OK), &plain).bits, S2_RW);
    assert_int_equal(s2_attr_effective(S2_ATTR(S2_RW | S2_UX | S2_STRICTER_OK), &plain).bits, S2_RW);
    assert_int_equal(s2_attr_effective(S2_ATTR(S2_RW | S2_X | S2_STRICTER_OK), &c).bits, S2_RW | S2_X);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cpus),
        cmocka_unit_test(every_parange),
        cmocka_unit_test(granules),
        cmocka_unit_test(reserved_values_are_absence),
        cmocka_unit_test(meet_is_the_minimum),
        cmocka_unit_test(errata_meet_as_any),
        cmocka_unit_test(lowering_is_named),
        cmocka_unit_test(masks),
        cmocka_unit_test(attributes_refused),
        cmocka_unit_test(attributes_as_reported),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
