/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Keys behind the escape key, for the VM that has the focus:
 *      i   each VM's state and its exits       s   start it, when it waits or has stopped
 *      a   its areas                           k   stop it
 *      m   who has how much memory             r   restart it from pristine images
 *      :   a line of commands (monitor.h), if the hypervisor has them: then i and a are commands, too */
#include <boot/print.h>
#include <device/console.h>

#include "monitor/keys.h"
#include "vm/vm.h"

#ifdef CONFIG_CONSOLE_COMMANDS
#define LINE_HELP "colon: a line of commands; "
#else
#define LINE_HELP ""
#endif

static struct vm *focused(void)
{
    unsigned number = console_focused();
    for (unsigned i = 0; number != CONSOLE_NONE && i < vm_count(); i++)
        if (vm_at(i) != NULL && vm_at(i)->console_number == number)
            return vm_at(i);
    return NULL;
}

#ifdef CONFIG_CONSOLE_COMMANDS
static void print_status(void)
{
    monitor_do("stats", NULL);
}

static void print_areas(const struct vm *vm)
{
    monitor_do("areas", vm->name);
}
#else
void monitor_line_init(void)
{
}

static void print_status(void)
{
    for (unsigned i = 0; i < vm_count(); i++) {
        struct vm *vm = vm_at(i);
        if (vm == NULL)
            continue;
        print("bulkhead: vm %s: %s%s, started %lu time%s\n", vm->name, vm_state_name(vm->state), vm_work_name(vm->work),
              (unsigned long)vm->starts, vm->starts == 1 ? "" : "s");
        vm_print_exits(vm);
    }
}

static void print_areas(struct vm *vm)
{
    bool held = vm_work_hold(); /* or its space may be made anew meanwhile */
    banner_print_columns();
    banner_print_areas(vm);
    vm_work_release(held);
}
#endif

static void print_memory(void)
{
    const unsigned mib = 20 - S2_FRAME_LOG2;
    struct host_ram ram = host_ram();
    struct text tables;
    text_begin(&tables);
    host_describe_tables(&tables);
    print("bulkhead: RAM: %lu MiB, %lu free (%lu clean, %lu promised); table pages: %s\n",
          (unsigned long)(ram.total >> mib), (unsigned long)(ram.free >> mib), (unsigned long)(ram.clean >> mib),
          (unsigned long)(ram.reserved >> mib), tables.s);
}

static bool command(char key)
{
    struct vm *vm = focused();
    switch (key) {
    case 'i':
        print_status();
        break;
    case 'm':
        print_memory();
        break;
    case 'a':
        if (vm != NULL)
            print_areas(vm);
        break;
#ifdef CONFIG_CONSOLE_COMMANDS
    case ':':
        monitor_line_open();
        break;
#endif
    case 's':
        if (vm != NULL)
            vm_start(vm);
        break;
    case 'k':
        if (vm != NULL)
            vm_stop(vm, "by the console");
        break;
    case 'r':
        if (vm != NULL)
            vm_restart(vm, "by the console");
        break;
    default:
        return false;
    }
    return true;
}

void monitor_init(void)
{
    monitor_line_init();
    console_set_command(command, LINE_HELP
                        "i: every VM; m: memory; of the VM with the input: a: areas; s: start; k: stop; r: restart");
    console_enable_input();
}
