/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/audit.h"

#ifdef CONFIG_AUDIT

#include <string.h>

#include <boot/print.h>
#include <cpu/cpu.h>
#include <cpu/hooks.h>
#include <stage2/audit.h>

#include "vm/vm.h"

enum { STEP_BUDGET = 128 };
#define CLEAN "audit: clean"

static struct {
    struct s2_audit_config cfg;
    struct s2_audit audit;
    audit_line_fn *line;
    void *arg;
    bool busy;
    bool by_itself; /* of audit_watch, which gives way to one that was asked for */
} run;

static struct s2_space *space_at(void *arg, unsigned i)
{
    struct vm *vm = vm_at(i);
    (void)arg;
    return vm != NULL && vm->has_space ? &vm->space : NULL;
}

/* Nobody but who works on VMs makes one run that does not, and that is not meanwhile. */
static bool cached(void *arg, unsigned i, uint32_t *pages)
{
    const struct vm *vm = vm_at(i);
    enum vm_state state = __atomic_load_n(&vm->state, __ATOMIC_ACQUIRE);
    (void)arg;
    *pages = 0;
    for (unsigned k = 0; k < vm->vcpus; k++)
        *pages += vm->vcpu[k].cache.tables.count;
    return state == VM_ABSENT || state == VM_READY || state == VM_STOPPED;
}

static void found(void *arg, const struct s2_finding *f)
{
    struct text t;
    text_begin(&t);
    (void)arg;
    if (f->vm >= S2_OWNER_FIRST_VM)
        text_add(&t, "audit: vm %s", host_holder_name(f->vm));
    else
        text_add(&t, "audit: %s", f->vm == S2_OWNER_HYP ? "the hypervisor" : "nobody");
    host_add_detail(&t, &f->detail);
    if (f->detail.axis == S2_AXIS_NONE && f->detail.asked_start != f->detail.asked_end)
        text_add(&t, " (%u, not %u)", f->detail.asked_start, f->detail.asked_end);
    run.line(run.arg, t.s);
}

/* --- what EL2 maps -------------------------------------------------------------------------------------------------- */

static void visit(void *arg, const struct stage1_leaf *leaf)
{
    struct s2_hyp_leaf l = {
        leaf->va, {S2_PA(leaf->pa), S2_PA(leaf->pa + leaf->bytes)}, leaf->writable, leaf->executable, leaf->window};
    (void)arg;
    s2_audit_hyp_leaf(&run.audit, &l);
}

/* A CPU that runs a guest's call or loads images may have a window open; this one has not, nor has any when nothing runs. */
static void audit_hypervisor(void)
{
    bool quiet = !vm_anything_left();
    stage1_visit(visit, NULL);
    for (unsigned i = 0; i < cpu_count(); i++)
        if (quiet || cpu_at(i) == this_cpu())
            stage1_visit_windows(&cpu_at(i)->windows.map, visit, NULL);
}

/* --- a run ----------------------------------------------------------------------------------------------------------- */

static void begin(audit_line_fn *line, void *arg)
{
    run.cfg = (struct s2_audit_config){
        .ledger = &host.ledger,
        .frames = &host.frames,
        .tables = host.tables,
        .pools = SHAPES,
        .vmids = &host.vmids,
        .spaces = vm_count(),
        .space = space_at,
        .cached = cached,
        .found = found,
    };
    run.line = line;
    run.arg = arg;
    run.busy = true;
    run.by_itself = false;
    s2_audit_begin(&run.audit, &run.cfg);
}

static void end(void)
{
    const struct s2_audit *a = &run.audit;
    struct text t;
    text_begin(&t);
    uint64_t findings;
    audit_hypervisor();
    findings = s2_audit_end(a);
    if (findings == 0)
        text_add(&t, CLEAN " (%u spaces, %u leaves, %u ledger entries, %u frames)", a->spaces, a->leaves, a->entries,
                 a->frames);
    else
        text_add(&t, "audit: %u finding%s", findings, findings == 1 ? "" : "s");
    run.busy = false;
    run.line(run.arg, t.s);
}

static bool step(void)
{
    if (!run.busy || s2_audit_step(&run.audit, STEP_BUDGET))
        return run.busy;
    end();
    return false;
}

bool audit_begin(audit_line_fn *line, void *arg)
{
    bool held = vm_work_hold(), free = !run.busy || run.by_itself;
    if (free)
        begin(line, arg);
    vm_work_release(held);
    return free;
}

bool audit_step(void)
{
    bool held = vm_work_hold(), more = step();
    vm_work_release(held);
    return more;
}

void audit_run(audit_line_fn *line, void *arg)
{
    if (!audit_begin(line, arg)) {
        line(arg, "audit: another one is under way");
        return;
    }
    while (audit_step()) {
    }
}

/* --- with DEBUG_AUDIT: by itself, while VMs run ---------------------------------------------------------------------- */

#ifdef CONFIG_DEBUG_AUDIT

static struct {
    uint64_t operations; /* of all spaces, when the last one began */
    unsigned audits;
} watch;

static void check_operations(void)
{
    for (unsigned i = 0; i < vm_count(); i++) {
        struct vm *vm = vm_at(i);
        struct text t;
        text_begin(&t);
        if (vm == NULL || !vm->has_space || __atomic_load_n(&vm->space.wrong, __ATOMIC_ACQUIRE) == NULL)
            continue;
        host_add_detail(&t, &vm->space.wrong_detail);
        panic("vm %s%s", vm->name, t.s);
    }
}

static uint64_t count_operations(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < vm_count(); i++)
        if (vm_at(i) != NULL)
            n += __atomic_load_n(&vm_at(i)->space.operations, __ATOMIC_RELAXED);
    return n;
}

static void stay_clean(void *arg, const char *text)
{
    (void)arg;
    if (strncmp(text, CLEAN, strlen(CLEAN)) != 0)
        panic("%s", text);
    watch.audits++;
}

/* The whole machine, after so many operations of whichever VMs, a step each time a CPU is idle. */
bool audit_watch(void)
{
    enum { OPERATIONS = 8 };
    check_operations();
    uint64_t operations = count_operations();
    if (run.busy && run.by_itself) {
        return step();
    } else if (!run.busy && operations - watch.operations >= OPERATIONS) {
        watch.operations = operations;
        begin(stay_clean, NULL);
        run.by_itself = true;
        return true;
    }
    return false;
}

static void watch_report(void)
{
    print("bulkhead: audit: %u of the whole machine while VMs ran\n", watch.audits);
}

#else

static void watch_report(void)
{
}

#endif

/* --- to the console -------------------------------------------------------------------------------------------------- */

static void print_line(void *arg, const char *text)
{
    (void)arg;
    print("bulkhead: %s\n", text);
}

static void audit_to_console(void)
{
    watch_report();
    begin(print_line, NULL); /* one that is under way is over: nobody will see its end */
    while (step()) {
    }
}

void audit_at_end(void)
{
    bool held = vm_work_hold();
    audit_to_console();
    vm_work_release(held);
}

void vm_before_power_off(void)
{
    (void)vm_work_hold(); /* for good: another CPU may be about to do the same */
    audit_to_console();
}

#endif

typedef int audit_may_be_off; /* ISO C wants something in every file */
