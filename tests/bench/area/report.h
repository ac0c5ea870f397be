/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The tables of areas. */
#ifndef BENCH_AREA_REPORT_H
#define BENCH_AREA_REPORT_H

#include "bench/common/table.h"
#include "measure.h"

void report_values(struct table *t, const struct column *column, unsigned columns, const struct peer *const *peer,
                   unsigned peers);
/* Bulkhead against the best peer, the limit, and growth, each beside its target. Peer 0 is Bulkhead's map. */
void report_targets(struct table *t, const struct column *column, unsigned columns, const struct peer *const *peer,
                    unsigned peers, unsigned own);

#endif
