/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a person sees first: the machine, and who got what of it. */
#include <boot/print.h>
#include <cpu/cpu.h>
#include <device/console.h>
#include <stage2/version.h>

#include "vm/vm.h"

#define MODEL_BYTES 48u
#define RANGE_BYTES 32u
#define WALK_LEVELS 5u /* levels -1 to 3 */

static void add_feature(struct text *t, bool have, const char *name)
{
    if (have)
        text_add(t, " %s", name);
}

static const char *or_none(const struct text *t)
{
    return t->used == 0 ? " none" : t->s;
}

void banner_print(void)
{
    const struct s2_caps *c = &host.caps;
    char model[MODEL_BYTES];
    struct text used, rest, granules;
    text_begin(&used);
    text_begin(&rest);
    text_begin(&granules);
    cpu_model(cpu_at(0), model, sizeof(model));
    add_feature(&used, c->tlbirange, "TLBIRANGE");
    add_feature(&used, c->ttl, "TTL");
    add_feature(&used, c->bbm > 0, c->bbm > 1 ? "BBM2" : "BBM1");
    add_feature(&used, c->fwb, "FWB");
    add_feature(&used, c->xnx, "XNX");
    add_feature(&used, c->cnp, "CnP");
    add_feature(&used, c->lpa2_4k | c->lpa2_16k, "LPA2");
    add_feature(&rest, c->hdbs, "HAFDBS");
    shape_describe(&granules, c);
    print("\nBulkhead " STAGE2_VERSION ": %u CPUs %s, %u-bit PA, %u-bit VMID\n", cpu_count(), model, c->pa_bits,
          c->vmid_bits);
    print("  guest-physical addresses: %s\n", granules.s);
    print("  stage 2: in use:%s; not in use:%s\n", or_none(&used), or_none(&rest));
    print("  RAM %lu MiB free of %lu\n", (unsigned long)(machine_ram(&host.machine, true) >> 20),
          (unsigned long)(machine_ram(&host.machine, false) >> 20));
    print("  %s\n", console_help());
}

/* --- the table of areas ------------------------------------------------------------------------------------------- */

/* "256M", "64K", ...: the largest unit that divides it. */
static void add_size(struct text *t, uint64_t bytes)
{
    static const char units[] = " KMGT";
    unsigned unit = 0;
    while (unit + 2 < sizeof(units) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    text_add(t, "%u", bytes);
    if (unit > 0) {
        char name[2] = {units[unit], '\0'};
        text_add(t, "%s", name);
    }
}

/* Where the area's memory is: its first frame, and "+" when the rest does not follow it. */
static void add_place(struct vm *vm, struct text *t, const struct s2_area *a)
{
    struct s2_leaf leaf;
    uint64_t next = 0;
    bool first = true, whole = true;
    if (a->backend->memory == NULL) {
        text_add(t, "-");
        return;
    }
    for (s2_ipa at = a->range.start; at.v < a->range.end.v && whole; at = leaf.range.end) {
        if (!s2_space_translate(&vm->space, at, &leaf)) {
            whole = false;
            break;
        }
        if (first)
            text_add(t, "%x", leaf.pa.v);
        whole = first || leaf.pa.v == next;
        next = leaf.pa.v + (leaf.range.end.v - leaf.range.start.v);
        first = false;
    }
    if (first)
        text_add(t, "on touch");
    else if (!whole)
        text_add(t, "+");
}

static const char *memory_type(s2_attr attr)
{
    return (attr.bits & S2_MT_MASK) >= S2_MT_DEV_nGnRnE ? "device" : "normal";
}

static void add_leaves(struct vm *vm, struct text *t, const struct s2_area *a)
{
    uint64_t leaves[WALK_LEVELS];
    bool any = false;
    s2_space_leaves(&vm->space, a->range, leaves);
    for (unsigned i = 0; i < WALK_LEVELS; i++) {
        if (leaves[i] == 0)
            continue;
        text_add(t, any ? " + %u x " : "%u x ", leaves[i]);
        add_size(t, 1ull << s2_level_shift(&vm->space.cfg.geometry, (int)i - 1));
        any = true;
    }
    if (!any)
        text_add(t, "-");
}

/* Every row names its VM, so that a row says all by itself. */
#define ROW "  %-12s %-18s %-26s %6s  %-6s  %-12s %-3s %-6s  %s\n"

static void print_area(struct vm *vm, const struct s2_area *a)
{
    struct text size, place, leaves;
    text_begin(&size);
    text_begin(&place);
    text_begin(&leaves);
    char perm[] = {(a->attr.bits & S2_R) != 0 ? 'r' : '-', (a->attr.bits & S2_W) != 0 ? 'w' : '-',
                   (a->attr.bits & S2_X) != 0 ? 'x' : '-', '\0'};
    char range[RANGE_BYTES];
    const char *kind = (a->flags & S2_AREA_LAZY) != 0 ? "lazy" : a->backend->kind;
    print_to(range, sizeof(range), "0x%010lx..0x%010lx", (unsigned long)a->range.start.v,
             (unsigned long)a->range.end.v);
    add_size(&size, a->range.end.v - a->range.start.v);
    add_place(vm, &place, a);
    add_leaves(vm, &leaves, a);
    print(ROW, vm->name, vm_area_name(vm, a->name), range, size.s, kind, place.s, perm, memory_type(a->attr), leaves.s);
}

void banner_print_columns(void)
{
    print("\n" ROW, "VM", "area", "guest-physical", "size", "kind", "physical", "rwx", "memory", "leaves");
}

void banner_print_areas(struct vm *vm)
{
    const struct s2_geometry *g = &vm->space.cfg.geometry;
    struct s2_space_stats stats;
    struct s2_area a;
    struct text cpus;
    text_begin(&cpus);
    if (!vm->has_space) {
        print("  %-12s %s, no memory\n", vm->name, vm_state_name(vm->state));
        return;
    }
    for (s2_ipa at = S2_IPA(0); s2_space_next(&vm->space, at, &a); at = a.range.end)
        print_area(vm, &a);
    for (unsigned i = 0; i < vm->vcpus; i++)
        text_add(&cpus, i == 0 ? "%u" : " %u", (uint64_t)vm->vcpu[i].cpu);
    s2_space_stats(&vm->space, &stats);
    print("  %-12s %s, %u vCPU%s on CPU %s, %u-bit IPA, %uK granule, %u root%s at level %d, %u table pages\n", vm->name,
          vm->plan.kind, vm->vcpus, vm->vcpus == 1 ? "" : "s", cpus.s, g->ipa_bits, 1u << (g->granule_log2 - 10),
          g->roots, g->roots == 1 ? "" : "s", g->start_level, stats.table_pages);
}
