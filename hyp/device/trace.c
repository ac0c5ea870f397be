/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The event trace at EL2 (docs/trace.md): each CPU records into a ring of its own, and whichever CPU comes by writes what is
 * there to the console, in the order of the numbers, as far as the trace's share of the line reaches. Nobody waits for it:
 * what finds its ring full is counted, and the count is an event, too. */
#ifdef CONFIG_EVENT_TRACE

#include <string.h>

#include <s2_port.h>

#include <boot/arm.h>
#include <boot/boot.h>
#include <boot/hooks.h>
#include <boot/mem.h>
#include <boot/print.h>
#include <cpu/cpu.h>
#include <cpu/hooks.h>
#include <device/console.h>

#define PAR_ADDRESS 0xffffffffff000ull
#define PAGE_OFFSET (MEM_PAGE - 1)

enum {
    END_WAIT_MS = 100,
    LINES_AT_ONCE = 8, /* who writes them has other work, and others go on recording */
};

/* One writer, its CPU, with interrupts masked; one reader, who holds `reading`. */
struct ring {
    struct s2_event *event; /* null: no memory for it, and every event is lost */
    uint32_t head, tail;    /* how many were taken out and put in */
    uint64_t lost;          /* since the last that was put in */
    bool entered;           /* and that was the entry of a guest */
};

static struct {
    struct ring ring[CONFIG_S2_MAX_CPUS];
    uint32_t kinds;   /* bit by enum s2_event_kind: those that are recorded */
    uint64_t numbers; /* given so far */
    bool reading;
    uint64_t read; /* number of the next event to be written */
    struct outring_share share;
} trace;

/* --- recording --------------------------------------------------------------------------------------------------------- */

static void put(struct ring *r, struct s2_event event)
{
    event.number = __atomic_fetch_add(&trace.numbers, 1, __ATOMIC_RELAXED);
    event.cpu = (uint8_t)this_cpu()->index;
    r->event[r->tail % CONFIG_EVENT_TRACE_EVENTS] = event;
    __atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
}

static void put_lost(struct ring *r)
{
    put(r, (struct s2_event){.kind = S2_EVENT_LOST, .a = r->lost});
    r->lost = 0;
}

/* Of windows, too, which mem_pa does not know. */
static uint64_t pa_of(uint64_t va)
{
    uint64_t was = reg_read(par_el1), par;
    __asm__ volatile("at s1e2r, %0\n\tisb" : : "r"(va) : "memory");
    par = reg_read(par_el1);
    reg_write(par_el1, was);
    return (par & PAR_ADDRESS) | (va & PAGE_OFFSET);
}

/* What the port leaves to be filled in. */
static void complete(struct s2_event *e)
{
    if (e->kind == S2_EVENT_WRITE || e->kind == S2_EVENT_MEMORY)
        e->a = pa_of(e->a);
    if (e->kind == S2_EVENT_TLBI || e->kind == S2_EVENT_ENTER)
        e->b = reg_read(vttbr_el2);
    if (e->kind == S2_EVENT_TLBI)
        e->c = reg_read(vtcr_el2);
    if (e->kind == S2_EVENT_VTTBR && e->b == 0) /* VTTBR_EL2 alone: no VTCR_EL2 is 0 */
        e->b = reg_read(vtcr_el2);
}

void hyp_event(struct s2_event event)
{
    if ((trace.kinds >> event.kind & 1) == 0)
        return;
    struct ring *r = &trace.ring[this_cpu()->index];
    bool enters = event.kind == S2_EVENT_ENTER;
    if (enters && r->entered)
        return;
    uint32_t left = CONFIG_EVENT_TRACE_EVENTS - (r->tail - __atomic_load_n(&r->head, __ATOMIC_ACQUIRE));
    if (r->event == NULL || left < 1 + (r->lost > 0)) {
        r->lost++;
        return;
    }
    if (r->lost > 0)
        put_lost(r);
    complete(&event);
    put(r, event);
    r->entered = enters;
}

/* --- reading ----------------------------------------------------------------------------------------------------------- */

/* The ring whose next event has the lowest number; null: all are empty. */
static struct ring *first_ring(void)
{
    struct ring *first = NULL;
    uint64_t lowest = UINT64_MAX;
    for (unsigned i = 0; i < CONFIG_S2_MAX_CPUS; i++) {
        struct ring *r = &trace.ring[i];
        if (__atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == r->head)
            continue;
        uint64_t number = r->event[r->head % CONFIG_EVENT_TRACE_EVENTS].number;
        if (number >= lowest)
            continue;
        lowest = number;
        first = r;
    }
    return first;
}

static void line_of(const struct ring *r, char line[S2_EVENT_LINE + 1])
{
    size_t n = s2_event_line(&r->event[r->head % CONFIG_EVENT_TRACE_EVENTS], line);
    line[n] = '\n';
    line[n + 1] = '\0';
}

static void take_out(struct ring *r)
{
    trace.read++;
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
}

void trace_drain(void)
{
    char line[S2_EVENT_LINE + 1];
    if (trace.kinds == 0 || __atomic_exchange_n(&trace.reading, true, __ATOMIC_ACQUIRE))
        return;
    for (unsigned i = 0; i < LINES_AT_ONCE; i++) {
        struct ring *r = first_ring();
        /* A number that was given is put in at once, only not yet. */
        if (r == NULL || r->event[r->head % CONFIG_EVENT_TRACE_EVENTS].number != trace.read)
            break;
        line_of(r, line);
        if (!console_offer(line, &trace.share))
            break;
        take_out(r);
    }
    __atomic_store_n(&trace.reading, false, __ATOMIC_RELEASE);
}

void trace_end(void)
{
    char line[S2_EVENT_LINE + 1];
    uint64_t lost = 0, until;
    if (trace.kinds == 0)
        return;
    trace.kinds = 0;
    /* Whoever is at it is soon done, unless it crashed meanwhile, or stands still since another did. */
    until = cpu_ticks() + cpu_ticks_per_second() * END_WAIT_MS / 1000;
    while (__atomic_exchange_n(&trace.reading, true, __ATOMIC_ACQUIRE) && cpu_ticks() < until) {
    }
    for (struct ring *r = first_ring(); r != NULL; r = first_ring()) {
        line_of(r, line);
        take_out(r);
        console_puts(line);
    }
    for (unsigned i = 0; i < CONFIG_S2_MAX_CPUS; i++)
        lost += trace.ring[i].lost;
    print("bulkhead: trace: %lu events; lost at the end: %lu\n", (unsigned long)trace.read, (unsigned long)lost);
}

/* --- which ------------------------------------------------------------------------------------------------------------- */

static bool is(const char *word, const char *at, size_t bytes)
{
    return strlen(word) == bytes && strncmp(word, at, bytes) == 0;
}

static uint32_t kinds_named(const char *at, size_t bytes)
{
    if (is("all", at, bytes))
        return UINT32_MAX;
    for (unsigned kind = 0; kind < S2_EVENT_KINDS; kind++)
        if (is(s2_event_name(kind), at, bytes))
            return 1u << kind;
    print("bulkhead: trace=: unknown, from here on: %s\n", at);
    return 0;
}

void trace_init(void)
{
    size_t bytes = 0;
    uint32_t kinds = 0;
    const char *at = boot_option("trace", &bytes);
    for (const char *end = at + bytes; at != NULL && at < end;) {
        size_t n = 0;
        while (at + n < end && at[n] != ',')
            n++;
        kinds |= kinds_named(at, n);
        at += n + 1;
    }
    for (unsigned i = 0; kinds != 0 && i < cpu_count(); i++) {
        trace.ring[i].event = mem_alloc(CONFIG_EVENT_TRACE_EVENTS * sizeof(struct s2_event), sizeof(uint64_t));
        if (trace.ring[i].event == NULL)
            print("bulkhead: trace: no memory for the events of CPU %u\n", i);
    }
    trace.kinds = kinds;
}

#endif
