/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Asks the CPU's own walker, with AT S12E1R and AT S12E1W, about every page of every area and the pages around it, and
 * compares the answers with the area tree and the ledger. The tables are not consulted: they are what is tested. */
#ifdef CONFIG_SELFTEST_AT

#include <boot/print.h>
#include <cpu/cpu.h>
#include <s2_port.h>

#include "vm/at.h"
#include "vm/vm.h"

#define REPORTED 8u /* differences that are printed one by one */

struct asked {
    struct vm *vm;
    uint64_t pages, differ;
};

/* True when the CPU translates; stage 1 is off, so the address is an IPA. */
static bool ask(uint64_t ipa, bool write, uint64_t *pa)
{
    uint64_t par = at_ask(ipa, write);
    *pa = par & PAR_ADDRESS;
    return (par & PAR_FAULT) == 0;
}

/* Its own, or another's who lets it. */
static bool may(const struct vm *vm, uint64_t pa, uint8_t rights)
{
    s2_ipa at;
    s2_pa end;
    return (s2_ledger_right(&host.ledger, vm->id, S2_PA(pa), &at, &end) & rights) == rights;
}

/* What is wrong with the page, null when nothing is. */
static const char *page_fault(struct asked *q, const struct s2_area *a, uint64_t ipa)
{
    uint64_t pa, pa_write;
    bool readable = ask(ipa, false, &pa), writable = ask(ipa, true, &pa_write);
    if (a == NULL || a->backend->memory == NULL)
        return readable || writable ? "is mapped, and no area says so" : NULL;
    bool lazy = (a->flags & S2_AREA_LAZY) != 0;
    if (!readable)
        return lazy && !writable ? NULL : "is not mapped";
    if (writable != ((a->attr.bits & S2_W) != 0))
        return writable ? "is writable, and its area is not" : "is read-only, and its area is not";
    if (writable && pa_write != pa)
        return "reads from one frame and writes to another";
    if (a->backend == &s2_backend_linear && pa != a->backing + (ipa - a->range.start.v))
        return "lies in another frame than its area says";
    return may(q->vm, pa, writable ? S2_RW : S2_R) ? NULL : "lies in a frame of somebody else";
}

static void check_page(struct asked *q, const struct s2_area *a, uint64_t ipa)
{
    const char *fault = page_fault(q, a, ipa);
    q->pages++;
    if (fault != NULL && q->differ++ < REPORTED)
        print("bulkhead: vm %s: at-check: 0x%lx %s\n", q->vm->name, (unsigned long)ipa, fault);
}

static void check_hole(struct asked *q, uint64_t ipa)
{
    struct s2_area a;
    if (ipa < s2_ipa_limit(&q->vm->space.cfg.geometry) && !s2_space_find(&q->vm->space, S2_IPA(ipa), &a))
        check_page(q, NULL, ipa);
}

void selftest_at(struct vm *vm)
{
    struct asked q = {.vm = vm};
    struct s2_area a;
    struct vcpu *loaded = this_cpu()->loaded; /* at a restart another VM's registers may be in this CPU */
    uint64_t granule = s2_granule_bytes(&vm->space.cfg.geometry);
    const struct at_saved saved = at_save();
    s2_space_load(&vm->space);
    at_begin(HCR_VM | HCR_RW);
    for (s2_ipa at = S2_IPA(0); s2_space_next(&vm->space, at, &a); at = a.range.end) {
        check_hole(&q, a.range.start.v - granule);
        for (uint64_t ipa = a.range.start.v; ipa < a.range.end.v; ipa += granule)
            check_page(&q, &a, ipa);
        check_hole(&q, a.range.end.v);
    }
    at_end(&saved);
    if (loaded != NULL)
        s2_space_load(loaded->space);
    print("bulkhead: vm %s: at-check: %lu pages, %lu differ\n", vm->name, (unsigned long)q.pages,
          (unsigned long)q.differ);
}

#else
typedef int selftest_is_off; /* ISO C wants something in every file */
#endif
