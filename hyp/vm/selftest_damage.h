/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Things that must never be wrong, made so on purpose, one at a time, for the audit to find. */
#ifndef VM_SELFTEST_DAMAGE_H
#define VM_SELFTEST_DAMAGE_H

#include <stdint.h>

struct damage {
    const char *name, *what;
    /* Null: done, and *where is the address that it is about, 0 for none; else why it cannot be. */
    const char *(*make)(uint64_t *where);
    void (*undo)(void); /* all is as before */
};

/* Null behind the last one. While no VM is worked on (vm_work_hold), on a machine with one CPU. */
const struct damage *damage_at(unsigned index);

#endif
