/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the machine was asked, as the lines of stage2/trace.h: the last of it for whoever broke a rule, all of it for whoever
 * wants to see. */
#include <pthread.h>
#include <stdlib.h>

#include "model_watch.h"

enum { KEPT = 96 };

struct model_trace {
    pthread_mutex_t mutex;
    FILE *to; /* null: nobody wants to see */
    uint64_t events;
    struct s2_event last[KEPT];
};

void model_trace_begin(struct s2_port *m)
{
    m->trace = calloc(1, sizeof *m->trace);
    if (!m->trace)
        model_fatal("no memory for the trace", sizeof *m->trace);
    pthread_mutex_init(&m->trace->mutex, NULL);
}

void model_trace_end(struct s2_port *m)
{
    if (!m->trace)
        return;
    pthread_mutex_destroy(&m->trace->mutex);
    free(m->trace);
    m->trace = NULL;
}

void model_trace(struct s2_port *m, FILE *to)
{
    if (!m->trace)
        model_trace_begin(m);
    m->trace->to = to;
}

static void print_event(const struct s2_event *e, FILE *to)
{
    char line[S2_EVENT_LINE];
    s2_event_line(e, line);
    fprintf(to, "%s\n", line);
}

void model_record(struct s2_port *m, struct s2_event e)
{
    struct model_trace *t = m->trace;
    e.cpu = (uint8_t)s2_port_cpu(m);
    if (e.kind == S2_EVENT_TLBI || e.kind == S2_EVENT_ENTER)
        e.b = s2_port_vttbr(m);
    if (e.kind == S2_EVENT_TLBI)
        e.c = s2_port_vtcr(m);
    pthread_mutex_lock(&t->mutex);
    e.number = t->events++;
    t->last[e.number % KEPT] = e;
    if (t->to)
        print_event(&e, t->to);
    pthread_mutex_unlock(&t->mutex);
}

/* At an address that is not RAM there is nothing that anybody walks or runs: a test's own buffer. */
void model_record_at(struct s2_port *m, struct s2_event e, const void *host)
{
    if (model_pa(m, host, &e.a))
        model_record(m, e);
}

void model_print_trace(struct s2_port *m, FILE *to)
{
    const struct model_trace *t = m->trace;
    for (uint64_t i = t->events > KEPT ? t->events - KEPT : 0; i < t->events; i++)
        print_event(&t->last[i % KEPT], to);
}
