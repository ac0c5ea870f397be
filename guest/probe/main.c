/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "probe/probe.h"

void guest_main(const void *dtb)
{
    static char words[512];
    const char *given = boot_args(dtb);
    /* The device tree lies in the RAM that is going to be written. */
    for (unsigned i = 0; i < sizeof(words) - 1 && given[i]; i++)
        words[i] = given[i];

    struct range area;
    say("# probe: %s\n", words);
    if (arg_range(words, "ram", &area))
        check_ram(area);
    if (arg_range(words, "read-only", &area))
        check_read_only(area);
    if (arg_range(words, "no-execute", &area))
        check_no_execute(area);
    if (arg_range(words, "lazy", &area))
        check_lazy(area);
    if (arg_range(words, "absent", &area)) {
        check_absent(area);
        check_walk(area);
    }
    check_beyond((unsigned)arg_number(words, "bits", 40));
    check_devices();
    check_interrupts();
    check_many_interrupts();
    check_psci((unsigned)arg_number(words, "vcpus", 1));
    done("probe");
    if (arg_flag(words, "off"))
        power_off();
}
