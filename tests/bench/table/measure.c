/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "measure.h"

#include <stdio.h>
#include <string.h>

#include "bench/common/watch.h"
#include "oracle.h"

enum {
    SLICE = 2048, /* operations between two looks at the clock: what is disturbed does not spoil the rest */
};
/* How often a round does a sequence: each time is a sample. */
static const unsigned repeats[SEQUENCES] = {
    [SEQ_PAGES] = MOST_REPEATS,
    [SEQ_LOOKUP] = 2,
    [SEQ_END] = MOST_REPEATS,
    [SEQ_DIRTY] = 4,
    [SEQ_BLOCKS] = MOST_REPEATS,
    [SEQ_MIXED] = MOST_REPEATS,
    [SEQ_SINGLE] = 2,
    [SEQ_FAULT] = 2,
    [SEQ_SPLIT] = 4,
};

const char *const sequence_name[SEQUENCES] = {
    [SEQ_PAGES] = "pages",   [SEQ_LOOKUP] = "lookup", [SEQ_END] = "end",
    [SEQ_DIRTY] = "dirty",   [SEQ_BLOCKS] = "blocks", [SEQ_MIXED] = "mixed",
    [SEQ_SINGLE] = "single", [SEQ_FAULT] = "fault",   [SEQ_SPLIT] = "split",
};

static struct cell cell[ROWS][MOST_SUBJECTS];

/* One subject's turn at one sequence. */
struct turn {
    const struct work *work;
    const struct subject *subject;
    unsigned place; /* of the subject */
    struct arena arena;
    struct results *results;
    struct tally tally[ROWS];
    bool verify; /* an instance that is looked at and not timed */
    bool ok;
    void *s;
};

static const char *const row_names[ROWS] = {"W1",     "W2",       "W3",       "W4", "W5", "W5 HAFDBS",
                                            "W6 map", "W6 unmap", "W6 fault", "W7", "W8", "W9"};

static void complain(struct turn *t, enum row row, const char *what)
{
    fprintf(stderr, "bench: wrong: %s after %s: %s\n", t->subject->name, row_names[row], what);
    t->ok = false;
}

/* --- one step ------------------------------------------------------------------------------------------------------- */

typedef unsigned batch_fn(void *s, const struct jobs *jobs);

static void count(struct turn *t, enum row row, struct took took, uint64_t units)
{
    if (!t->verify)
        tally_add(&t->tally[row], took, units);
}

static void settle(struct turn *t, enum row row, const struct account *before)
{
    struct result *r = &t->results->of[row][t->place];
    struct account after;

    t->subject->account(t->s, &after);
    r->tlbi = after.tlbi - before->tlbi;
    r->dsb = after.dsb - before->dsb;
    r->pages = after.pages;
    r->kept = after.kept;
}

static void timed(struct turn *t, enum row row, batch_fn *fn, const struct jobs *jobs, uint64_t units)
{
    struct account before;
    unsigned done = 0;

    t->subject->account(t->s, &before);
    for (unsigned from = 0, n; from < jobs->n; from += n) {
        struct jobs slice = {jobs->job + from, n = jobs->n - from < SLICE ? jobs->n - from : SLICE};
        struct watch w = watch_start();

        done += fn(t->s, &slice);
        count(t, row, watch_stop(&w), units * n / jobs->n);
    }
    settle(t, row, &before);
    if (done != jobs->n)
        complain(t, row, "an operation was refused");
}

static void untimed(struct turn *t, enum row row, batch_fn *fn, const struct jobs *jobs)
{
    if (fn(t->s, jobs) != jobs->n)
        complain(t, row, "the operation before it was refused");
}

/* --- what is there afterwards -------------------------------------------------------------------------------------- */

static void look(struct turn *t, enum row row, const struct jobs *jobs, enum expect expect)
{
    struct account now;

    t->subject->account(t->s, &now);
    if (!oracle_agrees(&t->arena, now.root, jobs, expect))
        complain(t, row, expect == UNMAPPED ? "a page is still mapped" : "a page is not mapped as it should be");
}

/* These jobs are all that is mapped (null: nothing), in as few tables as can be. */
static void look_whole(struct turn *t, enum row row, const struct jobs *jobs)
{
    struct result *r = &t->results->of[row][t->place];
    struct account now;
    struct totals totals;

    t->subject->account(t->s, &now);
    oracle_totals(&t->arena, now.root, &totals);
    r->needed = jobs ? oracle_tables_needed(jobs) : 2;
    if (totals.bytes != (jobs ? jobs_bytes(jobs) : 0))
        complain(t, row, "more or less is mapped than should be");
    if (totals.empty)
        complain(t, row, "a table is empty");
    if (totals.tables + now.kept != now.pages)
        complain(t, row, "table pages that are neither linked nor in reserve");
    if (totals.tables != r->needed)
        complain(t, row, "more tables than the mapping needs, or fewer");
}

/* --- sequences -------------------------------------------------------------------------------------------------------- */

static void run_lookup(struct turn *t)
{
    static const volatile uint64_t nothing = 0;
    const struct job *j = t->work->pages.job;
    uint64_t zero = nothing, sum = 0, want = 0;
    struct account before;

    untimed(t, W8_LOOKUP, t->subject->map, &t->work->pages);
    t->subject->account(t->s, &before);
    for (unsigned from = 0, n; from < t->work->lookups; from += n) {
        struct watch w;

        n = t->work->lookups - from < 4 * SLICE ? t->work->lookups - from : 4 * SLICE;
        w = watch_start();
        sum += t->subject->lookup(t->s, t->work->lookup + from, n, &zero);
        count(t, W8_LOOKUP, watch_stop(&w), n);
    }
    settle(t, W8_LOOKUP, &before);
    for (unsigned i = 0; i < t->work->lookups; i++)
        want += t->work->lookup[i] - j->ipa + j->pa;
    if (sum != want)
        complain(t, W8_LOOKUP, "lookups do not find what is mapped");
}

static void run_pages(struct turn *t)
{
    const struct jobs *jobs = &t->work->pages;
    uint64_t pages = jobs_bytes(jobs) / PAGE;

    timed(t, W1_PAGES, t->subject->map, jobs, pages);
    if (t->verify) {
        look(t, W1_PAGES, jobs, MAPPED_RW);
        look_whole(t, W1_PAGES, jobs);
    }
    timed(t, W4_UNMAP, t->subject->unmap, jobs, pages);
    if (t->verify)
        look_whole(t, W4_UNMAP, NULL);
}

static void run_end(struct turn *t, enum row row)
{
    const struct jobs *jobs = &t->work->pages;
    uint64_t pages = jobs_bytes(jobs) / PAGE;
    struct account before;
    struct watch w;

    untimed(t, row, t->subject->map, jobs);
    timed(t, row, t->subject->protect, jobs, pages);
    if (t->verify) {
        look(t, row, jobs, MAPPED_RO);
        look_whole(t, row, jobs);
    }
    t->subject->account(t->s, &before);
    w = watch_start();
    t->subject->destroy(t->s);
    if (row == W5_DIRTY)
        return;
    count(t, W9_DESTROY, watch_stop(&w), pages);
    settle(t, W9_DESTROY, &before);
    if (t->results->of[W9_DESTROY][t->place].pages)
        complain(t, W9_DESTROY, "table pages were not given back");
}

static void run_map(struct turn *t, enum row row, const struct jobs *jobs, uint64_t unit)
{
    timed(t, row, t->subject->map, jobs, jobs_bytes(jobs) / unit);
    if (t->verify) {
        look(t, row, jobs, MAPPED_RW);
        look_whole(t, row, jobs);
    }
}

static void run_single(struct turn *t)
{
    const struct work *w = t->work;

    run_map(t, W6_MAP, &w->single, PAGE);
    timed(t, W6_UNMAP, t->subject->unmap, &w->single_unmap, w->single_unmap.n);
    if (t->verify) {
        look(t, W6_UNMAP, &w->single, UNMAPPED);
        look_whole(t, W6_UNMAP, NULL);
    }
}

static void run_fault(struct turn *t)
{
    const struct jobs *jobs = &t->work->single;

    timed(t, W6_FAULT, t->subject->fault, jobs, jobs->n);
    if (!t->verify)
        return;
    look(t, W6_FAULT, jobs, MAPPED_RW);
    look_whole(t, W6_FAULT, jobs);
}

static void run_split(struct turn *t)
{
    const struct work *w = t->work;
    struct result *r = &t->results->of[W7_SPLIT][t->place];
    struct account now;
    struct totals totals;

    untimed(t, W7_SPLIT, t->subject->map, &w->split_blocks);
    timed(t, W7_SPLIT, t->subject->protect, &w->split, w->split.n);
    if (!t->verify)
        return;
    look(t, W7_SPLIT, &w->split, MAPPED_RO);
    look(t, W7_SPLIT, &w->split_rest, MAPPED_RW);
    t->subject->account(t->s, &now);
    oracle_totals(&t->arena, now.root, &totals);
    r->needed = oracle_tables_needed(&w->split);
    if (totals.bytes != jobs_bytes(&w->split_blocks) || totals.tables != r->needed)
        complain(t, W7_SPLIT, "a split lost something, or took more tables than one each");
}

static void run_sequence(struct turn *t, enum sequence seq)
{
    switch (seq) {
    case SEQ_PAGES:
        run_pages(t);
        break;
    case SEQ_LOOKUP:
        run_lookup(t);
        break;
    case SEQ_END:
        run_end(t, W5_PROTECT);
        return;
    case SEQ_DIRTY:
        run_end(t, W5_DIRTY);
        return;
    case SEQ_BLOCKS:
        run_map(t, W2_BLOCKS, &t->work->blocks, BLOCK);
        break;
    case SEQ_MIXED:
        run_map(t, W3_MIXED, &t->work->mixed, PAGE);
        break;
    case SEQ_SINGLE:
        run_single(t);
        break;
    case SEQ_FAULT:
        run_fault(t);
        break;
    default:
        run_split(t);
        break;
    }
    t->subject->destroy(t->s);
}

/* An instance that is looked at, which also warms what is warm in use, then those that are timed. */
static bool take_turn(struct turn *t, enum sequence seq)
{
    t->ok = true;
    if ((seq == SEQ_FAULT && !t->subject->fault) || (seq == SEQ_LOOKUP && !t->subject->lookup))
        return true;
    for (unsigned i = 0; i <= repeats[seq]; i++) {
        t->verify = i == 0;
        memset(t->tally, 0, sizeof(t->tally));
        t->s = t->subject->create(&t->arena, seq);
        if (!t->s)
            return true;
        run_sequence(t, seq);
        t->subject->release(t->s);
        for (unsigned row = 0; row < ROWS; row++)
            if (t->tally[row].jobs)
                cell_add(&cell[row][t->place], &t->tally[row]);
    }
    return t->ok;
}

/* Table pages that a sequence may take: no more than it needs, and what a space keeps. */
static uint32_t arena_pages(const struct work *w, enum sequence seq)
{
    const struct jobs *jobs = seq == SEQ_BLOCKS   ? &w->blocks
                              : seq == SEQ_MIXED  ? &w->mixed
                              : seq == SEQ_SINGLE ? &w->single
                              : seq == SEQ_FAULT  ? &w->single
                              : seq == SEQ_SPLIT  ? &w->split
                                                  : &w->pages;

    return oracle_tables_needed(jobs) + 64;
}

bool measure(struct results *results, const struct subject *const *subject, unsigned subjects, const struct work *work,
             unsigned rounds, unsigned sequences)
{
    uint32_t most = 0;
    struct arena arena;
    bool ok = true;

    for (unsigned seq = 0; seq < SEQUENCES; seq++)
        most = arena_pages(work, seq) > most ? arena_pages(work, seq) : most;
    arena_make(&arena, most);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned seq = 0; seq < SEQUENCES; seq++)
            for (unsigned i = 0; sequences >> seq & 1 && i < subjects; i++) {
                struct turn t = {.work = work, .place = (round + i) % subjects, .results = results};

                t.subject = subject[t.place];
                t.arena = (struct arena){arena.host, arena_pages(work, seq)};
                ok &= take_turn(&t, seq);
            }
    arena_free(&arena);
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned i = 0; i < subjects; i++)
            results->of[row][i].ns = cell_median(&cell[row][i]);
    return ok;
}
