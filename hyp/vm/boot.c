/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* From the bundle to running VMs. */
#include <boot/boot.h>
#include <boot/hooks.h>
#include <boot/print.h>
#include <cpu/cpu.h>
#include <cpu/hooks.h>

#include "vm/vm.h"

static void print_problem(void *arg, const char *line)
{
    (void)arg;
    print("bulkhead: %s\n", line);
}

static _Noreturn void nothing_to_run(void)
{
    print("bulkhead: there is nothing to run; powering off\n");
    boot_power_off();
}

/* To the next state that waits for somebody: scrub and build, or load and start. */
static void work_through(struct vm *vm, enum vm_work from, enum vm_goal to, struct problems *p)
{
    vm->booting = true;
    vm_work_begin(vm, from, to);
    while (vm_work_step(vm, p)) {
    }
    vm->booting = false;
}

/* Chosen places first, all of them, before memory anywhere is given to anybody. */
static unsigned build_all(struct problems *p)
{
    bool claimed[MANIFEST_VMS] = {false};
    unsigned built = 0;
    for (unsigned i = 0; i < host.manifest.vms; i++) {
        const struct manifest_vm *cfg = &host.manifest.vm[i];
        struct vm *vm = cfg->ok ? vm_create(cfg, i, p) : NULL;
        claimed[i] = vm != NULL && vm_claim(vm, p);
        while (vm != NULL && !claimed[i] && vm_disown_step(vm)) {
        }
    }
    for (unsigned i = 0; i < vm_count(); i++) {
        if (!claimed[i])
            continue;
        work_through(vm_at(i), WORK_SCRUB, GOAL_READY, p);
        built += vm_at(i)->state == VM_READY;
    }
    return built;
}

static void print_refused(void)
{
    for (unsigned i = 0; i < host.manifest.vms; i++) {
        struct vm *vm = vm_at(i);
        if (vm == NULL || vm->state != VM_READY)
            print("bulkhead: vm %s: refused, see above\n", host.manifest.vm[i].name);
    }
}

/* False: nothing runs and nothing waits to be started. */
static bool start_all(struct problems *p)
{
    bool waits = false;
    for (unsigned i = 0; i < vm_count(); i++) {
        struct vm *vm = vm_at(i);
        if (vm == NULL || vm->state != VM_READY)
            continue;
        if (vm->cfg->manual)
            print("bulkhead: vm %s: waits to be started\n", vm->name);
        else
            work_through(vm, WORK_LOAD, GOAL_RUNNING, p);
        waits |= vm->cfg->manual;
    }
    return waits || vm_anything_left();
}

/* Where the time to the first guest went. */
struct stopwatch {
    uint64_t last;
    struct text t;
};

static void lap(struct stopwatch *w, const char *what)
{
    uint64_t now = cpu_ticks();
    text_add(&w->t, "%s%s %u", w->t.used == 0 ? "" : ", ", what, (now - w->last) * 1000 / cpu_ticks_per_second());
    w->last = now;
}

void vm_boot(void)
{
    struct problems p = {print_problem, NULL, 0};
    struct stopwatch watch = {.last = boot_info.entry_ticks};
    lap(&watch, "CPUs");
    if (!host_init(&p))
        nothing_to_run();
    banner_print();
#ifdef CONFIG_SELFTEST_GEOMETRY
    selftest_geometries();
#endif
    lap(&watch, "books");
    if (!host_read_bundle(&p)) {
        print_refused();
        nothing_to_run();
    }
    lap(&watch, "hashes");
    bool books = host_make_memory(&p) && host_make_tables(&p);
    if (!books || build_all(&p) == 0) {
        print_refused();
        if (books)
            vm_before_power_off();
        nothing_to_run();
    }
    lap(&watch, "memory");
    banner_print_columns();
    for (unsigned i = 0; i < vm_count(); i++)
        if (vm_at(i) != NULL && vm_at(i)->state == VM_READY)
            banner_print_areas(vm_at(i));
    print("\n");
    print_refused();
    monitor_init();
    lap(&watch, "table");
    if (!start_all(&p)) {
        vm_before_power_off();
        nothing_to_run();
    }
    lap(&watch, "images");
    print("bulkhead: first guest after %lu ms (%s)\n",
          (unsigned long)((watch.last - boot_info.entry_ticks) * 1000 / cpu_ticks_per_second()), watch.t.s);
}
