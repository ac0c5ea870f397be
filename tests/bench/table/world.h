/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine around Bulkhead's own subjects: a pool of table pages over the arena, VMIDs, and the geometry of the workloads
 * on a CPU with range invalidation, level hints and FWB, but without FEAT_BBM. */
#ifndef BENCH_TABLE_WORLD_H
#define BENCH_TABLE_WORLD_H

#include <s2_port.h>

#include <stage2/geometry.h>

#include "subject.h"
#include "table/table.h"

struct table_world {
    struct s2_port port;
    struct s2_caps caps;
    struct s2_tpool pool;
    struct s2_tpage *meta;
    struct s2_vmids vmids;
};

void table_world_make(struct table_world *w, struct arena *a, bool dirty, struct s2_geometry *geo);
void table_world_free(struct table_world *w);
void table_world_account(const struct table_world *w, const struct s2_table *t, uint32_t kept, struct account *out);

/* For what cannot fail in a benchmark that was set up well. */
void world_must(enum s2_err err);

#endif
