/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

void world_must(enum s2_err err)
{
    if (err) {
        fprintf(stderr, "bench: error %d while the world is made\n", (int)err);
        exit(2);
    }
}

void table_world_make(struct table_world *w, struct arena *a, bool dirty, struct s2_geometry *geo)
{
    struct s2_geometry_request req = {.granule = S2_4K, .ipa_bits = IPA_BITS, .access_flag = dirty, .dirty = dirty};

    w->port = (struct s2_port){.table_offset = (uint64_t)(uintptr_t)a->host - ARENA_PA};
    w->caps = (struct s2_caps){.pa_bits = 48,
                               .vmid_bits = 16,
                               .gran4k = true,
                               .tlbirange = true,
                               .ttl = true,
                               .fwb = true,
                               .xnx = true,
                               .haf = true,
                               .hdbs = true,
                               .idc = true,
                               .dic = true,
                               .dline_log2 = 6,
                               .iline_log2 = 6};
    w->meta = calloc(a->pages, sizeof(*w->meta));
    if (!w->meta)
        abort();
    world_must(s2_tpool_init(&w->pool, &w->port, S2_PA(ARENA_PA), a->pages * PAGE, 12, w->meta));
    s2_vmids_init(&w->vmids, &w->port, w->caps.vmid_bits);
    world_must(s2_geometry_make(&w->caps, &req, geo, NULL));
}

void table_world_free(struct table_world *w)
{
    free(w->meta);
}

void table_world_account(const struct table_world *w, const struct s2_table *t, uint32_t kept, struct account *out)
{
    *out = (struct account){.root = t->root.v,
                            .pages = w->pool.pages - w->pool.free,
                            .kept = kept,
                            .tlbi = w->port.count.tlbi,
                            .dsb = w->port.count.dsb};
}
