/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The manifest's shared windows: memory of one VM that others see whenever both are there. What ends them is the end of any
 * share (shares.h): an owner's or a borrower's memory goes. */
#ifndef VM_WINDOWS_H
#define VM_WINDOWS_H

#include <stdint.h>

#include <stage2/area.h>

#include "vm/problem.h"

struct vm;

/* The area of that window in this VM, when it is the owner: memory like any other, until it is opened. */
bool windows_own(const struct vm *vm, unsigned window, struct s2_area *out);
/* The VM is built: offers what it owns and maps it in the borrowers that are there (EVENT_OFFERED), and maps in this VM what
 * others offer. False, after a problem, when this VM lacks something for it. One step of work on VMs is taken at a time. */
bool windows_open(struct vm *vm, struct problems *p);
/* The share has been withdrawn. If it is a window, it is there no more until its owner is built again: that number may be another
 * share's by then. */
void windows_end(uint32_t handle);

#endif
