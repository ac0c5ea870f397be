/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The strict machine. */
#include <stdlib.h>

#include "model_watch.h"

struct model_watch {
    struct s2_caps caps;
};

struct model_watch *model_watch_create(struct s2_port *m, const struct s2_caps *caps)
{
    (void)m;
    struct model_watch *w = calloc(1, sizeof *w);
    if (!w)
        model_fatal("no memory for the strict machine", sizeof *w);
    w->caps = *caps;
    return w;
}

void model_watch_destroy(struct model_watch *w)
{
    free(w);
}

uint64_t model_write(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first,
                     uint64_t step, enum model_write how)
{
    (void)port, (void)how;
    uint64_t was = __atomic_exchange_n(slot, first, __ATOMIC_ACQ_REL);
    for (unsigned i = 1; i < n; i++)
        __atomic_store_n(&slot[i], first + i * step, __ATOMIC_RELAXED);
    return was;
}

bool model_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc)
{
    (void)port;
    return __atomic_compare_exchange_n(slot, &expected, desc, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

void model_tlbi(struct s2_port *m, enum s2_tlbi op, uint64_t operand)
{
    (void)m, (void)op, (void)operand;
}
void model_barrier(struct s2_port *m, enum s2_barrier barrier)
{
    (void)m, (void)barrier;
}
void model_context(struct s2_port *m)
{
    (void)m;
}
void model_bytes_written(struct s2_port *m, void *to, size_t bytes)
{
    (void)m, (void)to, (void)bytes;
}
void model_cleaned(struct s2_port *m, void *va, size_t bytes)
{
    (void)m, (void)va, (void)bytes;
}
void model_synced(struct s2_port *m, void *va, size_t bytes)
{
    (void)m, (void)va, (void)bytes;
}
void model_print_trace(struct s2_port *m, FILE *to)
{
    (void)m, (void)to;
}
