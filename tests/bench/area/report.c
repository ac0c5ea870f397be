/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "report.h"

#include <stdio.h>
#include <string.h>

static const char *const row_name[ROWS] = {
    [FIND_DEP] = "find, dependent",
    [FIND_INDEP] = "find, independent",
    [INSERT] = "insert",
    [ERASE] = "erase, exact",
    [SPLIT] = "split (unmap the middle)",
    [MAP_OVER] = "map over (cut 2, delete 1)",
    [PROTECT] = "protect (three-way split)",
    [GAP_WORST] = "find free, worst",
    [GAP_RANDOM] = "find free, random",
    [GAP_RARE] = "find free, rare",
    [ITERATE] = "iterate, per area",
    [CLEAR] = "clear, per area",
    [BUILD_RANDOM] = "build, random order",
    [BUILD_ASCENDING] = "build, ascending",
    [BYTES_RANDOM] = "bytes per area, random",
    [BYTES_ASCENDING] = "bytes per area, ascending",
};

#define MOST_GROWTH    12.0
#define MOST_OF_LIMIT  1.7
#define GROWTH_FROM    1000u
#define BYTES_BASELINE "absl::btree"

/* What the ratio to the best peer is to be at most; negative: nothing was set. */
static double target(enum row row, uint64_t n)
{
    switch (row) {
    case FIND_DEP:
        return n >= 1000 ? 0.75 : 1.0;
    case INSERT:
    case ERASE:
    case SPLIT:
    case MAP_OVER:
    case PROTECT:
        return 1.0;
    case GAP_WORST:
        return n >= 100000 ? 1.0 : n >= 1000 ? 1.5 : -1;
    case GAP_RANDOM:
    case GAP_RARE:
        return n >= 1000 ? 0.75 : -1;
    case ITERATE:
        return 1.5;
    case BYTES_RANDOM:
        return 1.3;
    case BYTES_ASCENDING:
        return 1.1;
    default:
        return -1;
    }
}

static void head(struct table *t, const char *first, const struct column *column, unsigned columns)
{
    table_cell(t, "%s", first);
    for (unsigned c = 0; c < columns; c++)
        table_n(t, column[c].n);
    table_row(t);
}

void report_values(struct table *t, const struct column *column, unsigned columns, const struct peer *const *peer,
                   unsigned peers)
{
    for (unsigned row = 0; row < ROWS; row++) {
        char title[96];

        snprintf(title, sizeof(title), "%s%s", row_name[row], row < BYTES_RANDOM ? ", ns" : "");
        table_title(t, title);
        head(t, "N =", column, columns);
        for (unsigned p = 0; p < peers; p++) {
            double most = -1;

            for (unsigned c = 0; c < columns; c++)
                most = column[c].value[row][p] > most ? column[c].value[row][p] : most;
            if (most < 0)
                continue;
            table_cell(t, "%s", peer[p]->name);
            for (unsigned c = 0; c < columns; c++)
                table_ns(t, column[c].value[row][p]);
            table_row(t);
        }
    }
}

/* The best of the peers that are not Bulkhead's; for bytes the one that the target names. -1: none. */
static int rival(const struct column *c, enum row row, const struct peer *const *peer, unsigned peers, unsigned own)
{
    int best = -1;

    for (unsigned p = own; p < peers; p++) {
        if (c->value[row][p] < 0)
            continue;
        if (row >= BYTES_RANDOM && strcmp(peer[p]->name, BYTES_BASELINE) == 0)
            return (int)p;
        if (best < 0 || c->value[row][p] < c->value[row][best])
            best = (int)p;
    }
    return best;
}

static unsigned report_rivals(struct table *t, const struct column *column, unsigned columns,
                              const struct peer *const *peer, unsigned peers, unsigned own)
{
    unsigned missed = 0;

    table_title(t, "Bulkhead's interval map against the best peer of the row (bytes: against absl)");
    table_cell(t, "operation");
    table_cell(t, "N");
    table_cell(t, "%s", peer[0]->name);
    table_cell(t, "best peer");
    table_cell(t, "its value");
    table_cell(t, "ratio");
    table_cell(t, "target");
    table_cell(t, "%s", "");
    table_row(t);
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned c = 0; c < columns; c++) {
            int best = rival(&column[c], row, peer, peers, own);
            double wanted = target(row, column[c].n), ratio;

            if (best < 0 || column[c].value[row][0] < 0)
                continue;
            ratio = column[c].value[row][0] / column[c].value[row][best];
            missed += wanted > 0 && ratio > wanted;
            table_cell(t, "%s", row_name[row]);
            table_n(t, column[c].n);
            table_ns(t, column[c].value[row][0]);
            table_cell(t, "%s", peer[best]->name);
            table_ns(t, column[c].value[row][best]);
            table_cell(t, "%.2f", ratio);
            if (wanted > 0)
                table_cell(t, "%.2f", wanted);
            else
                table_cell(t, "-");
            table_cell(t, "%s", wanted > 0 && ratio > wanted ? "MISSED" : ratio > 1 ? "not best" : "");
            table_row(t);
        }
    return missed;
}

static unsigned report_limit(struct table *t, const struct column *column, unsigned columns, unsigned limit)
{
    unsigned missed = 0;

    table_title(t, "Ratio to the limit (a static, read-only search tree)");
    head(t, "N =", column, columns);
    for (unsigned row = FIND_DEP; row <= FIND_INDEP; row++) {
        table_cell(t, "%s%s", row_name[row], row == FIND_DEP ? " (<= 1.7)" : "");
        for (unsigned c = 0; c < columns; c++) {
            double ratio = column[c].value[row][0] / column[c].value[row][limit];
            bool over = row == FIND_DEP && ratio > MOST_OF_LIMIT;

            missed += over;
            table_cell(t, "%.2f%s", ratio, over ? " MISSED" : "");
        }
        table_row(t);
    }
    return missed;
}

static unsigned report_growth(struct table *t, const struct column *column, unsigned columns,
                              const struct peer *const *peer, unsigned peers)
{
    const struct column *from = NULL, *to = &column[columns - 1];
    unsigned missed = 0;

    for (unsigned c = 0; c < columns; c++)
        if (column[c].n == GROWTH_FROM)
            from = &column[c];
    if (!from || to->n <= from->n)
        return 0;
    table_title(t, "Growth from N = 1,000 to the largest N (target for imap: 12)");
    table_cell(t, "operation");
    for (unsigned p = 0; p < peers; p++)
        table_cell(t, "%s", peer[p]->name);
    table_row(t);
    for (unsigned row = 0; row < ITERATE; row++) {
        table_cell(t, "%s", row_name[row]);
        for (unsigned p = 0; p < peers; p++) {
            double growth = to->value[row][p] / from->value[row][p];
            bool over = p == 0 && growth > MOST_GROWTH;

            missed += over;
            if (from->value[row][p] < 0 || to->value[row][p] < 0)
                table_cell(t, "-");
            else
                table_cell(t, "%.1f%s", growth, over ? " MISSED" : "");
        }
        table_row(t);
    }
    return missed;
}

void report_targets(struct table *t, const struct column *column, unsigned columns, const struct peer *const *peer,
                    unsigned peers, unsigned own)
{
    unsigned missed = own < peers ? report_rivals(t, column, columns, peer, peers, own) : 0;

    missed += report_limit(t, column, columns, own - 1);
    missed += report_growth(t, column, columns, peer, peers);
    printf("\nTargets missed: %u\n", missed);
}
