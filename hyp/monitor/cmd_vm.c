/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* vm: which there are, and their life. What takes long only begins here; each step of it says so by itself (vm/life.c). */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

#include <string.h>

static const char *stop(struct vm *vm)
{
    return vm_stop(vm, "by the console");
}

static const char *restart(struct vm *vm)
{
    return vm_restart(vm, "by the console");
}

static const struct {
    char name[8];
    const char *(*fn)(struct vm *vm); /* null: one of those that need more words */
    unsigned least, most;             /* words */
    const char *usage;                /* behind the VM's name */
} actions[] = {
    {"define", vm_define, 3, 3, ""},   {"start", vm_start, 3, 3, ""}, {"pause", vm_pause, 3, 3, ""},
    {"resume", vm_resume, 3, 3, ""},   {"stop", stop, 3, 3, ""},      {"restart", restart, 3, 3, ""},
    {"destroy", vm_destroy, 3, 3, ""}, {"grow", NULL, 4, 4, " SIZE"}, {"shrink", NULL, 5, 6, " IPA SIZE [now]"},
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]), GROW = ACTIONS - 2 };

/* --- what a VM is told ---------------------------------------------------------------------------------------------------- */

static const char *resize(struct session *s, unsigned action, uint64_t *ipa, uint64_t *bytes)
{
    if (action == GROW)
        return vm_grow(s->vm, *bytes, ipa);
    return vm_shrink(s->vm, *ipa, *bytes, s->words == 6);
}

static bool act(struct session *s, unsigned action)
{
    uint64_t ipa = 0, bytes = 0;
    bool resizes = actions[action].fn == NULL;
    if (s->words < actions[action].least || s->words > actions[action].most)
        return monitor_refuse(s, "usage: vm %s NAME%s", actions[action].name, actions[action].usage);
    if (!monitor_wants_vm(s, 2) || (resizes && !monitor_wants_number(s, s->words > 4 ? 4 : 3, &bytes)) ||
        (s->words > 4 && !monitor_wants_number(s, 3, &ipa)))
        return false;
    if (s->words == 6 && !monitor_is(s, 5, "now"))
        return monitor_refuse(s, "%s is unknown here: now, or nothing", s->word[5]);
    const char *why = resizes ? resize(s, action, &ipa, &bytes) : actions[action].fn(s->vm);
    if (why != NULL)
        return monitor_refuse(s, "vm %s: %s", s->vm->name, why);
    row_text(&s->row, "vm", 12, s->vm->name);
    row_text(&s->row, "asked", 8, actions[action].name);
    if (resizes) {
        row_address(&s->row, "ipa", 12, ipa);
        row_size(&s->row, "size", 6, bytes);
    }
    return true;
}

static bool begin(struct session *s)
{
    if (s->words == 1)
        return true;
    if (monitor_is(s, 1, "list"))
        return s->words == 2 || monitor_refuse(s, "usage: vm list");
    for (unsigned i = 0; i < ACTIONS; i++)
        if (monitor_is(s, 1, actions[i].name)) {
            s->at = ACTIONS;
            return act(s, i);
        }
    return monitor_refuse(s, "vm cannot %s: list, define, start, pause, resume, stop, restart, destroy, grow, shrink",
                          s->word[1]);
}

/* --- the list ------------------------------------------------------------------------------------------------------------- */

static void row_cpus(struct row *r, const struct vm *vm)
{
    struct text t;
    text_begin(&t);
    text_add(&t, r->json ? "[" : "");
    for (unsigned i = 0; i < vm->vcpus; i++)
        text_add(&t, i == 0 ? "%u" : r->json ? ",%u" : " %u", (uint64_t)vm->vcpu[i].cpu);
    text_add(&t, r->json ? "]" : "");
    row_field(r, "cpus", 8, false, t.s, t.s);
}

static uint64_t memory_of(const struct vm *vm)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < vm->cfg->regions; i++)
        bytes += vm->cfg->region[i].size;
    for (unsigned i = 0; i < VM_ADDED; i++)
        bytes += vm->added[i].state == ADDED_NONE ? 0 : vm->added[i].bytes;
    return bytes;
}

static enum step next(struct session *s)
{
    const struct vm *vm = NULL;
    struct row *r = &s->row;
    while (s->at < vm_count() && vm == NULL)
        vm = vm_at((unsigned)s->at++);
    if (vm == NULL || s->words > 2)
        return STEP_END;
    const char *work = vm_work_name(vm->work);
    row_text(r, "vm", 12, vm->name);
    row_text(r, "state", 8, vm_state_name(vm->state));
    row_text(r, "work", 16, *work == '\0' ? NULL : work + 2); /* behind a comma */
    row_number(r, "vcpus", 0, vm->vcpus);
    row_cpus(r, vm);
    row_size(r, "memory", 0, memory_of(vm));
    row_number(r, "starts", 0, vm->starts);
    if (vm->console_number == CONSOLE_NONE)
        row_text(r, "console", 0, NULL);
    else
        row_number(r, "console", 0, vm->console_number);
    return STEP_ROW;
}

const struct command command_vm = {"vm",
                                   "[list | ACTION NAME]",
                                   "the VMs; define, start, pause, resume, stop, restart, destroy, grow, shrink one",
                                   0,
                                   5,
                                   begin,
                                   next};

#endif
