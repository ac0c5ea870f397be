/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A table's beginning and end. */
#include "table/engine.h"

enum s2_err s2_table_init(struct s2_table *t, struct s2_port *port, const struct s2_caps *caps,
                          const struct s2_geometry *geo, struct s2_tpool *pool, struct s2_vmids *vmids,
                          uint32_t page_limit, uint16_t id)
{
    enum s2_err err;
    uint32_t first;

    if (pool->granule_log2 != geo->granule_log2 ||
        pool->base.v + ((uint64_t)pool->pages << pool->granule_log2) > 1ull << geo->pa_bits)
        return S2_EINVAL;
    *t = (struct s2_table){
        .port = port,
        .pool = pool,
        .quota = {.limit = page_limit},
        .vmids = vmids,
        .caps = *caps,
        .geo = *geo,
        .format = s2_format_of(geo),
        .marked_start = UINT64_MAX,
        .id = id,
    };
    err = s2_tpool_take_root(pool, &t->quota, geo->roots, &t->root);
    if (err)
        return err;
    first = s2_tpool_index(pool, t->root);
    for (uint32_t i = first; i < first + geo->roots; i++) {
        pool->meta[i].level = geo->start_level;
        pool->meta[i].space = id;
    }
    return S2_OK;
}

void s2_table_detach_all(struct s2_table *t, struct s2_gather *g)
{
    struct s2_tstash none = S2_TSTASH_EMPTY; /* every entry of the root goes whole */

    s2_table_unmap(t, &none, g, (struct s2_ipa_range){S2_IPA(0), S2_IPA(s2_ipa_limit(&t->geo))});
    g->all = g->broadcast = true; /* also when nothing was mapped any more: afterwards the VMID is anybody's */
}

void s2_table_fini(struct s2_table *t)
{
    s2_tpool_give_root(t->pool, &t->quota, t->root);
    s2_vmid_free(t->vmids, &t->vmid);
}
