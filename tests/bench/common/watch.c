/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "watch.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long preemptions(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

static uint64_t clock_cost(void)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 10000; i++) {
        uint64_t from = now(), took = now() - from;

        least = took < least ? took : least;
    }
    return least;
}

struct watch watch_start(void)
{
    struct watch w = {.preemptions = preemptions()};

    w.from = now();
    return w;
}

struct took watch_stop(const struct watch *w)
{
    static uint64_t cost;
    uint64_t ns = now() - w->from;
    bool disturbed = preemptions() != w->preemptions;

    if (!cost)
        cost = clock_cost();
    return (struct took){ns > cost ? ns - cost : 0, disturbed};
}

void tally_add(struct tally *t, struct took took, uint64_t jobs)
{
    t->all.ns += took.ns;
    t->jobs += jobs;
    if (took.disturbed)
        return;
    t->calm.ns += took.ns;
    t->calm_jobs += jobs;
}

void cell_add(struct cell *c, const struct tally *t)
{
    bool disturbed = t->calm_jobs == 0;
    double sample = disturbed ? (double)t->all.ns / (double)t->jobs : (double)t->calm.ns / (double)t->calm_jobs;

    if (disturbed && c->samples) {
        if (c->disturbed && sample < c->sample[0])
            c->sample[0] = sample;
        return;
    }
    if (c->disturbed)
        c->samples = 0;
    c->sample[c->samples++] = sample;
    c->disturbed = disturbed;
}

void cell_add_one(struct cell *c, struct took took, uint64_t jobs)
{
    struct tally t = {.jobs = 0};

    tally_add(&t, took, jobs);
    cell_add(c, &t);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double cell_median(struct cell *c)
{
    unsigned n = c->samples;

    if (n == 0)
        return -1;
    qsort(c->sample, n, sizeof(c->sample[0]), by_value);
    return n % 2 ? c->sample[n / 2] : (c->sample[n / 2 - 1] + c->sample[n / 2]) / 2;
}
