/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The device tree that a guest gets: what the manifest gives it, nothing of the host's. */
#ifndef VM_GUESTDTB_H
#define VM_GUESTDTB_H

#include <stddef.h>

#include "vm/loader.h"
#include "vm/machine.h"
#include "vm/manifest.h"

/* Writes it to buf. machine may be null when no device is given by path. 0, or libfdt's negative error
 * (-FDT_ERR_NOSPACE when buf is too small). */
int guestdtb_make(void *buf, size_t bytes, const struct manifest_vm *v, const struct load_plan *plan,
                  const struct machine *machine);
/* Applies an overlay to the tree in buf. `scratch` (bytes long) gets a copy, since libfdt edits overlays as it reads them.
 * On an error the tree in buf is unusable. */
int guestdtb_overlay(void *buf, size_t bytes, const void *overlay, size_t overlay_bytes, void *scratch);
/* guestdtb_make, and the plan's overlay if it has one; a problem and false on an error. */
bool guestdtb_build(void *buf, void *scratch, size_t bytes, const struct manifest_vm *v, const struct load_plan *plan,
                    const struct machine *machine, struct problems *p);

#endif
