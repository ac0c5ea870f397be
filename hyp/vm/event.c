/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest is told. Its doorbell rings once for all that it has not asked about yet, so that it comes out of the guest at
 * another's will no more often than it asks. */
#include "vm/vm.h"

enum { FIRST_SPI = 32 };

void vm_event(struct vm *vm, unsigned bit)
{
    uint32_t mask = 1u << bit;
    if ((__atomic_fetch_or(&vm->events, mask, __ATOMIC_ACQ_REL) & mask) == 0)
        vgic_pulse(&vm->vgic, FIRST_SPI + vm->cfg->doorbell_spi);
}
