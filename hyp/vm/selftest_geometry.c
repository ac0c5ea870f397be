/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every geometry that these CPUs can have, one after the other, asked of the CPU's own walker: a scratch space gets blocks,
 * contiguous runs and pages at each level that has them, up to the last page below the limit; accesses and writes are tracked;
 * it is cut and emptied again; and what AT S12E1R and AT S12E1W answer is compared with what was asked for and with what the
 * space says of itself. The outputs are never touched, so that they may lie where no memory is. Each geometry is made with sets
 * of optional features masked, such that of any two features every combination occurs. Runs when the boot argument
 * geometries=... is given. */
#ifdef CONFIG_SELFTEST_GEOMETRY

#include <string.h>

#include <boot/boot.h>
#include <boot/mem.h>
#include <boot/print.h>
#include <s2_port.h>
#include <stage2/space.h>

#include "vm/vm.h"

#define PAR_FAULT      1ull
#define PAR_STAGE2     (1ull << 9)
#define PAR_FST_SHIFT  1u
#define PAR_FST_MASK   0x3full
#define PAR_ATTR_SHIFT 56u
#define PAR_ADDRESS    0xffffffffff000ull
#define HCR_VM         (1ull << 0)
#define HCR_DC         (1ull << 12) /* stage 1 is off and says Normal write-back, so that PAR_EL1.ATTR is stage 2's word */
#define HCR_RW         (1ull << 31)
#define HCR_FWB        (1ull << 46)

enum {
    FST_TRANSLATION = 0x04, /* + level (D24.2.122) */
    FST_ACCESS_FLAG = 0x08,
    FST_PERMISSION = 0x0c,
    FST_TRANSLATION_MINUS_1 = 0x2b,
    SCRATCH_BYTES = 4 << 20, /* 64 table pages of 64K */
    ROOT_ALIGN = 1 << 20,
    NODES = 512,
    NODE_ALIGN = 64,
    PIECES = 16,
    ANY_LEVEL = 99,
    REPORTED = 20, /* differences that are printed one by one */
    BITS_FIRST = 16,
    BITS_LAST = 52,
    MOST_ROOTS = 16,
    FEATURE_SETS = 7, /* the even ones track accesses and writes, too */
    SCRATCH_ID = S2_OWNER_FIRST_VM + MANIFEST_VMS,
};
static const char *const features[] = {"ttl", "tlbirange", "bbm", "fwb", "xnx", "hafdbs", "lpa2", "vmid16", "cnp"};
#define FEATURES (sizeof(features) / sizeof(features[0]))

/* What is mapped: in one piece, to outputs that have all bits above the IPA size set. */
struct piece {
    uint64_t ipa, bytes;
    uint32_t attr;
    int level; /* of its leaves */
    bool run;  /* they make up contiguous runs */
};

struct scratch {
    struct s2_space space;
    struct s2_cache cache;
    struct s2_caps caps;
    struct s2_geometry geo;
    struct s2_ledger ledger;
    struct s2_frames frames;
    struct s2_vmids vmids;
    struct s2_tpool tables;
    struct s2_pool nodes, ledger_nodes;
    void *node_memory, *ledger_memory, *pages;
    struct s2_tpage *meta;
    struct piece piece[PIECES];
    unsigned pieces;
    uint64_t flip; /* output = IPA with these bits inverted */
    uint64_t asked, differ, reported;
};

/* --- one address -------------------------------------------------------------------------------------------------- */

static uint64_t ask(uint64_t ipa, bool write)
{
    uint64_t par;
    if (write)
        __asm__ volatile("at s12e1w, %0" ::"r"(ipa) : "memory");
    else
        __asm__ volatile("at s12e1r, %0" ::"r"(ipa) : "memory");
    __asm__ volatile("isb\n\tmrs %0, par_el1" : "=r"(par)::"memory");
    return par;
}

static bool faults(uint64_t par, unsigned fst)
{
    return (par & PAR_FAULT) != 0 && (par & PAR_STAGE2) != 0 && (par >> PAR_FST_SHIFT & PAR_FST_MASK) == fst;
}

static bool translates(uint64_t par, uint64_t pa, uint32_t attr)
{
    static const uint8_t types[] = {[S2_MT_NORMAL_WB >> S2_MT_SHIFT] = 0xff,
                                    [S2_MT_NORMAL_NC >> S2_MT_SHIFT] = 0x44,
                                    [S2_MT_DEV_nGnRE >> S2_MT_SHIFT] = 0x04};
    return (par & PAR_FAULT) == 0 && (par & PAR_ADDRESS) == pa &&
           par >> PAR_ATTR_SHIFT == types[(attr & S2_MT_MASK) >> S2_MT_SHIFT];
}

static void differs(struct scratch *s, uint64_t ipa, const char *what, uint64_t par)
{
    s->differ++;
    if (s->reported++ < REPORTED)
        print("bulkhead: geometry: 0x%lx %s, PAR_EL1 0x%lx\n", (unsigned long)ipa, what, (unsigned long)par);
}

/* What the CPU says once what it does not track by itself was tracked for it, as after the fault of a guest. */
static uint64_t ask_tracked(struct scratch *s, uint64_t ipa, bool write, int level)
{
    uint64_t par = ask(ipa, write);
    struct s2_fault f = {.access = write ? S2_ACCESS_WRITE : S2_ACCESS_READ, .has_ipa = true, .ipa = S2_IPA(ipa)};
    struct s2_fault_result r;
    if (s->geo.track_access && !s->caps.haf && faults(par, FST_ACCESS_FLAG + (unsigned)level))
        f.kind = S2_FAULT_ACCESS_FLAG;
    else if (s->geo.track_dirty && !s->caps.hdbs && write && faults(par, FST_PERMISSION + (unsigned)level))
        f.kind = S2_FAULT_PERMISSION;
    else
        return par;
    f.level = (int8_t)level;
    enum s2_answer answer = s2_space_fault(&s->space, &s->cache, &f, &r);
    return answer == S2_RETRY || answer == S2_RETRY_FLUSHED ? ask(ipa, write) : par;
}

/* What lies at ipa has this attribute, in a leaf of this level, or ANY_LEVEL. */
static void expect_leaf(struct scratch *s, uint64_t ipa, const struct piece *p, int level)
{
    uint64_t pa = ipa ^ s->flip;
    bool writable = (p->attr & S2_W) != 0;
    struct s2_leaf leaf;
    s->asked++;
    if (!s2_space_translate(&s->space, S2_IPA(ipa), &leaf) || leaf.pa.v + (ipa - leaf.range.start.v) != pa) {
        differs(s, ipa, "is translated otherwise by the space", ask(ipa, false));
        return;
    }
    uint64_t read = ask_tracked(s, ipa, false, leaf.level), write = ask(ipa, true);
    if (writable)
        write = ask_tracked(s, ipa, true, leaf.level);
    if (level != ANY_LEVEL && (leaf.level != level || leaf.contiguous != p->run))
        differs(s, ipa, "lies in a leaf of another kind", (uint64_t)leaf.level);
    else if (!translates(read, pa, p->attr))
        differs(s, ipa, "is not read where it should be", read);
    else if (writable ? !translates(write, pa, p->attr) : !faults(write, FST_PERMISSION + (unsigned)leaf.level))
        differs(s, ipa, writable ? "is not written where it is read" : "is not write-protected at its level", write);
}

static void expect_hole(struct scratch *s, uint64_t ipa)
{
    struct s2_walk_step steps[5];
    struct s2_leaf leaf;
    unsigned n = s2_space_walk(&s->space, S2_IPA(ipa), steps);
    int level = n == 0 ? ANY_LEVEL : steps[n - 1].level;
    unsigned fst = level < 0 ? FST_TRANSLATION_MINUS_1 : FST_TRANSLATION + (unsigned)level;
    uint64_t read = ask(ipa, false), write = ask(ipa, true);
    s->asked++;
    if (s2_space_translate(&s->space, S2_IPA(ipa), &leaf))
        differs(s, ipa, "is translated by the space, and is nothing", read);
    else if (level == ANY_LEVEL ? (read & write & PAR_FAULT) == 0 : !faults(read, fst) || !faults(write, fst))
        differs(s, ipa, "should be no translation at its level", read);
}

static const struct piece *piece_at(const struct scratch *s, uint64_t ipa)
{
    for (unsigned i = 0; i < s->pieces; i++)
        if (ipa >= s->piece[i].ipa && ipa - s->piece[i].ipa < s->piece[i].bytes)
            return &s->piece[i];
    return NULL;
}

static void expect_any(struct scratch *s, uint64_t ipa)
{
    const struct piece *p = piece_at(s, ipa);
    if (p != NULL)
        expect_leaf(s, ipa, p, p->level);
    else
        expect_hole(s, ipa);
}

/* --- one space ---------------------------------------------------------------------------------------------------- */

static bool done(struct scratch *s, enum s2_err err, const struct s2_detail *d, const char *what)
{
    if (err == S2_OK)
        return true;
    s->differ++;
    print("bulkhead: geometry: %s: %s%s%s\n", what, s2_err_phrase(err), d->what == NULL ? "" : ": ",
          d->what == NULL ? "" : d->what);
    return false;
}

static void add(struct scratch *s, uint64_t ipa, uint64_t bytes, uint32_t attr, int level, bool run)
{
    if (s->pieces < PIECES && ipa + bytes < s2_ipa_limit(&s->geo) - s2_granule_bytes(&s->geo))
        s->piece[s->pieces++] = (struct piece){ipa, bytes, attr, level, run};
}

static uint64_t behind(const struct scratch *s, uint64_t align)
{
    const struct piece *last = &s->piece[s->pieces - 1];
    uint64_t free = s->pieces == 0 ? 0 : last->ipa + last->bytes + s2_granule_bytes(&s->geo);
    return (free + align - 1) & ~(align - 1);
}

/* From large to small: a leaf alone, a run, and a leaf between two pages; and the last page. */
static void plan_pieces(struct scratch *s)
{
    const struct s2_geometry *g = &s->geo;
    uint64_t page = s2_granule_bytes(g);
    s->pieces = 0;
    s->flip = g->ipa_bits == g->pa_bits ? 0 : (1ull << g->pa_bits) - (1ull << g->ipa_bits);
    for (int level = g->block_level; level <= 3; level++) {
        uint64_t leaf = 1ull << s2_level_shift(g, level), run = leaf << g->run_log2[level + 1];
        add(s, behind(s, leaf), leaf, S2_R, level, false);
        if (run > leaf)
            add(s, behind(s, run), run, S2_RX, level, true);
        if (level < 3)
            add(s, behind(s, leaf) + leaf - page, leaf + 2 * page, S2_RW | S2_MT_NORMAL_NC, ANY_LEVEL, false);
    }
    s->piece[s->pieces++] = (struct piece){s2_ipa_limit(g) - page, page, S2_RW | S2_MT_DEV_nGnRE, 3, false};
}

static bool make_space(struct scratch *s, struct s2_detail *d)
{
    struct s2_ledger_entry all = {.range = {S2_PA(0), S2_PA(1ull << s->geo.pa_bits)},
                                  .owner = SCRATCH_ID,
                                  .state = S2_OWNED,
                                  .rights = S2_RWX,
                                  .ipa = S2_IPA_NONE};
    struct s2_space_config c = {.port = host.port,
                                .caps = &s->caps,
                                .geometry = s->geo,
                                .id = SCRATCH_ID,
                                .tables = &s->tables,
                                .vmids = &s->vmids,
                                .frames = &s->frames,
                                .ledger = &s->ledger,
                                .nodes = &s->nodes};
    s2_pool_init(&s->nodes, s->node_memory, (size_t)NODES * S2_NODE_BYTES);
    s2_pool_init(&s->ledger_nodes, s->ledger_memory, (size_t)NODES * S2_NODE_BYTES);
    s2_ledger_init(&s->ledger, host.port, &s->ledger_nodes, s->caps.pa_bits);
    s2_frames_init(&s->frames, host.port);
    s2_vmids_init(&s->vmids, host.port, s->caps.vmid_bits);
    enum s2_err err =
        s2_tpool_init(&s->tables, host.port, S2_PA(mem_pa(s->pages)), SCRATCH_BYTES, s->geo.granule_log2, s->meta);
    if (err == S2_OK)
        err = s2_ledger_add(&s->ledger, &all, d);
    c.table_pages = s->tables.pages;
    s2_cache_init(&s->cache);
    return done(s, err, d, "pools") && done(s, s2_space_init(&s->space, &c, d), d, "space");
}

static bool map_pieces(struct scratch *s, struct s2_detail *d)
{
    for (unsigned i = 0; i < s->pieces; i++) {
        const struct piece *p = &s->piece[i];
        const struct s2_area area = {.range = {S2_IPA(p->ipa), S2_IPA(p->ipa + p->bytes)},
                                     .backend = &s2_backend_linear,
                                     .backing = p->ipa ^ s->flip,
                                     .attr = S2_ATTR(p->attr),
                                     .name = (uint16_t)i};
        if (!done(s, s2_space_map(&s->space, &area, S2_MAP_NEW, d), d, "map"))
            return false;
    }
    return true;
}

/* In each piece its ends and what lies between, each bit of the page's number in turn; and the pages around it. */
static void check_all(struct scratch *s)
{
    uint64_t page = s2_granule_bytes(&s->geo), limit = s2_ipa_limit(&s->geo);
    for (unsigned i = 0; i < s->pieces; i++) {
        const struct piece *p = &s->piece[i];
        expect_any(s, p->ipa);
        expect_any(s, p->ipa + p->bytes - page);
        for (uint64_t step = page; step < p->bytes; step <<= 1)
            expect_any(s, p->ipa + step);
        if (p->ipa != 0)
            expect_any(s, p->ipa - page);
        if (p->ipa + p->bytes < limit)
            expect_any(s, p->ipa + p->bytes);
    }
    expect_any(s, limit / 2);
    expect_any(s, limit);
}

static bool count_leaf(void *arg, const struct s2_leaf *leaf)
{
    (void)leaf;
    ++*(uint64_t *)arg;
    return true;
}

/* Each piece was read, and those that can be were written; it is told once. */
static void check_tracking(struct scratch *s)
{
    for (unsigned i = 0; i < s->pieces; i++) {
        const struct piece *p = &s->piece[i];
        const struct s2_ipa_range range = {S2_IPA(p->ipa), S2_IPA(p->ipa + p->bytes)};
        for (unsigned what = S2_TOUCH_ACCESS; what <= S2_TOUCH_WRITE; what <<= 1) {
            uint64_t told = 0, again = 0;
            bool expected = what == S2_TOUCH_ACCESS || (p->attr & S2_W) != 0;
            enum s2_err err = s2_space_harvest(&s->space, range, what, count_leaf, &told);
            if (err == S2_OK)
                err = s2_space_harvest(&s->space, range, what, count_leaf, &again);
            s->asked++;
            if (err != S2_OK || (told != 0) != expected || again != 0)
                differs(s, p->ipa, what == S2_TOUCH_WRITE ? "and its writes" : "and its accesses", told);
        }
    }
}

static bool make_writable(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg, (void)area;
    attr->bits |= S2_W;
    return true;
}

/* A page in the middle of the first piece, the largest leaf, is changed, then goes: the leaf is cut down to pages there, and
 * stays what it was elsewhere. */
static void cut(struct scratch *s, struct s2_detail *d)
{
    uint64_t page = s2_granule_bytes(&s->geo);
    struct piece was = s->piece[0], one = was;
    uint64_t at = (was.ipa + was.bytes / 2) & ~(page - 1);
    const struct s2_ipa_range middle = {S2_IPA(at), S2_IPA(at + page)};
    was.run = false;
    one.attr |= S2_W;
    for (unsigned pass = 0; pass < 2; pass++) {
        enum s2_err err = pass == 0 ? s2_space_protect(&s->space, middle, make_writable, NULL, d)
                                    : s2_space_unmap(&s->space, middle, d);
        if (!done(s, err, d, pass == 0 ? "protect" : "unmap"))
            return;
        if (pass == 0)
            expect_leaf(s, at, &one, ANY_LEVEL);
        else
            expect_hole(s, at);
        if (was.bytes == page)
            continue;
        expect_leaf(s, at - page, &was, ANY_LEVEL);
        expect_leaf(s, was.ipa, &was, ANY_LEVEL);
        expect_leaf(s, was.ipa + was.bytes - page, &was, ANY_LEVEL);
    }
}

static void empty(struct scratch *s, struct s2_detail *d)
{
    const struct s2_ipa_range all = {S2_IPA(0), S2_IPA(s2_ipa_limit(&s->geo))};
    if (!done(s, s2_space_unmap(&s->space, all, d), d, "unmap all"))
        return;
    s->pieces = 0;
    expect_any(s, 0);
    expect_any(s, all.end.v / 2);
    expect_any(s, all.end.v - s2_granule_bytes(&s->geo));
}

static void destroy(struct scratch *s)
{
    enum { ALL_AT_ONCE = 1u << 30 };
    uint32_t pages = s->tables.pages;
    s2_space_destroy_begin(&s->space);
    while (s2_space_destroy_step(&s->space, ALL_AT_ONCE)) {
    }
    s2_space_destroy_end(&s->space);
    if (s->tables.free != pages)
        differs(s, s->tables.free, "table pages are free of those there were", pages);
}

static void test_space(struct scratch *s)
{
    struct s2_detail d = {.err = S2_OK};
    uint64_t hcr, sctlr, par, vttbr = s2_port_vttbr(host.port), vtcr = s2_port_vtcr(host.port);
    if (!make_space(s, &d))
        return;
    plan_pieces(s);
    __asm__ volatile("mrs %0, hcr_el2\n\tmrs %1, sctlr_el1\n\tmrs %2, par_el1" : "=r"(hcr), "=r"(sctlr), "=r"(par));
    s2_space_load(&s->space);
    __asm__ volatile(
        "msr sctlr_el1, xzr\n\tmsr hcr_el2, %0\n\tisb" ::"r"(HCR_VM | HCR_DC | HCR_RW | (s->caps.fwb ? HCR_FWB : 0))
        : "memory");
    if (map_pieces(s, &d)) {
        check_all(s);
        if (s->geo.track_dirty)
            check_tracking(s);
        cut(s, &d);
        empty(s, &d);
    }
    s2_port_load_context(host.port, vttbr, vtcr);
    __asm__ volatile("msr sctlr_el1, %0\n\tmsr hcr_el2, %1\n\tmsr par_el1, %2\n\tisb" ::"r"(sctlr), "r"(hcr), "r"(par)
                     : "memory");
    destroy(s);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

/* Set 0 masks nothing and set 6 everything. In between, each feature is masked in three of the sets 1 to 5, no two features in the
 * same three: so of any two, one is masked without the other, and some set masks both. */
static void mask_set(struct s2_caps *caps, unsigned set)
{
    static const uint8_t threes[FEATURES] = {0x07, 0x0b, 0x0d, 0x0e, 0x13, 0x15, 0x16, 0x19, 0x1a};
    *caps = host.caps;
    for (unsigned i = 0; i < FEATURES; i++)
        if (set == FEATURE_SETS - 1 || (set > 0 && (threes[i] >> (set - 1) & 1) != 0))
            (void)s2_caps_mask(caps, features[i]);
}

static bool same_shape(const struct s2_geometry *a, const struct s2_geometry *b)
{
    return a->start_level == b->start_level && a->roots == b->roots && a->ds == b->ds;
}

/* With each set of features; but LPA2 stays where the geometry needs it. */
static void test_geometry(struct scratch *s, struct s2_geometry_request req, const struct s2_geometry *g)
{
    uint64_t asked = s->asked, differ = s->differ;
    unsigned sets = 0;
    for (unsigned set = 0; set < FEATURE_SETS; set++) {
        struct s2_detail d;
        mask_set(&s->caps, set);
        if (g->ds) {
            s->caps.lpa2_4k = host.caps.lpa2_4k;
            s->caps.lpa2_16k = host.caps.lpa2_16k;
        }
        req.access_flag = req.dirty = set % 2 == 0;
        if (s2_geometry_make(&s->caps, &req, &s->geo, &d) != S2_OK || !same_shape(&s->geo, g))
            continue;
        sets++;
        test_space(s);
    }
    print("bulkhead: geometry: %uK, %u bits, %u root%s at level %d, %u-bit outputs%s: %u feature sets, %lu asked, %lu "
          "differ\n",
          1u << (g->granule_log2 - 10), g->ipa_bits, g->roots, g->roots == 1 ? "" : "s", g->start_level, g->pa_bits,
          g->ds ? ", DS" : "", sets, (unsigned long)(s->asked - asked), (unsigned long)(s->differ - differ));
}

/* geometries=qemu-7.2: what that one does not walk though it should: 16K tables that start at level 0, and 4K tables that start
 * at level -1 for less than 52 bits (its check_s2_mmu_setup). */
static bool skipped(const char *option, size_t bytes, const struct s2_geometry *g)
{
    static const char word[] = "qemu-7.2";
    if (bytes != sizeof(word) - 1 || memcmp(option, word, bytes) != 0)
        return false;
    return g->granule_log2 == S2_16K ? g->start_level == 0 : g->start_level == -1 && g->ipa_bits < BITS_LAST;
}

static struct scratch *make_scratch(void)
{
    struct scratch *s = mem_alloc(sizeof(*s), NODE_ALIGN);
    if (s == NULL)
        return NULL;
    s->node_memory = mem_alloc((size_t)NODES * S2_NODE_BYTES, NODE_ALIGN);
    s->ledger_memory = mem_alloc((size_t)NODES * S2_NODE_BYTES, NODE_ALIGN);
    s->meta = mem_alloc((SCRATCH_BYTES >> S2_4K) * sizeof(*s->meta), NODE_ALIGN);
    s->pages = mem_alloc(SCRATCH_BYTES, ROOT_ALIGN);
    return s->node_memory != NULL && s->ledger_memory != NULL && s->meta != NULL && s->pages != NULL ? s : NULL;
}

void selftest_geometries(void)
{
    size_t bytes = 0;
    const char *option = boot_option("geometries", &bytes);
    struct scratch *s = option == NULL ? NULL : make_scratch();
    unsigned tested = 0, skips = 0;
    if (s == NULL)
        return;
    for (unsigned i = 0; i < SHAPES; i++) {
        for (unsigned bits = BITS_FIRST; bits <= BITS_LAST; bits++) {
            struct s2_geometry seen[2 * 5];
            unsigned n = 0;
            for (unsigned k = 0; k < 2 * 5; k++) { /* 1, 2, 4, 8, 16 roots, then the same with wide descriptors */
                const struct s2_geometry_request req = {.granule = (enum s2_granule)shape_granule_log2(i),
                                                        .ipa_bits = (uint8_t)bits,
                                                        .most_roots = (uint8_t)(1u << k % 5),
                                                        .wide = k >= 5};
                struct s2_detail d;
                if (s2_geometry_make(&host.caps, &req, &seen[n], &d) != S2_OK)
                    continue;
                unsigned same = 0;
                while (!same_shape(&seen[same], &seen[n]))
                    same++;
                if (same < n)
                    continue;
                if (skipped(option, bytes, &seen[n])) {
                    print("bulkhead: geometry: %uK, %u bits, %u roots at level %d: skipped by the boot argument\n",
                          4u << 2 * i, bits, seen[n].roots, seen[n].start_level);
                    skips++;
                } else {
                    test_geometry(s, req, &seen[n]);
                    tested++;
                }
                n++;
            }
        }
    }
    print("bulkhead: geometries: %u tested, %u skipped; %lu addresses asked, %lu differ\n", tested, skips,
          (unsigned long)s->asked, (unsigned long)s->differ);
}

#else
typedef int selftest_geometry_is_off; /* ISO C wants something in every file */
#endif
