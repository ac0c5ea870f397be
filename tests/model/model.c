/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine: memory, CPUs, counters. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model.h"
#include "model_watch.h"

static _Thread_local unsigned current_cpu;

struct s2_caps model_caps_least(void)
{
    return (struct s2_caps){.pa_bits = 48, .vmid_bits = 8, .gran4k = true, .dline_log2 = 6, .iline_log2 = 6};
}

struct s2_caps model_caps_most(void)
{
    return (struct s2_caps){.pa_bits = 52,
                            .vmid_bits = 16,
                            .bbm = 2,
                            .gran4k = true,
                            .gran16k = true,
                            .gran64k = true,
                            .lpa2_4k = true,
                            .lpa2_16k = true,
                            .tlbirange = true,
                            .ttl = true,
                            .fwb = true,
                            .xnx = true,
                            .haf = true,
                            .hdbs = true,
                            .cnp = true,
                            .small_va = true,
                            .idc = true,
                            .dic = true,
                            .dline_log2 = 6,
                            .iline_log2 = 6};
}

_Noreturn void model_fatal(const char *what, uint64_t value)
{
    fprintf(stderr, "model: %s (%#llx)\n", what, (unsigned long long)value);
    abort();
}

struct s2_port *model_create(const struct model_config *cfg)
{
    struct s2_port *m = calloc(1, sizeof *m);
    if (!m)
        model_fatal("no memory for the machine", sizeof *m);
    m->cpus = cfg->cpus ? cfg->cpus : 1;
    if (m->cpus > MODEL_CPUS)
        model_fatal("more CPUs than MODEL_CPUS", m->cpus);
    for (unsigned i = 0; i < m->cpus; i++)
        m->cpu[i].irqs_on = cfg->irqs_on;
    for (unsigned i = 0; i < MODEL_BANKS && cfg->bank[i].bytes; i++) {
        struct model_memory *b = &m->bank[m->banks++];
        b->base = cfg->bank[i].base;
        b->bytes = cfg->bank[i].bytes;
        b->host = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (b->host == MAP_FAILED)
            model_fatal("no host memory for a bank of bytes", b->bytes);
    }
    current_cpu = 0;
    if (cfg->strict)
        model_trace_begin(m);
    if (cfg->strict)
        m->watch = model_watch_create(m, cfg);
    return m;
}

struct s2_port *model_create_simple(uint64_t base, uint64_t bytes, bool strict)
{
    struct model_config cfg = {.strict = strict, .caps = model_caps_most()};
    cfg.bank[0] = (struct model_bank){base, bytes};
    return model_create(&cfg);
}

void model_destroy(struct s2_port *m)
{
    if (m->watch)
        model_watch_destroy(m->watch);
    model_trace_end(m);
    for (unsigned i = 0; i < m->banks; i++)
        munmap(m->bank[i].host, m->bank[i].bytes);
    free(m);
}

void model_set_cpu(struct s2_port *m, unsigned cpu)
{
    if (cpu >= m->cpus)
        model_fatal("no such CPU", cpu);
    current_cpu = cpu;
}

unsigned s2_port_cpu(struct s2_port *port)
{
    (void)port;
    return current_cpu;
}

struct model_cpu *model_this_cpu(struct s2_port *m)
{
    return &m->cpu[current_cpu];
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

unsigned char *model_host(struct s2_port *m, uint64_t pa)
{
    for (unsigned i = 0; i < m->banks; i++)
        if (pa >= m->bank[i].base && pa - m->bank[i].base < m->bank[i].bytes)
            return m->bank[i].host + (pa - m->bank[i].base);
    return NULL;
}

bool model_pa(const struct s2_port *m, const void *host, uint64_t *pa)
{
    uintptr_t at = (uintptr_t)host;
    for (unsigned i = 0; i < m->banks; i++) {
        uintptr_t base = (uintptr_t)m->bank[i].host;
        if (at >= base && at - base < m->bank[i].bytes) {
            *pa = m->bank[i].base + (at - base);
            return true;
        }
    }
    return false;
}

void *model_ram(struct s2_port *m, uint64_t pa)
{
    void *host = model_host(m, pa);
    if (!host)
        model_fatal("no RAM at this PA", pa);
    return host;
}

uint64_t *s2_port_table(struct s2_port *port, s2_pa pa)
{
    return (uint64_t *)model_ram(port, pa.v);
}

void *s2_port_window_map(struct s2_port *port, s2_pa pa, size_t bytes)
{
    struct model_cpu *cpu = model_this_cpu(port);
    model_count(&port->count.windows, 1);
    if (!bytes || bytes > S2_PORT_WINDOW || pa.v / S2_PORT_WINDOW != (pa.v + bytes - 1) / S2_PORT_WINDOW)
        model_violate(port, "window [%#llx, +%#zx) crosses a multiple of 2 MiB or is too large",
                      (unsigned long long)pa.v, bytes);
    void *va = model_ram(port, pa.v);
    for (unsigned i = 0; i < MODEL_WINDOWS; i++) {
        if (!cpu->window[i].va) {
            cpu->window[i] = (struct model_window){va, bytes};
            return va;
        }
    }
    model_violate(port, "more than %u windows at once", MODEL_WINDOWS);
    return va;
}

void s2_port_window_unmap(struct s2_port *port, void *va, size_t bytes)
{
    struct model_cpu *cpu = model_this_cpu(port);
    for (unsigned i = 0; i < MODEL_WINDOWS; i++) {
        if (cpu->window[i].va == va && cpu->window[i].bytes == bytes) {
            cpu->window[i] = (struct model_window){NULL, 0};
            return;
        }
    }
    model_violate(port, "a window of %#zx bytes is unmapped that this CPU has not mapped", bytes);
}

bool model_in_window(struct s2_port *m, const void *va, uint64_t *pa)
{
    const struct model_cpu *cpu = model_this_cpu(m);
    uintptr_t at = (uintptr_t)va;
    for (unsigned i = 0; i < MODEL_WINDOWS; i++) {
        uintptr_t base = (uintptr_t)cpu->window[i].va;
        if (base && at >= base && at - base < cpu->window[i].bytes)
            return model_pa(m, va, pa);
    }
    return false;
}

static void event(struct s2_port *m, enum s2_event_kind kind, unsigned how, uint64_t a, uint64_t b)
{
    if (m->trace)
        model_record(m, (struct s2_event){.kind = (uint8_t)kind, .how = (uint8_t)how, .a = a, .b = b});
}

static void memory_event(struct s2_port *m, enum s2_memory how, const void *host, size_t bytes)
{
    if (m->trace)
        model_record_at(m, (struct s2_event){.kind = S2_EVENT_MEMORY, .how = (uint8_t)how, .b = bytes}, host);
}

void s2_port_copy(struct s2_port *port, void *to, const void *from, size_t bytes)
{
    model_count(&port->count.copied, bytes);
    memory_event(port, S2_MEMORY_COPY, to, bytes);
    if (port->watch)
        model_bytes_written(port, to, bytes, false);
    memcpy(to, from, bytes);
}

void s2_port_zero(struct s2_port *port, void *va, size_t bytes)
{
    model_count(&port->count.zeroed, bytes);
    memory_event(port, S2_MEMORY_ZERO, va, bytes);
    model_count(&port->count.zeroed_locked, model_locks_held() ? bytes : 0);
    if (port->watch)
        model_bytes_written(port, va, bytes, true);
    memset(va, 0, bytes);
}

void s2_port_clean_poc(struct s2_port *port, void *va, size_t bytes)
{
    model_count(&port->count.cleaned, bytes);
    memory_event(port, S2_MEMORY_CLEAN, va, bytes);
    if (port->watch)
        model_cleaned(port, va, bytes);
}

void s2_port_sync_code(struct s2_port *port, void *va, size_t bytes)
{
    model_count(&port->count.synced, bytes);
    memory_event(port, S2_MEMORY_SYNC, va, bytes);
    if (port->watch)
        model_synced(port, va, bytes);
}

/* --- invalidation and context: counted here, understood in the strict part --------------------------------------- */

/* Is there a level in the TTL field (C5.5.3, C5.5.22)? */
static bool hinted(enum s2_tlbi op, uint64_t operand)
{
    if (op == S2_TLBI_RIPAS2E1IS || op == S2_TLBI_RIPAS2LE1IS || op == S2_TLBI_RIPAS2E1 || op == S2_TLBI_RIPAS2LE1)
        return operand >> 37 & 3;
    return operand >> 44 & 15;
}

void s2_port_tlbi(struct s2_port *port, enum s2_tlbi op, uint64_t operand)
{
    model_count(&port->count.tlbi[op], 1);
    model_count(&port->count.hints, hinted(op, operand));
    event(port, S2_EVENT_TLBI, op, operand, 0);
    if (port->watch)
        model_tlbi(port, op, operand);
}

void s2_port_barrier(struct s2_port *port, enum s2_barrier barrier)
{
    __atomic_fetch_add(&port->count.barrier[barrier], 1, __ATOMIC_SEQ_CST); /* a fence that TSan knows of */
    event(port, S2_EVENT_BARRIER, barrier, 0, 0);
    if (port->watch)
        model_barrier(port, barrier);
}

uint64_t s2_port_vttbr(struct s2_port *port)
{
    return model_this_cpu(port)->vttbr;
}

uint64_t s2_port_vtcr(struct s2_port *port)
{
    return model_this_cpu(port)->vtcr;
}

void s2_port_load_context(struct s2_port *port, uint64_t vttbr, uint64_t vtcr)
{
    struct model_cpu *cpu = model_this_cpu(port);
    model_count(&port->count.contexts, 1);
    event(port, S2_EVENT_VTTBR, 0, vttbr, vtcr);
    if (cpu->irqs_on)
        model_violate(port, "a context is loaded with interrupts unmasked");
    uint64_t before_vttbr = cpu->vttbr, before_vtcr = cpu->vtcr;
    cpu->vttbr = vttbr;
    cpu->vtcr = vtcr;
    if (port->watch)
        model_context(port, before_vttbr, before_vtcr);
}

void s2_port_walks_stop(struct s2_port *port, struct s2_walks *saved)
{
    saved->word[0] = ++model_this_cpu(port)->walks_stopped;
    model_count(&port->count.walk_stops, 1);
}

void s2_port_walks_resume(struct s2_port *port, const struct s2_walks *saved)
{
    if (saved->word[0] != model_this_cpu(port)->walks_stopped--)
        model_violate(port, "stage-1 walks are resumed with what another stop had saved");
}

uint64_t s2_port_at_s1(struct s2_port *port, uint64_t va, bool write, bool user)
{
    if (port->at)
        return port->at(port->at_arg, va, write, user);
    return va & 0x000ffffffffff000ull; /* PAR_EL1: F = 0, PA in [51:12] */
}

void model_script_at(struct s2_port *m, model_at_fn *at, void *arg)
{
    m->at = at;
    m->at_arg = arg;
}

void model_script_cas(struct s2_port *m, model_cas_fn *fn, void *arg)
{
    m->before_cas = fn;
    m->before_cas_arg = arg;
}

void model_before_cas(struct s2_port *port)
{
    model_cas_fn *fn = port->before_cas;
    port->before_cas = NULL;
    fn(port->before_cas_arg);
}

uint64_t s2_port_irq_mask(struct s2_port *port)
{
    struct model_cpu *cpu = model_this_cpu(port);
    uint64_t was = cpu->irqs_on;
    cpu->irqs_on = false;
    return was;
}

void s2_port_irq_restore(struct s2_port *port, uint64_t was)
{
    model_this_cpu(port)->irqs_on = was != 0;
}

/* --- counters, violations ---------------------------------------------------------------------------------------- */

void model_reset_counters(struct s2_port *m)
{
    memset(&m->count, 0, sizeof m->count);
}

uint64_t model_tlbis(const struct s2_port *m)
{
    uint64_t n = 0;
    for (unsigned i = 0; i <= S2_TLBI_ALLE1; i++)
        n += m->count.tlbi[i];
    return n;
}

uint64_t model_dsbs(const struct s2_port *m)
{
    return m->count.barrier[S2_DSB_ISHST] + m->count.barrier[S2_DSB_ISH] + m->count.barrier[S2_DSB_NSH];
}

void model_violate(struct s2_port *m, const char *fmt, ...)
{
    if (__atomic_fetch_add(&m->violations, 1, __ATOMIC_ACQ_REL))
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->first, sizeof m->first, fmt, ap);
    va_end(ap);
}

const char *model_violation(const struct s2_port *m)
{
    return m->violations ? m->first : NULL;
}

void model_forget_violations(struct s2_port *m)
{
    m->violations = 0;
}

bool model_ok(struct s2_port *m)
{
    if (!m->violations)
        return true;
    fprintf(stderr, "model: %u violations, the first: %s\n", m->violations, m->first);
    if (m->watch)
        model_print_trace(m, stderr);
    return false;
}
