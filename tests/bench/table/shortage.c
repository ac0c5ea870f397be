/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "shortage.h"

#include <stdio.h>

#include "oracle.h"

/* False: something is left. */
static bool try_with(struct table *t, const struct work *w, const struct subject *subject, struct arena *a,
                     uint32_t pages)
{
    void *s = subject->create(a, SEQ_PAGES);
    struct account before, after;
    struct totals totals;
    bool refused;

    subject->account(s, &before);
    /* The root and the reserve are paid for; of the rest it has so many. */
    subject->release(s);
    a->pages = before.pages + pages;
    s = subject->create(a, SEQ_PAGES);
    refused = subject->map(s, &w->pages) == 0;
    subject->account(s, &after);
    oracle_totals(a, after.root, &totals);
    table_cell(t, "%s", subject->name);
    table_cell(t, "%s", refused ? "refused" : "done");
    table_n(t, totals.bytes / PAGE);
    table_n(t, after.pages - before.pages);
    table_row(t);
    subject->destroy(s);
    subject->release(s);
    return refused && !totals.bytes && after.pages == before.pages;
}

bool report_shortage(struct table *t, const struct work *w, const struct subject *const *subject, unsigned subjects,
                     unsigned own)
{
    uint32_t needed = oracle_tables_needed(&w->pages), pages = (needed - 2) / 2;
    char title[96];
    bool ok = true;

    snprintf(title, sizeof(title), "W1 with %u table pages where it takes %u", pages, needed - 2);
    table_title(t, title);
    table_cell(t, "%s", "");
    table_cell(t, "the operation");
    table_cell(t, "pages mapped");
    table_cell(t, "tables held");
    table_row(t);
    for (unsigned i = 0; i < subjects; i++) {
        struct arena arena;

        if (!subject[i]->counts)
            continue; /* a limit */
        arena_make(&arena, needed + 64);
        if (!try_with(t, w, subject[i], &arena, pages) && i < own) {
            fprintf(stderr, "bench: wrong: %s keeps something of what was refused\n", subject[i]->name);
            ok = false;
        }
        arena_free(&arena);
    }
    return ok;
}
