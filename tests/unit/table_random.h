/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random edits: two tables of one geometry on a strict machine of several CPUs, beside flat arrays of what each unit of their
 * address space should be. A unit is a page or many, so that blocks of the levels above come and go, too. */
#ifndef TABLE_RANDOM_H
#define TABLE_RANDOM_H

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include <model.h>

#include "table/table.h"

#define RAM       0x40000000ull
#define RAM_BYTES (64ull << 20)
#define CPUS      3u
#define TABLES    2u
#define UNITS     8192u
#define TOUCHES   64u

enum place {
    BOTTOM,
    SEAM,
    TOP
}; /* of the IPA space; SEAM: around the middle, between two roots if there are several */
enum tracking { NOTHING, BY_CPU, BY_FAULTS, TRACKINGS };

/* Which optional features the CPUs have. */
struct features {
    bool tlbirange, ttl, fwb, xnx, cnp, vmid16, repeat, short_ranges;
    uint8_t bbm;
    enum tracking tracking;
};

struct setting {
    const char *name;
    enum s2_granule granule;
    uint8_t ipa_bits;
    uint8_t most_roots, pa_bits; /* 0: as many as there may be */
    bool wide;                   /* DS though the IPA size does not ask for it */
    unsigned unit_log2;
    enum place place;
    uint8_t longest_log2; /* most units at a time, below: 2: a few, mostly alone in their table */
    unsigned steps;
    int8_t start_level; /* what comes of it, and how many roots */
    uint16_t roots;
};

/* What one unit should be. */
struct unit {
    bool valid;
    uint64_t pa;
    uint32_t attr;
};
/* An address that was accessed since the harvest before, and how. */
struct touched {
    uint64_t ipa;
    unsigned how; /* enum s2_touch; 0: none */
};

struct vm {
    struct s2_table t;
    uint64_t vttbr; /* as loaded last; 0: never */
    struct unit unit[UNITS];
    struct touched touched[TOUCHES];
};

struct world {
    const struct setting *set;
    struct features have;
    struct s2_port *m;
    struct s2_caps caps;
    struct s2_geometry geo;
    struct s2_tpool pool;
    struct s2_tpage *meta;
    struct s2_vmids vmids;
    struct vm vm[TABLES];
    int on[CPUS]; /* which table a CPU has loaded; -1: none */
    unsigned units;
    uint64_t base, span; /* of the first unit; a power of two that is not less than all units */
    uint64_t seed;
};

static struct world w;

/* --- chance -------------------------------------------------------------------------------------------------------- */

static inline uint64_t splitmix(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}
static inline uint64_t chance(uint64_t below)
{
    return splitmix(&w.seed) % below;
}

/* Nearly always one of a few, so that neighbours are often alike. */
static inline s2_attr random_attr(void)
{
    static const uint32_t common[] = {S2_RWX, S2_RWX, S2_RW, S2_R}, perm[] = {S2_RWX, S2_RX, S2_RW, S2_R, 0};
    uint32_t attr;

    if (chance(4))
        return S2_ATTR(common[chance(4)]);
    attr = perm[chance(5)] | (uint32_t)chance(7) << S2_MT_SHIFT | (uint32_t)chance(3) << 11;
    attr |= (uint32_t)chance(4) << S2_SW_SHIFT;
    if ((attr & S2_MT_MASK) >= S2_MT_DEV_nGnRnE)
        attr &= ~(uint32_t)(S2_X | S2_UX);
    if (w.caps.fwb && (attr & S2_MT_MASK) == S2_MT_NORMAL_WT)
        attr &= ~(uint32_t)S2_MT_MASK;
    if (w.geo.ds)
        attr &= ~(uint32_t)S2_SH_MASK;
    if (attr & S2_X && chance(2))
        attr ^= S2_UX | (w.caps.xnx ? 0 : S2_STRICTER_OK);
    return S2_ATTR(attr);
}

/* Mostly short, sometimes long. */
static inline void random_range(unsigned *first, unsigned *end)
{
    unsigned length = 1 + (unsigned)chance(1ull << chance(w.set->longest_log2));

    *first = (unsigned)chance(w.units);
    if (w.set->longest_log2 > 2 && !chance(4))
        *first &= ~31u; /* as many runs and blocks would begin */
    *end = *first + length > w.units ? w.units : *first + length;
}

static inline uint64_t unit_bytes(void)
{
    return 1ull << w.set->unit_log2;
}
static inline uint64_t ipa_of(unsigned unit)
{
    return w.base + unit * unit_bytes();
}
static inline unsigned unit_of(uint64_t ipa)
{
    return (unsigned)((ipa - w.base) >> w.set->unit_log2);
}
static inline struct s2_ipa_range range_of(unsigned first, unsigned end)
{
    return (struct s2_ipa_range){S2_IPA(ipa_of(first)), S2_IPA(ipa_of(end))};
}

/* An output for IPA, mostly congruent to it as far as any block needs. The upper bits are any that descriptors can hold, or
 * such that a range that goes on to the next multiple of w.span changes those which stand apart in them (OA[51:50], OA[51:48]). */
static inline uint64_t random_pa(uint64_t ipa)
{
    unsigned apart = w.set->granule == S2_64K ? 48 : 50;
    uint64_t most = 1ull << w.geo.pa_bits, above = 1ull << (w.geo.pa_bits - 1), pa;

    above |= (chance(most) & ~(2 * w.span - 1)) & (most - 1);
    if (w.geo.pa_bits == 52 && w.span < 1ull << 47 && !chance(3))
        above = ((1 + chance(3)) << apart) - w.span;
    pa = above + (ipa & (w.span - 1));
    return chance(4) ? pa : pa ^ unit_bytes();
}

/* --- the world ----------------------------------------------------------------------------------------------------- */

static inline void make_caps(void)
{
    const struct features *f = &w.have;

    w.caps = model_caps_most();
    w.caps.tlbirange = f->tlbirange;
    w.caps.ttl = f->ttl;
    w.caps.fwb = f->fwb;
    w.caps.xnx = f->xnx;
    w.caps.cnp = f->cnp;
    w.caps.vmid_bits = f->vmid16 ? 16 : 8;
    w.caps.repeat_tlbi = f->repeat;
    w.caps.short_ranges = f->short_ranges;
    w.caps.bbm = f->bbm;
    w.caps.haf = w.caps.hdbs = f->tracking == BY_CPU;
    if (w.set->pa_bits)
        w.caps.pa_bits = w.set->pa_bits;
}

static inline void make_geometry(void)
{
    bool tracks = w.have.tracking != NOTHING;
    struct s2_geometry_request req = {
        .granule = w.set->granule,
        .ipa_bits = w.set->ipa_bits,
        .most_roots = w.set->most_roots,
        .wide = w.set->wide,
        .access_flag = tracks,
        .dirty = tracks,
    };
    uint64_t bytes;
    struct s2_detail d;

    if (s2_geometry_make(&w.caps, &req, &w.geo, &d))
        fail_msg("%s: %s", w.set->name, d.what);
    assert_int_equal(w.geo.start_level, w.set->start_level);
    assert_int_equal(w.geo.roots, w.set->roots);
    w.units = UNITS;
    while (w.units * unit_bytes() > s2_ipa_limit(&w.geo))
        w.units /= 2;
    bytes = w.units * unit_bytes();
    w.span = bytes;
    w.base = w.set->place == BOTTOM ? 0
             : w.set->place == TOP  ? s2_ipa_limit(&w.geo) - bytes
                                    : (s2_ipa_limit(&w.geo) - bytes) / 2;
}

static inline void make_world(const struct setting *set, const struct features *have)
{
    struct model_config cfg = {.cpus = CPUS, .strict = true, .irqs_on = true};
    uint32_t pages = (uint32_t)(RAM_BYTES >> set->granule);

    memset(&w, 0, sizeof w);
    w.set = set;
    w.have = *have;
    w.seed = 20240517;
    make_caps();
    cfg.caps = w.caps;
    cfg.any_frame = true;
    cfg.bank[0] = (struct model_bank){RAM, RAM_BYTES};
    w.m = model_create(&cfg);
    make_geometry();
    model_set_tracking(w.m, have->tracking == BY_FAULTS, have->tracking == BY_FAULTS);
    w.meta = calloc(pages, sizeof *w.meta);
    assert_non_null(w.meta);
    assert_int_equal(s2_tpool_init(&w.pool, w.m, S2_PA(RAM), RAM_BYTES, set->granule, w.meta), S2_OK);
    s2_vmids_init(&w.vmids, w.m, w.caps.vmid_bits);
    for (unsigned i = 0; i < TABLES; i++)
        assert_int_equal(s2_table_init(&w.vm[i].t, w.m, &w.caps, &w.geo, &w.pool, &w.vmids, pages, (uint16_t)(2 + i)),
                         S2_OK);
    for (unsigned i = 0; i < CPUS; i++)
        w.on[i] = -1;
}

static inline void quiet(void)
{
    model_expect_quiet(w.m);
    assert_true(model_ok(w.m));
}

static inline void load(unsigned cpu, int vm)
{
    uint64_t irqs;

    model_set_cpu(w.m, cpu);
    irqs = s2_port_irq_mask(w.m);
    if (vm >= 0) {
        s2_table_load(&w.vm[vm].t);
        w.vm[vm].vttbr = s2_port_vttbr(w.m);
    } else {
        s2_port_load_context(w.m, 0, 0);
        s2_port_barrier(w.m, S2_ISB);
    }
    s2_port_irq_restore(w.m, irqs);
    w.on[cpu] = vm;
    quiet();
}

/* --- what should be there ------------------------------------------------------------------------------------------- */

static inline void note(struct vm *vm, unsigned first, unsigned last, bool valid, uint64_t pa, s2_attr attr)
{
    for (unsigned u = first; u < last; u++)
        vm->unit[u] = (struct unit){valid, pa + (u - first) * unit_bytes(), attr.bits};
    for (unsigned i = 0; i < TOUCHES; i++)
        if (unit_of(vm->touched[i].ipa) >= first && unit_of(vm->touched[i].ipa) < last)
            vm->touched[i].how = 0;
}

/* What is written is no more so when nothing can be written. */
static inline void note_attr(struct vm *vm, unsigned first, unsigned last, s2_attr attr)
{
    for (unsigned u = first; u < last; u++)
        vm->unit[u].attr = vm->unit[u].valid ? attr.bits : 0;
    for (unsigned i = 0; i < TOUCHES && !(attr.bits & S2_W); i++)
        if (unit_of(vm->touched[i].ipa) >= first && unit_of(vm->touched[i].ipa) < last)
            vm->touched[i].how &= ~(unsigned)S2_TOUCH_WRITE;
}

static inline void note_touch(struct vm *vm, uint64_t ipa, enum model_kind kind)
{
    if (w.have.tracking != NOTHING)
        vm->touched[chance(TOUCHES)] =
            (struct touched){ipa, S2_TOUCH_ACCESS | (kind == MODEL_WRITE ? S2_TOUCH_WRITE : 0u)};
}

#endif
