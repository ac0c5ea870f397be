/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The area benchmark: ns per operation of containers that hold the same N areas of 24 bytes payload. Its exit status says
 * whether all of them answered the truth, never how fast.
 *
 * Containers are built in random order and edited at random places; no batch of edits leaves more than N areas, and what it
 * changed is put back untimed. Small N: several instances in turn, edits in many short batches. In each round every peer
 * gets the same fresh jobs, the peers in turn; before a timed batch a peer is warmed by random searches and by a part of
 * the jobs. From a million on all of them are prepared before any is measured, and the caches are swept in between, so that
 * an edit does not find warm what its own preparation touched. A part during which another process had the CPU does not
 * count. The cell of a table is the median of the rounds. Bytes are what a container that was just built has allocated, by
 * the account of malloc, or its nodes if it has a pool. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "align.h"
#include "bench/common/machine.h"
#include "report.h"

#define PEER(name) extern const struct peer name __attribute__((weak))
PEER(peer_imap);
PEER(peer_areaset);
PEER(peer_limit);
PEER(peer_std);
PEER(peer_absl);
PEER(peer_icl);
PEER(peer_rust);
PEER(peer_maple);
PEER(peer_rbgap);

/* Bulkhead's own first, then the limit; the rest is what Bulkhead is measured against. */
static const struct peer *const all[] = {&peer_imap, &peer_areaset, &peer_limit, &peer_std,  &peer_absl,
                                         &peer_icl,  &peer_rust,    &peer_maple, &peer_rbgap};
#define OWN 3u

struct options {
    uint64_t n[MOST_SIZES];
    unsigned sizes, rounds;
    int cpu; /* the last one that this process may use, unless it is told another */
    const char *only;
    bool markdown;
};

static void usage(void)
{
    fputs("usage: bench-area [--rounds N] [--sizes N,N,...] [--peers name,...] [--cpu N] [--markdown]\n", stderr);
    exit(2);
}

static void parse_sizes(struct options *o, const char *text)
{
    o->sizes = 0;
    while (*text) {
        char *end;

        if (o->sizes == MOST_SIZES)
            usage();
        o->n[o->sizes] = strtoull(text, &end, 10);
        if (end == text || (*end && *end != ',') || o->n[o->sizes] < 16 || o->n[o->sizes] > 16000000)
            usage();
        o->sizes++;
        text = *end ? end + 1 : end;
    }
    if (!o->sizes)
        usage();
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"rounds", required_argument, NULL, 'r'}, {"sizes", required_argument, NULL, 's'},
        {"peers", required_argument, NULL, 'p'},  {"cpu", required_argument, NULL, 'c'},
        {"markdown", no_argument, NULL, 'm'},     {NULL, 0, NULL, 0}};
    struct options o = {.n = {16, 1000, 100000, 1000000}, .sizes = 4, .rounds = 7, .cpu = -1};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'r')
            o.rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 's')
            parse_sizes(&o, optarg);
        else if (c == 'p')
            o.only = optarg;
        else if (c == 'c')
            o.cpu = atoi(optarg);
        else if (c == 'm')
            o.markdown = true;
        else
            usage();
    }
    if (optind < argc || o.rounds < 1 || o.rounds > MOST_SAMPLES)
        usage();
    return o;
}

/* Is the name one of the comma-separated list? Bulkhead's map and the limit always are. */
static bool wanted(const char *list, unsigned place)
{
    const char *name = all[place]->name, *at = list;
    size_t length = strlen(name);

    if (!list || place == 0 || place == OWN - 1)
        return true;
    while ((at = strstr(at, name))) {
        if ((at == list || at[-1] == ',') && (at[length] == 0 || at[length] == ','))
            return true;
        at++;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct table t = {.markdown = o.markdown};
    const struct peer *peer[MOST_PEERS];
    static struct column column[MOST_SIZES];
    unsigned peers = 0, own = 0;
    bool ok = true;

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i] && wanted(o.only, i)) {
            peer[peers++] = all[i];
            own += i < OWN;
        }
    o.cpu = machine_pin(o.cpu);
    for (unsigned i = 0; i < o.sizes; i++) {
        fprintf(stderr, "N = %llu ...\n", (unsigned long long)o.n[i]);
        ok &= measure(&column[i], peer, peers, o.n[i], o.rounds, 42 + i);
    }
    machine_report(o.markdown, o.rounds, o.cpu);
    for (unsigned i = 0; i < peers; i++)
        printf(o.markdown ? "* %s: %s\n" : "  %-13s%s\n", peer[i]->name, peer[i]->what);
    report_values(&t, column, o.sizes, peer, peers);
    ok &= report_alignments(&t, o.n, o.sizes, o.rounds);
    report_targets(&t, column, o.sizes, peer, peers, own);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
