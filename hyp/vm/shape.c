/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/shape.h"

#include <stage2/space.h>

enum { MOST_BITS = 52 };

enum s2_err shape_make(const struct manifest_vm *v, const struct s2_caps *caps, struct s2_geometry *out,
                       struct s2_detail *d)
{
    const struct s2_geometry_request req = {.granule = (enum s2_granule)v->granule_log2,
                                            .ipa_bits = (uint8_t)manifest_ipa_bits(v, caps->pa_bits),
                                            .no_runs = v->pages_only}; /* nothing is promoted there */
    return s2_geometry_make(caps, &req, out, d);
}

void shape_describe(struct text *t, const struct s2_caps *caps)
{
    const char *fmt = "%uK to %u bits";
    for (unsigned i = 0; i < SHAPES; i++) {
        const struct s2_geometry_request req = {.granule = (enum s2_granule)shape_granule_log2(i),
                                                .ipa_bits = MOST_BITS};
        struct s2_geometry g;
        struct s2_detail d;
        uint64_t most = s2_geometry_make(caps, &req, &g, &d) == S2_OK ? MOST_BITS : d.found_end;
        if (most == 0)
            continue;
        text_add(t, fmt, (uint64_t)4 << 2 * i, most);
        fmt = ", %uK to %u";
    }
}

uint64_t shape_table_pages(const struct manifest_vm *v, const struct s2_geometry *g)
{
    uint64_t pages = s2_table_quota(g, v->vcpus);
    struct manifest_view view;
    if (v->table_pages != 0)
        return v->table_pages;
    for (unsigned i = 0; i < v->regions; i++)
        pages += s2_table_quota_area(g, v->region[i].size);
    for (unsigned i = 0; i < v->devices; i++)
        pages += s2_table_quota_area(g, v->device[i].size);
    for (unsigned i = 0; i < MANIFEST_WINDOWS; i++)
        if (manifest_view(v, i, &view))
            pages += s2_table_quota_area(g, view.window->size);
    return pages;
}

void shape_split(uint64_t bytes, const uint64_t need[SHAPES], uint64_t share[SHAPES])
{
    unsigned done = 0;
    for (unsigned left = SHAPES; left > 0; left--) { /* the least needy first */
        unsigned least = 0;
        uint64_t needed = UINT64_MAX, part = bytes / left;
        for (unsigned i = 0; i < SHAPES; i++) {
            if ((done >> i & 1) != 0 || need[i] > needed)
                continue;
            least = i;
            needed = need[i];
        }
        if (needed == 0 || (left > 1 && needed < part))
            part = needed;
        share[least] = part & ~((1ull << shape_granule_log2(least)) - 1);
        bytes -= share[least];
        done |= 1u << least;
    }
}

/* Of entries for VMs, half are for the free memory between what they have. */
static uint64_t entries_for_vms(const struct shape_ledger *l, uint64_t capacity)
{
    uint64_t least = l->own + 2ull * SHAPE_LEDGER_LEAST * l->vms;
    return capacity > least ? (capacity - least) / 2 : 0;
}

uint32_t shape_ledger_nodes(const struct shape_ledger *l)
{
    enum { MIB_EACH = 2, MORE_EACH = 8 /* fewer nodes than it takes, so that not too many come of it */ };
    uint64_t wanted = (l->mib + MIB_EACH - 1) / MIB_EACH, has;
    uint32_t nodes = SHAPE_LEDGER_NODES;
    while ((has = entries_for_vms(l, s2_imap_capacity(nodes))) < wanted)
        nodes += (uint32_t)((wanted - has) / MORE_EACH) + 1;
    return nodes;
}

uint32_t shape_ledger_limit(const struct shape_ledger *l, uint64_t capacity, uint64_t mib)
{
    uint64_t all = l->mib > 0 ? l->mib : 1;
    return (uint32_t)(SHAPE_LEDGER_LEAST + entries_for_vms(l, capacity) * mib / all);
}
