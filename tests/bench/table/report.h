/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The tables of tables. */
#ifndef BENCH_TABLE_REPORT_H
#define BENCH_TABLE_REPORT_H

#include "bench/common/table.h"
#include "measure.h"

/* The engine beside the limit: ratios, what each is to be at most, invalidations, table pages. */
void report_engine(struct table *t, const struct results *r, unsigned engine, unsigned limit, unsigned limit2);
/* The whole address space beside the engine. */
void report_space(struct table *t, const struct results *r, unsigned space, unsigned engine);
/* Everybody's time, and everybody's invalidations. */
void report_all(struct table *t, const struct results *r, const struct subject *const *subject, unsigned subjects);

#endif
