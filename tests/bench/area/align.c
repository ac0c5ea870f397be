/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "align.h"

#include <stdio.h>
#include <stdlib.h>

#include <stage2/imap.h>

#include "pool_memory.h"

#define G        UINT64_C(4096)
#define LO       UINT64_C(0)
#define HI       (UINT64_C(1) << 56)
#define ENOUGH   2000000u /* ns that a sample is to take, and the jobs it has at most */
#define MOST_JOB 4096u

/* Entry i lies over every second boundary of `align`: [2 i align - G, 2 i align + G). The gap between two has nearly twice
 * the size that is looked for, and no place for it. `last` says what the gap before the last entry is. */
enum last {
    LAST_EXACT, /* it has one aligned place, and is no wider than the others */
    LAST_WIDE,  /* size + align - 1 and more */
};

struct trap {
    const char *name;
    uint64_t align;
    enum last last;
};

static const struct trap traps[] = {
    {"2 MiB: known to the index", UINT64_C(2) << 20, LAST_EXACT},
    {"1 GiB: known to the index", UINT64_C(1) << 30, LAST_EXACT},
    {"64 KiB, a wide gap at last", UINT64_C(64) << 10, LAST_WIDE},
    {"64 KiB, no wide gap", UINT64_C(64) << 10, LAST_EXACT},
    {"32 MiB, a wide gap at last", UINT64_C(32) << 20, LAST_WIDE},
    {"32 MiB, no wide gap", UINT64_C(32) << 20, LAST_EXACT},
};

struct space {
    struct s2_imap map;
    struct s2_pool pool;
    void *mem;
    uint64_t answer;
};

static struct space *space_new(const struct trap *trap, uint64_t n)
{
    struct space *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
    uint64_t last;

    if (!s)
        abort();
    s->mem = pool_memory(&s->pool, n);
    s2_imap_init(&s->map, &s->pool, LO, HI, (struct s2_imap_align){{12, 21, 30}});
    for (uint64_t i = 0; i + 1 < n; i++) {
        uint64_t middle = 2 * i * trap->align;

        uint64_t end = middle + (i + 2 == n && trap->last == LAST_EXACT ? 2 * G : G);

        s2_imap_insert(&s->map, &(struct s2_ient){middle - (i ? G : 0), end, {{0, 0, 0}}});
    }
    last = 2 * (n - 1) * trap->align + (trap->last == LAST_WIDE ? trap->align : 0);
    s2_imap_insert(&s->map, &(struct s2_ient){last, HI, {{0, 0, 0}}});
    s->answer = (2 * (n - 1) - 1) * trap->align;
    return s;
}

static void space_free(struct space *s)
{
    free(s->mem);
    free(s);
}

static struct took search(const struct space *s, uint64_t align, unsigned jobs, bool *ok)
{
    struct watch watch = watch_start();
    unsigned right = 0;

    for (unsigned i = 0; i < jobs; i++) {
        uint64_t at = 0;

        right += !s2_imap_find_gap(&s->map, LO, HI, align, align, S2_FIT_LOWEST, &at) && at == s->answer;
    }
    *ok &= right == jobs;
    return watch_stop(&watch);
}

static double measure_trap(const struct trap *trap, uint64_t n, unsigned rounds, bool *ok)
{
    struct space *s = space_new(trap, n);
    struct took once = search(s, trap->align, 1, ok);
    unsigned jobs = once.ns >= ENOUGH ? 1 : once.ns ? (unsigned)(ENOUGH / once.ns) : MOST_JOB;
    struct cell cell = {.samples = 0};

    jobs = jobs > MOST_JOB ? MOST_JOB : jobs;
    for (unsigned round = 0; round < rounds; round++) {
        struct took took = search(s, trap->align, jobs, ok);

        for (int again = 0; again < 5 && took.disturbed; again++)
            took = search(s, trap->align, jobs, ok);
        cell_add_one(&cell, took, jobs);
    }
    space_free(s);
    return cell_median(&cell);
}

#define GROWTH_FROM 1000u

bool report_alignments(struct table *t, const uint64_t *n, unsigned sizes, unsigned rounds)
{
    bool ok = true;

    table_title(t, "imap: the lowest aligned place when only the last gap has one, ns (growth from N = 1,000)");
    table_cell(t, "size = alignment, N =");
    for (unsigned i = 0; i < sizes; i++)
        table_n(t, n[i]);
    table_row(t);
    for (unsigned k = 0; k < sizeof(traps) / sizeof(traps[0]); k++) {
        double from = 0;

        table_cell(t, "%s", traps[k].name);
        for (unsigned i = 0; i < sizes; i++) {
            double ns = measure_trap(&traps[k], n[i], rounds, &ok);

            if (n[i] == GROWTH_FROM)
                from = ns;
            if (from > 0 && n[i] > GROWTH_FROM)
                table_cell(t, "%.0f (%.1f)", ns, ns / from);
            else
                table_ns(t, ns);
        }
        table_row(t);
    }
    if (!ok)
        fputs("bench: imap: an aligned search does not answer the truth\n", stderr);
    return ok;
}
