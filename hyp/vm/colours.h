/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Named memory that is divided by cache colours (CACHE_COLOURS), of which a VM's regions name some. */
#ifndef VM_COLOURS_H
#define VM_COLOURS_H

#include "vm/host.h"

/* Can the named region be divided so? After a message false, and its memory is like any other. */
bool colours_fit(unsigned pool, struct problems *p);
/* pre: it fits, and the ledger has it as free. False, after a message, when there is no room for the books. */
bool colours_make(unsigned pool, struct problems *p);
bool colours_made(unsigned pool);
/* True while some of it is left to be zeroed. */
bool colours_scrub_step(unsigned pool, uint64_t budget);

/* A VM's region of such memory becomes the VM's once what it needs is zero: true while that takes another step. False, too, when
 * there is nothing to do, or it cannot be, of which colours_check tells. */
bool colours_give_step(uint16_t vm, const struct manifest_region *r, uint64_t budget);
enum s2_err colours_check(uint16_t vm, const struct manifest_region *r, struct s2_detail *d);
/* All that the VM has, once nothing of it is mapped. */
void colours_take_back(uint16_t vm);

#endif
