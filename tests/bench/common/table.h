/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the benchmarks print: tables for a terminal, or for docs/performance.md. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define MOST_CELLS 20u
#define CELL_BYTES 48u

struct table {
    bool markdown, headed;
    int width; /* of a column on a terminal; 0: 17 */
    unsigned cells;
    char cell[MOST_CELLS][CELL_BYTES];
};

/* One row is put together cell by cell; the first row of a table is its head. */
void table_title(struct table *t, const char *title);
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_ns(struct table *t, double ns); /* "-" for a negative one */
void table_n(struct table *t, uint64_t n);
void table_row(struct table *t);

#endif
