/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "report.h"

#include <stdio.h>

struct row_text {
    const char *name;
    double limit_goal, space_goal; /* ratios, at most; 0: none was set */
};
static const struct row_text text[ROWS] = {
    [W1_PAGES] = {"W1 map, per page", 1.5, 1.15},
    [W2_BLOCKS] = {"W2 map, per block", 1.5, 1.15},
    [W3_MIXED] = {"W3 map ragged, per 4 KiB", 2, 0},
    [W4_UNMAP] = {"W4 unmap, per page", 1.5, 1.15},
    [W5_PROTECT] = {"W5 write-protect, per page", 1.5, 1.15},
    [W5_DIRTY] = {"W5 with HAFDBS, per page", 0, 0},
    [W6_MAP] = {"W6 map one page", 1.3, 2},
    [W6_UNMAP] = {"W6 unmap one page", 1.5, 2},
    [W6_FAULT] = {"W6 map it by a fault", 1.3, 0},
    [W7_SPLIT] = {"W7 change 1 in a block", 1.5, 0},
    [W8_LOOKUP] = {"W8 look up", 1.3, 0},
    [W9_DESTROY] = {"W9 destroy, per page", 1.5, 0},
};
#define NARROW 12

/* Finer than table_ns: a detach is thousandths of a nanosecond per page. */
static void cell_ns(struct table *t, double ns)
{
    if (ns >= 0 && ns < 0.1)
        table_cell(t, "%.4f", ns);
    else
        table_ns(t, ns);
}

static void cell_ratio(struct table *t, double ns, double of)
{
    if (ns < 0 || of <= 0)
        table_cell(t, "-");
    else
        table_cell(t, "%.2f", ns / of);
}

/* The goal, and whether it was missed. */
static bool cell_goal(struct table *t, double goal, double ns, double of)
{
    bool missed = goal > 0 && ns > goal * of;

    if (goal <= 0)
        table_cell(t, "-");
    else
        table_cell(t, "%.2f%s", goal, missed ? " MISSED" : "");
    return missed;
}

static void heads(struct table *t, const char *const *head)
{
    for (; *head; head++)
        table_cell(t, "%s", *head);
    table_row(t);
}

void report_engine(struct table *t, const struct results *r, unsigned engine, unsigned limit, unsigned limit2)
{
    static const char *const head[] = {"ns of CPU work", "engine", "limit", "ratio",  "goal",   "limit 2",
                                       "ratio",          "TLBI",   "DSB",   "tables", "needed", NULL};
    unsigned missed = 0;

    t->width = NARROW;
    table_title(t, "The table engine and the limit");
    heads(t, head);
    for (unsigned row = 0; row < ROWS; row++) {
        const struct result *e = &r->of[row][engine];
        double of = r->of[row][limit].ns, of2 = r->of[row][limit2].ns;

        if (e->ns < 0)
            continue;
        table_cell(t, "%s", text[row].name);
        cell_ns(t, e->ns);
        cell_ns(t, of);
        cell_ratio(t, e->ns, of);
        missed += cell_goal(t, text[row].limit_goal, e->ns, of);
        cell_ns(t, of2);
        cell_ratio(t, e->ns, of2);
        table_n(t, e->tlbi);
        table_n(t, e->dsb);
        table_n(t, e->pages);
        if (e->needed)
            table_n(t, e->needed);
        else
            table_cell(t, "-");
        table_row(t);
    }
    printf("\nGoals missed: %u. TLBI, DSB: of the whole batch, %s\n", missed,
           "one operation in W1, W2, W4, W5 and W9; tables: pages held afterwards, the root's two among them.");
}

void report_space(struct table *t, const struct results *r, unsigned space, unsigned engine)
{
    static const char *const head[] = {"ns of CPU work", "space", "engine", "ratio", "goal", "TLBI", "DSB", NULL};
    unsigned missed = 0;

    table_title(t, "The whole address space (area set, ledger, linear areas) and the engine alone");
    heads(t, head);
    for (unsigned row = 0; row < ROWS; row++) {
        const struct result *s = &r->of[row][space];
        double of = r->of[row][engine].ns;

        if (s->ns < 0)
            continue;
        table_cell(t, "%s", text[row].name);
        cell_ns(t, s->ns);
        cell_ns(t, of);
        cell_ratio(t, s->ns, of);
        missed += cell_goal(t, text[row].space_goal, s->ns, of);
        table_n(t, s->tlbi);
        table_n(t, s->dsb);
        table_row(t);
    }
    printf("\nGoals missed: %u\n", missed);
}

void report_all(struct table *t, const struct results *r, const struct subject *const *subject, unsigned subjects)
{
    table_title(t, "ns per unit, all of them");
    table_cell(t, "%s", "");
    for (unsigned i = 0; i < subjects; i++)
        table_cell(t, "%s", subject[i]->name);
    table_row(t);
    for (unsigned row = 0; row < ROWS; row++) {
        table_cell(t, "%s", text[row].name);
        for (unsigned i = 0; i < subjects; i++)
            cell_ns(t, r->of[row][i].ns);
        table_row(t);
    }
    t->width = 0;
    table_title(t, "TLBI + DSB of the whole batch");
    table_cell(t, "%s", "");
    for (unsigned i = 0; i < subjects; i++)
        if (subject[i]->counts)
            table_cell(t, "%s", subject[i]->name);
    table_row(t);
    for (unsigned row = 0; row < ROWS; row++) {
        table_cell(t, "%s", text[row].name);
        for (unsigned i = 0; i < subjects; i++) {
            const struct result *e = &r->of[row][i];

            if (!subject[i]->counts)
                continue;
            if (e->ns < 0)
                table_cell(t, "-");
            else
                table_cell(t, "%llu + %llu", (unsigned long long)e->tlbi, (unsigned long long)e->dsb);
        }
        table_row(t);
    }
}
