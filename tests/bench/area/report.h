/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The tables: for a terminal, or for docs/performance.md. */
#ifndef BENCH_AREA_REPORT_H
#define BENCH_AREA_REPORT_H

#include <stdio.h>

#include "measure.h"

#define MOST_CELLS 20u
#define CELL_BYTES 48u

struct table {
    bool markdown, headed;
    unsigned cells;
    char cell[MOST_CELLS][CELL_BYTES];
};

/* One row is put together cell by cell; the first row of a table is its head. */
void table_title(struct table *t, const char *title);
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_ns(struct table *t, double ns); /* "-" for a negative one */
void table_n(struct table *t, uint64_t n);
void table_row(struct table *t);

/* CPU, caches, kernel, compilers, date. */
void report_machine(const struct table *t, unsigned rounds, int cpu);
void report_values(struct table *t, const struct column *column, unsigned columns, const struct peer *const *peer,
                   unsigned peers);
/* Bulkhead against the best peer, the limit, and growth, each beside its target. Peer 0 is Bulkhead's map. */
void report_targets(struct table *t, const struct column *column, unsigned columns, const struct peer *const *peer,
                    unsigned peers, unsigned own);

#endif
