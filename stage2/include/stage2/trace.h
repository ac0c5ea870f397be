/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The event trace: what the library asks of the machine, one record for each request and one line of text for each record.
 *
 * All of it goes through the port, so it is the port that records; the library does not know of it. Lines are the same
 * whoever records them; docs/trace.md has the format. */
#ifndef STAGE2_TRACE_H
#define STAGE2_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include <stage2/port_types.h>

enum s2_event_kind {
    S2_EVENT_WRITE,   /* descriptors; how: enum s2_write */
    S2_EVENT_TLBI,    /* how: enum s2_tlbi; a: operand; b, c: VTTBR_EL2 and VTCR_EL2 as they are loaded */
    S2_EVENT_BARRIER, /* how: enum s2_barrier */
    S2_EVENT_VTTBR,   /* a context is loaded; a: VTTBR_EL2; b: VTCR_EL2 */
    S2_EVENT_LOCK,    /* how: enum s2_lock_mode; a: enum s2_lock_class; b: id; n: 1 when it was taken */
    S2_EVENT_UNLOCK,  /* the same without n, just before it is given up */
    S2_EVENT_MEMORY,  /* how: enum s2_memory; a: PA; b: bytes */
    S2_EVENT_ENTER,   /* this CPU enters a guest; a: number of the vCPU; b: VTTBR_EL2 */
    S2_EVENT_ACCESS,  /* the model's guest; how: 0 reads, 1 writes, 2 executes; a: IPA */
    S2_EVENT_LOST,    /* a: so many events of this CPU found no room before this one */
    S2_EVENT_KINDS
};

/* a: PA of the first descriptor. */
enum s2_write {
    S2_WRITE_STORE,   /* c: what is written */
    S2_WRITE_RELEASE, /* the same */
    S2_WRITE_SWAP,    /* b: what was there; c: what is written */
    S2_WRITE_CAS,     /* b: what was expected; c: what is to be written; n: 1 when it was */
    S2_WRITE_FILL,    /* n descriptors, b: the first; c: what is added for each further one */
};
enum s2_lock_mode { S2_LOCK_EXCLUSIVE, S2_LOCK_SHARED, S2_LOCK_TRY };
enum s2_memory { S2_MEMORY_ZERO, S2_MEMORY_COPY, S2_MEMORY_CLEAN, S2_MEMORY_SYNC };

struct s2_event {
    uint64_t number;  /* in the order of all CPUs, from 0 without gaps */
    uint64_t a, b, c; /* by kind */
    uint32_t n;
    uint8_t kind, how, cpu;
};

/* Longer than any line, the 0 at its end included. */
#define S2_EVENT_LINE 160u

/* The line, without a line feed. Returns its length. What the record holds beyond its enumerations is shown as "?". */
size_t s2_event_line(const struct s2_event *e, char line[S2_EVENT_LINE]);
/* The word by which lines of that kind name it. */
const char *s2_event_name(enum s2_event_kind kind);

#endif
