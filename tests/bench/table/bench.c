/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The table benchmark: ns of CPU work per page, block or operation (work.h) of the table engine, compiled with a port of plain
 * memory, beside the limit (subject_limit.c), the whole address space and, when they are linked, other people's engines. Its
 * exit status says whether every table was what it should be, never how fast.
 *
 * In each round all subjects do each sequence of workloads in turn, over the same memory: first an instance whose tables are
 * read back page by page (oracle.c) and not timed, then several, each with fresh tables, whose operations are timed alone. A
 * part during which another process had the CPU does not count. The cell of a table is the median over rounds and instances. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/machine.h"
#include "bench/common/watch.h"
#include "report.h"
#include "shortage.h"

#define SUBJECT(name) extern const struct subject name __attribute__((weak))
SUBJECT(subject_engine);
SUBJECT(subject_limit);
SUBJECT(subject_limit2);
SUBJECT(subject_space);
SUBJECT(subject_kvm);

enum { ENGINE, LIMIT, LIMIT2, SPACE, OWN };
static const struct subject *const all[] = {&subject_engine, &subject_limit, &subject_limit2, &subject_space,
                                            &subject_kvm};

struct options {
    unsigned rounds;
    int cpu;            /* the last one that this process may use, unless it is told another */
    unsigned sequences; /* bits */
    bool small, markdown;
};

static void usage(void)
{
    fputs("usage: bench-table [--rounds N] [--cpu N] [--small] [--only SEQUENCE,...] [--markdown]\nsequences:", stderr);
    for (unsigned i = 0; i < SEQUENCES; i++)
        fprintf(stderr, " %s", sequence_name[i]);
    fputc('\n', stderr);
    exit(2);
}

static unsigned parse_sequences(char *list)
{
    unsigned bits = 0;

    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        unsigned i = 0;

        while (i < SEQUENCES && strcmp(name, sequence_name[i]) != 0)
            i++;
        if (i == SEQUENCES)
            usage();
        bits |= 1u << i;
    }
    return bits;
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"rounds", required_argument, NULL, 'r'}, {"cpu", required_argument, NULL, 'c'},
        {"only", required_argument, NULL, 'o'},   {"small", no_argument, NULL, 's'},
        {"markdown", no_argument, NULL, 'm'},     {NULL, 0, NULL, 0}};
    struct options o = {.rounds = 7, .cpu = -1, .sequences = ~0u};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'r')
            o.rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'c')
            o.cpu = (int)strtol(optarg, NULL, 10);
        else if (c == 'o')
            o.sequences = parse_sequences(optarg);
        else if (c == 's')
            o.small = true;
        else if (c == 'm')
            o.markdown = true;
        else
            usage();
    }
    if (o.rounds == 0 || o.rounds > MOST_SAMPLES / MOST_REPEATS || optind != argc)
        usage();
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct table t = {.markdown = o.markdown};
    const struct subject *subject[MOST_SUBJECTS];
    static struct results results;
    struct work work;
    unsigned subjects = 0;
    bool ok;

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i])
            subject[subjects++] = all[i];
    o.cpu = machine_pin(o.cpu);
    work_make(&work, o.small, 42);
    ok = measure(&results, subject, subjects, &work, o.rounds, o.sequences);
    machine_report(o.markdown, o.rounds, o.cpu);
    for (unsigned i = 0; i < subjects; i++)
        printf(o.markdown ? "* %s: %s\n" : "  %-13s%s\n", subject[i]->name, subject[i]->what);
    report_engine(&t, &results, ENGINE, LIMIT, LIMIT2);
    if (&subject_space)
        report_space(&t, &results, SPACE, ENGINE);
    if (subjects > OWN)
        report_all(&t, &results, subject, subjects);
    ok &= report_shortage(&t, &work, subject, subjects, OWN);
    work_free(&work);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
