/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a person needs to see of an access that stopped a VM: who did what where, what that means, how the hardware came
 * to it, what lies near, and what might be done. */
#include <boot/hooks.h>
#include <boot/lock.h>
#include <boot/print.h>

#include "vm/vm.h"

#define NEAR       (16ull << 20) /* an address that close behind a region probably meant it */
#define WALK_STEPS 5u
#define DESC_VALID 1ull
#define DESC_TABLE 2ull
#define LAST_LEVEL 3

/* The report is put together first and printed in one piece, so that what others print does not come between its lines. */
static struct {
    struct lock lock;
    size_t used;
    char text[2048];
} report;

static void __attribute__((format(printf, 1, 2))) line(const char *fmt, ...)
{
    size_t room = sizeof(report.text) - report.used;
    va_list args;
    va_start(args, fmt);
    size_t length = vprint_to(report.text + report.used, room, fmt, &args);
    va_end(args);
    report.used += length < room ? length : room - 1;
}

static void print_access(struct vcpu *v, const struct s2_fault *f)
{
    static const char verbs[][8] = {
        [S2_ACCESS_READ] = "read", [S2_ACCESS_WRITE] = "write", [S2_ACCESS_EXEC] = "execute"};
    struct text t;
    text_begin(&t);
    text_add(&t, "%s", verbs[f->access]);
    if (f->isv)
        text_add(&t, " of %u bytes, x%u", 1ull << f->size_log2, (uint64_t)f->reg);
    if (f->isv && f->access == S2_ACCESS_WRITE)
        text_add(&t, " = %x", vcpu_get(v, f->reg));
    text_add(&t, " at EL%u, VA %x", (uint64_t)(f->user ? 0 : 1), f->va);
    if (f->on_walk)
        text_add(&t, ", by the walk of the guest's own tables");
    line("  access   %s\n", t.s);
}

static void print_walk(struct vm *vm, const struct s2_fault *f)
{
    struct s2_walk_step steps[WALK_STEPS];
    unsigned n =
        f->has_ipa && f->ipa.v < s2_ipa_limit(&vm->space.cfg.geometry) ? s2_space_walk(&vm->space, f->ipa, steps) : 0;
    if (n == 0)
        line("  walk     none: %s\n", f->has_ipa ? "the address is beyond the tables" : "the address is not known");
    for (unsigned i = 0; i < n; i++) {
        const struct s2_walk_step *s = &steps[i];
        const char *what = (s->desc & DESC_VALID) == 0                            ? "invalid"
                           : s->level < LAST_LEVEL && (s->desc & DESC_TABLE) != 0 ? "table"
                           : s->level == LAST_LEVEL                               ? "page"
                                                                                  : "block";
        line("  %s level %d  descriptor at 0x%lx = 0x%016lx  %s\n", i == 0 ? "walk    " : "        ", s->level,
             (unsigned long)s->slot.v, (unsigned long)s->desc, what);
    }
}

static void print_area(const struct vm *vm, const char *where, const struct s2_area *a)
{
    line("  %s %s 0x%lx..0x%lx %s %c%c%c\n", where, vm_area_name(vm, a->name), (unsigned long)a->range.start.v,
         (unsigned long)a->range.end.v, a->backend->kind, (a->attr.bits & S2_R) != 0 ? 'r' : '-',
         (a->attr.bits & S2_W) != 0 ? 'w' : '-', (a->attr.bits & S2_X) != 0 ? 'x' : '-');
}

/* The area below, the one that holds the address, and the one above. */
static bool print_near(struct vm *vm, const struct s2_fault *f, struct s2_area *below)
{
    struct s2_area a;
    bool has_below = false;
    s2_ipa at = S2_IPA(0);
    if (!f->has_ipa)
        return false;
    while (s2_space_next(&vm->space, at, &a) && a.range.end.v <= f->ipa.v) {
        *below = a;
        has_below = true;
        at = a.range.end;
    }
    if (has_below)
        print_area(vm, "below   ", below);
    if (s2_space_next(&vm->space, at, &a) && a.range.start.v <= f->ipa.v) {
        print_area(vm, "here    ", &a);
        at = a.range.end;
    }
    if (s2_space_next(&vm->space, at, &a))
        print_area(vm, "above   ", &a);
    return has_below;
}

static void hint_no_area(struct vm *vm, const struct s2_fault *f, const struct s2_area *below)
{
    struct range page = {f->ipa.v, f->ipa.v + 1};
    const struct machine_device *dev = machine_device_in(&host.machine, page);
    if (dev != NULL && !dev->hypervisor)
        line("  hint     the machine has %s there: devices { x { path = \"/%s\"; }; } passes it through\n", dev->name,
             dev->name);
    else if (below != NULL && f->ipa.v - below->range.end.v < NEAR && !below->backend->emulates)
        line("  hint     it lies 0x%lx bytes behind %s: is that too small?\n",
             (unsigned long)(f->ipa.v - below->range.end.v), vm_area_name(vm, below->name));
    else
        line("  hint     add a region or a device there, or say on-fault = \"inject\" if the guest probes for it\n");
}

static void print_hint(struct vm *vm, const struct s2_fault *f, const struct s2_fault_result *r,
                       const struct s2_area *below)
{
    switch (r->why) {
    case S2_NO_AREA:
        hint_no_area(vm, f, below);
        break;
    case S2_BEYOND_IPA:
        line("  hint     the guest has %u address bits; ipa-bits may give it more\n", vm->space.cfg.geometry.ipa_bits);
        break;
    case S2_NO_PERMISSION:
        line("  hint     %s is %s in the manifest\n", vm_area_name(vm, r->area.name),
             f->access == S2_ACCESS_EXEC ? "no-execute (devices always are)" : "read-only");
        break;
    case S2_NO_SYNDROME:
        line("  hint     an emulated device answers single loads and stores only: no pairs, no write-back, no "
             "atomics\n");
        break;
    case S2_NO_MEMORY:
        line("  hint     the memory is overcommitted; leave out overcommit, and it is promised at the start\n");
        break;
    default:
        line("  hint     on-fault = \"inject\" delivers it to the guest as an external abort\n");
    }
}

void vm_report_fault(struct vcpu *v, const struct s2_fault *f, const struct s2_fault_result *r)
{
    struct vm *vm = v->vm;
    struct s2_area below;
    vm_end_output(vm);
    struct text where;
    text_begin(&where);
    if (f->has_ipa)
        text_add(&where, "IPA %x", f->ipa.v);
    else
        text_add(&where, "an unknown IPA");
    lock_take(&report.lock);
    report.used = 0;
    line("bulkhead: vm %s: fault: vCPU %u at PC 0x%lx, %s: %s\n", vm->name, v->index, (unsigned long)v->regs.pc,
         where.s, s2_violation_phrase(r->why));
    print_access(v, f);
    line("  meaning  %s, level %d (ESR_EL2 0x%lx)\n", s2_fault_phrase(f), f->level, (unsigned long)v->exit.esr);
    print_walk(vm, f);
    bool has_below = print_near(vm, f, &below);
    print_hint(vm, f, r, has_below ? &below : NULL);
    console_puts(report.text);
    lock_drop(&report.lock);
}
