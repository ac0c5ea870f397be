/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Problems with a bundle, a manifest or a machine: each is one line of text, worded in one place, reported through a
 * callback, so that the host checker and the hypervisor say the same. */
#ifndef VM_PROBLEM_H
#define VM_PROBLEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Half-open. */
struct range {
    uint64_t start, end;
};
static inline bool range_empty(struct range r)
{
    return r.start >= r.end;
}
static inline bool range_meets(struct range a, struct range b)
{
    return !range_empty(a) && !range_empty(b) && a.start < b.end && b.start < a.end;
}
static inline bool range_inside(struct range in, struct range out)
{
    return in.start >= out.start && in.end <= out.end;
}

typedef void problem_fn(void *arg, const char *line);
struct problems {
    problem_fn *fn;
    void *arg;
    unsigned count;
};

/* A line being written; what does not fit is cut off. */
#define TEXT_BYTES 256u
struct text {
    size_t used;
    char s[TEXT_BYTES];
};
static inline void text_begin(struct text *t)
{
    t->used = 0;
    t->s[0] = '\0';
}
/* Formats: %s text (null prints "?"), %u unsigned (64-bit argument), %x 0x-hex (64-bit argument), %r struct range * as
 * start..end, %%. Never fails. */
void text_add(struct text *t, const char *fmt, ...);
void text_addv(struct text *t, const char *fmt, va_list *args);

/* One problem: "<subject><format...>"; subject may be empty. Counts it. */
void problem(struct problems *p, const char *subject, const char *fmt, ...);
void problemv(struct problems *p, const char *subject, const char *fmt, va_list *args);

#endif
