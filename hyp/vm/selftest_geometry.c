/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every geometry that these CPUs can have, one after the other, asked of the CPU's own walker: a scratch space is made of each, and
 * what AT S12E1R and AT S12E1W answer is compared with what was asked for and with what the space says of itself. Each geometry is
 * made with sets of optional features masked, such that of any two features every combination occurs. Runs when the boot argument
 * geometries=... is given. */
#ifdef CONFIG_SELFTEST_GEOMETRY

#include <string.h>

#include <boot/boot.h>
#include <boot/mem.h>
#include <boot/print.h>
#include <s2_port.h>
#include <stage2/space.h>

#include "vm/selftest_geometry.h"

enum {
    ROOT_ALIGN = 1 << 20,
    NODE_ALIGN = 64,
    BITS_FIRST = 16,
    BITS_LAST = 52,
    ROOT_COUNTS = 5,
    FEATURE_SETS = 7, /* the even ones track accesses and writes, too */
};
static const char *const features[] = {"ttl", "tlbirange", "bbm", "fwb", "xnx", "hafdbs", "lpa2", "vmid16", "cnp"};
#define FEATURES (sizeof(features) / sizeof(features[0]))

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
        scratch_test(s);
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
    s->node_memory = mem_alloc((size_t)SCRATCH_NODES * S2_NODE_BYTES, NODE_ALIGN);
    s->ledger_memory = mem_alloc((size_t)SCRATCH_NODES * S2_NODE_BYTES, NODE_ALIGN);
    s->meta = mem_alloc((SCRATCH_BYTES >> S2_4K) * sizeof(*s->meta), NODE_ALIGN);
    s->pages = mem_alloc(SCRATCH_BYTES, ROOT_ALIGN);
    return s->node_memory != NULL && s->ledger_memory != NULL && s->meta != NULL && s->pages != NULL ? s : NULL;
}

/* All shapes of tables of that granule and size: 1, 2, 4, 8, 16 roots, then the same with wide descriptors. */
static void test_shapes(struct scratch *s, const char *option, size_t bytes, enum s2_granule granule, unsigned bits)
{
    struct s2_geometry seen[2 * ROOT_COUNTS];
    unsigned n = 0;
    for (unsigned k = 0; k < 2 * ROOT_COUNTS; k++) {
        const struct s2_geometry_request req = {.granule = granule,
                                                .ipa_bits = (uint8_t)bits,
                                                .most_roots = (uint8_t)(1u << k % ROOT_COUNTS),
                                                .wide = k >= ROOT_COUNTS};
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
                  1u << (granule - 10), bits, seen[n].roots, seen[n].start_level);
            s->skips++;
        } else {
            test_geometry(s, req, &seen[n]);
            s->tested++;
        }
        n++;
    }
}

void selftest_geometries(void)
{
    size_t bytes = 0;
    const char *option = boot_option("geometries", &bytes);
    struct scratch *s = option == NULL ? NULL : make_scratch();
    if (s == NULL)
        return;
    for (unsigned i = 0; i < SHAPES; i++)
        for (unsigned bits = BITS_FIRST; bits <= BITS_LAST; bits++)
            test_shapes(s, option, bytes, (enum s2_granule)shape_granule_log2(i), bits);
    print("bulkhead: geometries: %u tested, %u skipped; %lu addresses asked, %lu differ\n", s->tested, s->skips,
          (unsigned long)s->asked, (unsigned long)s->differ);
}

#else
typedef int selftest_geometry_is_off; /* ISO C wants something in every file */
#endif
