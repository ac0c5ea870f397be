/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A scratch space of one geometry: blocks, contiguous runs and pages at each level that has them, up to the last page below the
 * limit; accesses and writes are tracked; it is cut and emptied again. The outputs are never touched, so that they may lie where no
 * memory is. */
#ifdef CONFIG_SELFTEST_GEOMETRY

#include <boot/mem.h>
#include <boot/print.h>
#include <s2_port.h>
#include <stage2/space.h>

#include "vm/at.h"
#include "vm/selftest_geometry.h"

enum { SCRATCH_ID = S2_OWNER_FIRST_VM + MANIFEST_VMS };

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
    if (s->pieces < SCRATCH_PIECES && ipa + bytes < s2_ipa_limit(&s->geo) - s2_granule_bytes(&s->geo))
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
            add(s, behind(s, leaf) + leaf - page, leaf + 2 * page, S2_RW | S2_MT_NORMAL_NC, SCRATCH_ANY_LEVEL, false);
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
    s2_pool_init(&s->nodes, s->node_memory, (size_t)SCRATCH_NODES * S2_NODE_BYTES);
    s2_pool_init(&s->ledger_nodes, s->ledger_memory, (size_t)SCRATCH_NODES * S2_NODE_BYTES);
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
        scratch_expect_any(s, p->ipa);
        scratch_expect_any(s, p->ipa + p->bytes - page);
        for (uint64_t step = page; step < p->bytes; step <<= 1)
            scratch_expect_any(s, p->ipa + step);
        if (p->ipa != 0)
            scratch_expect_any(s, p->ipa - page);
        if (p->ipa + p->bytes < limit)
            scratch_expect_any(s, p->ipa + p->bytes);
    }
    scratch_expect_any(s, limit / 2);
    scratch_expect_any(s, limit);
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
                scratch_differs(s, p->ipa, what == S2_TOUCH_WRITE ? "and its writes" : "and its accesses", told);
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
            scratch_expect_leaf(s, at, &one, SCRATCH_ANY_LEVEL);
        else
            scratch_expect_hole(s, at);
        if (was.bytes == page)
            continue;
        scratch_expect_leaf(s, at - page, &was, SCRATCH_ANY_LEVEL);
        scratch_expect_leaf(s, was.ipa, &was, SCRATCH_ANY_LEVEL);
        scratch_expect_leaf(s, was.ipa + was.bytes - page, &was, SCRATCH_ANY_LEVEL);
    }
}

static void empty(struct scratch *s, struct s2_detail *d)
{
    const struct s2_ipa_range all = {S2_IPA(0), S2_IPA(s2_ipa_limit(&s->geo))};
    if (!done(s, s2_space_unmap(&s->space, all, d), d, "unmap all"))
        return;
    s->pieces = 0;
    scratch_expect_any(s, 0);
    scratch_expect_any(s, all.end.v / 2);
    scratch_expect_any(s, all.end.v - s2_granule_bytes(&s->geo));
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
        scratch_differs(s, s->tables.free, "table pages are free of those there were", pages);
}

void scratch_test(struct scratch *s)
{
    struct s2_detail d = {.err = S2_OK};
    const struct at_saved saved = at_save();
    uint64_t vttbr = s2_port_vttbr(host.port), vtcr = s2_port_vtcr(host.port);
    if (!make_space(s, &d))
        return;
    plan_pieces(s);
    s2_space_load(&s->space);
    at_begin(HCR_VM | HCR_DC | HCR_RW | (s->caps.fwb ? HCR_FWB : 0));
    if (map_pieces(s, &d)) {
        check_all(s);
        if (s->geo.track_dirty)
            check_tracking(s);
        cut(s, &d);
        empty(s, &d);
    }
    s2_port_load_context(host.port, vttbr, vtcr);
    at_end(&saved);
    destroy(s);
}

#else
typedef int selftest_space_is_off; /* ISO C wants something in every file */
#endif
