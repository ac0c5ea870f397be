/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "work.h"

#include <stdlib.h>

static uint64_t state;

static uint64_t next(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct jobs make(unsigned n)
{
    struct jobs jobs = {calloc(n, sizeof(struct job)), n};

    if (!jobs.job)
        abort();
    return jobs;
}

static struct jobs make_one(uint64_t bytes, uint64_t off)
{
    struct jobs jobs = make(1);

    jobs.job[0] = (struct job){MAP_IPA, bytes, RAM_PA + off};
    return jobs;
}

/* A page of the IPA space, another for each i: every step can be undone. */
static uint64_t scattered(uint64_t i, uint64_t salt)
{
    uint64_t mask = (UINT64_C(1) << IPA_BITS) / PAGE - 1, x = (i + salt) & mask;

    for (unsigned round = 0; round < 3; round++) {
        x = x * UINT64_C(0x9e3779b97f4a7c15) & mask;
        x ^= x >> (IPA_BITS - 12) / 2;
    }
    return x * PAGE;
}

static struct jobs make_mixed(uint64_t bytes)
{
    const uint64_t piece = 4 * BLOCK;
    struct jobs jobs = make((unsigned)(bytes / piece));
    uint64_t at = MAP_IPA + next() % (BLOCK / PAGE) * PAGE;

    for (unsigned i = 0; i < jobs.n; i++) {
        uint64_t end = MAP_IPA + (i + 1) * piece + next() % (BLOCK / PAGE) * PAGE;

        jobs.job[i] = (struct job){at, end - at, RAM_PA + i * 3 * piece + at % BLOCK};
        at = end;
    }
    return jobs;
}

static struct jobs make_singles(unsigned n)
{
    struct jobs jobs = make(n);
    uint64_t salt = next();

    for (unsigned i = 0; i < n; i++)
        jobs.job[i] = (struct job){scattered(i, salt), PAGE, RAM_PA + i * PAGE};
    return jobs;
}

static struct jobs shuffled(const struct jobs *from)
{
    struct jobs jobs = make(from->n);

    for (unsigned i = 0; i < jobs.n; i++) {
        unsigned at = (unsigned)(next() % (i + 1));

        jobs.job[i] = jobs.job[at];
        jobs.job[at] = from->job[i];
    }
    return jobs;
}

static struct jobs make_splits(unsigned n)
{
    struct jobs jobs = make(n);

    for (unsigned i = 0; i < n; i++) {
        uint64_t off = i * BLOCK + next() % (BLOCK / PAGE) * PAGE;

        jobs.job[i] = (struct job){MAP_IPA + off, PAGE, RAM_PA + BLOCK + off};
    }
    return jobs;
}

static struct jobs make_rest(const struct jobs *split)
{
    struct jobs jobs = make(2 * split->n);

    for (unsigned i = 0; i < split->n; i++) {
        const struct job *j = &split->job[i];
        uint64_t before = j->ipa % BLOCK, after = BLOCK - before - PAGE;

        jobs.job[2 * i] = (struct job){j->ipa - before, before, j->pa - before};
        jobs.job[2 * i + 1] = (struct job){j->ipa + PAGE, after, j->pa + PAGE};
    }
    return jobs;
}

void work_make(struct work *w, bool small, uint64_t seed)
{
    uint64_t bytes = small ? GIB / 32 : GIB;
    unsigned singles = small ? 512 : 65536, splits = small ? 32 : 4096;

    state = seed;
    w->pages = make_one(bytes, PAGE);
    w->blocks = make_one(64 * bytes, BLOCK);
    w->mixed = make_mixed(bytes);
    w->single = make_singles(singles);
    w->single_unmap = shuffled(&w->single);
    w->split_blocks = make_one(splits * BLOCK, BLOCK);
    w->split = make_splits(splits);
    w->split_rest = make_rest(&w->split);
    w->lookups = small ? 4096 : 262144;
    w->lookup = calloc(w->lookups, sizeof(uint64_t));
    if (!w->lookup)
        abort();
    for (unsigned i = 0; i < w->lookups; i++)
        w->lookup[i] = MAP_IPA + next() % (bytes / PAGE) * PAGE;
}

void work_free(struct work *w)
{
    struct jobs *all[] = {&w->pages,        &w->blocks,       &w->mixed, &w->single,
                          &w->single_unmap, &w->split_blocks, &w->split, &w->split_rest};

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]->job);
    free(w->lookup);
}

uint64_t jobs_bytes(const struct jobs *jobs)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < jobs->n; i++)
        bytes += jobs->job[i].bytes;
    return bytes;
}
