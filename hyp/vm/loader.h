/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Where a VM's images go: decided once from the headers of files that nobody vouches for, on the host as at EL2; the
 * copying itself is life.c's. */
#ifndef VM_LOADER_H
#define VM_LOADER_H

#include "vm/bundle.h"
#include "vm/manifest.h"

enum { LOADER_PARTS = 32 };

/* `bytes` of a file, and the `room` that it occupies (bss included) from `ipa` on. */
struct load_part {
    const char *what; /* property: "image", "initrd", ... */
    const uint8_t *data;
    size_t bytes;
    struct range room;
    unsigned region; /* index in the manifest */
};

struct load_plan {
    const char *kind; /* "Image", "ELF64", "raw" */
    unsigned parts;
    struct load_part part[LOADER_PARTS];
    uint64_t entry;
    struct range dtb, initrd;           /* initrd: empty when there is none */
    const struct bundle_image *overlay; /* or null */
};

/* False, after problems that name the VM, when something is missing or does not fit. */
bool loader_plan(struct load_plan *plan, const struct manifest_vm *v, const struct bundle *b, struct problems *p);

#endif
