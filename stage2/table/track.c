/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Accesses and writes, recorded in leaves: by the CPU (FEAT_HAFDBS), or, where it cannot, by faults in the same bits: a leaf with
 * AF clear faults on any access; a clean one, S2AP[1] clear with DBM set, on a write (D8.5). */
#include "table/engine.h"

static uint64_t missing(const struct s2_table *t, uint64_t leaf, bool write)
{
    uint64_t want = t->geo.track_access ? DESC_AF : 0;

    if (write && leaf & DESC_DBM)
        want |= DESC_WRITE;
    return want & ~leaf;
}

static void set_bits(struct s2_table *t, uint64_t *slot, uint64_t bits)
{
    uint64_t desc = s2_port_pte_load(t->port, slot);

    while (desc & DESC_VALID && !s2_port_pte_cas(t->port, slot, desc, desc | bits))
        desc = s2_port_pte_load(t->port, slot);
}

bool s2_table_touch(struct s2_table *t, s2_ipa ipa, bool write)
{
    struct s2_node n = s2_node_root(t, ipa.v);
    uint64_t desc = s2_port_pte_load(t->port, &n.slots[s2_node_index(t, &n, ipa.v)]), first = ipa.v, bits;
    unsigned members = 1;

    while (s2_desc_is_table(n.level, desc)) {
        n = s2_node_child(t, &n, ipa.v, desc);
        desc = s2_port_pte_load(t->port, &n.slots[s2_node_index(t, &n, ipa.v)]);
    }
    bits = desc & DESC_VALID ? missing(t, desc, write) : 0;
    if (!bits)
        return false;
    if (desc & DESC_CONTIGUOUS) { /* a run is alike throughout */
        first = s2_run_around(t, n.level, ipa.v).start.v;
        members = 1u << t->geo.run_log2[n.level + 1];
    }
    for (unsigned i = 0; i < members; i++)
        set_bits(t, &n.slots[s2_node_index(t, &n, first) + i], bits);
    s2_port_barrier(t->port, S2_DSB_ISHST);
    return true;
}

struct job {
    struct s2_table *t;
    struct s2_gather *g;
    unsigned what;
    s2_leaf_fn *fn;
    void *arg;
};

/* Of a leaf that `touched` says something of, the bits to clear. */
static uint64_t recorded(const struct job *j, uint64_t leaf)
{
    uint64_t bits = 0;

    if (j->what & S2_TOUCH_ACCESS)
        bits |= leaf & DESC_AF;
    if (j->what & S2_TOUCH_WRITE && s2_desc_dirty(leaf))
        bits |= DESC_WRITE;
    return bits;
}

/* Clears what is recorded in one leaf or one run; what it was: the members' ORed (I_NFFSV). */
static uint64_t take_recorded(const struct job *j, uint64_t *slot, unsigned members)
{
    uint64_t all = 0, bits = 0;

    for (unsigned i = 0; i < members; i++) {
        uint64_t desc = s2_port_pte_load(j->t->port, &slot[i]);

        while (recorded(j, desc) && !s2_port_pte_cas(j->t->port, &slot[i], desc, desc & ~recorded(j, desc)))
            desc = s2_port_pte_load(j->t->port, &slot[i]);
        bits |= recorded(j, desc);
        all |= desc & (DESC_AF | DESC_WRITE);
    }
    return bits ? all : 0;
}

static bool harvest_leaf(const struct job *j, const struct s2_node *n, uint64_t *slot, struct s2_ipa_range extent)
{
    unsigned members = (unsigned)((extent.end.v - extent.start.v) / s2_entry_bytes(j->t, n->level));
    uint64_t desc = s2_port_pte_load(j->t->port, slot), was = take_recorded(j, slot, members);
    struct s2_leaf leaf;

    if (!was)
        return true;
    s2_gather_add(j->g, extent.start.v, extent.end.v, n->level, true);
    s2_leaf_describe(j->t, n->level, extent.start.v, desc | was, &leaf);
    leaf.range = extent;
    return j->fn(j->arg, &leaf);
}

static bool harvest_node(const struct job *j, const struct s2_node *n, uint64_t start, uint64_t end)
{
    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t *slot = &n->slots[s2_node_index(j->t, n, at)], desc = s2_port_pte_load(j->t->port, slot);
        uint64_t size = s2_entry_bytes(j->t, n->level);
        struct s2_ipa_range extent = {S2_IPA(at & ~(size - 1)), S2_IPA((at | (size - 1)) + 1)};

        next = extent.end.v;
        if (s2_desc_is_table(n->level, desc)) {
            struct s2_node child = s2_node_child(j->t, n, at, desc);

            if (!harvest_node(j, &child, at, s2_min_u64(next, end)))
                return false;
        } else if (desc & DESC_VALID) {
            if (desc & DESC_CONTIGUOUS)
                extent = s2_run_around(j->t, n->level, at);
            next = extent.end.v;
            if (!harvest_leaf(j, n, &n->slots[s2_node_index(j->t, n, extent.start.v)], extent))
                return false;
        }
    }
    return true;
}

void s2_table_harvest(struct s2_table *t, struct s2_gather *g, struct s2_ipa_range range, unsigned what, s2_leaf_fn *fn,
                      void *arg)
{
    struct job j = {t, g, what, fn, arg};
    uint64_t bytes = s2_node_bytes(t, t->geo.start_level);
    bool more = true;

    for (uint64_t at = range.start.v, next; more && at < range.end.v; at = next) {
        struct s2_node root = s2_node_root(t, at);

        next = s2_min_u64(root.base + bytes, range.end.v);
        more = harvest_node(&j, &root, at, next);
    }
}
