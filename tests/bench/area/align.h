/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Bulkhead alone: gaps by other alignments than the granule, in layouts made against the search. */
#ifndef BENCH_AREA_ALIGN_H
#define BENCH_AREA_ALIGN_H

#include "report.h"

/* False when a search answered anything but the truth. */
bool report_alignments(struct table *t, const uint64_t *n, unsigned sizes, unsigned rounds);

#endif
