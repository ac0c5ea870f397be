/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The port contract: everything that stage2/ asks of the machine. A port is chosen at compile time by include path, so
 * that on the hot path it is inline code: stage2/port/arm64 is the machine, tests/model an MMU that watches, and this
 * file the port of libstage2.a, where each function is an external one that the user of the library defines.
 *
 * A port header defines `struct s2_port` (or leaves it opaque) and every function below with these meanings. */
#ifndef S2_PORT_H
#define S2_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/port_types.h>

/* --- table memory. `slot` points into a page that s2_port_table named. ----------------------------------------- */

/* The address at which this CPU reaches the table page (or run of pages) at pa. Valid for the life of the pool. */
uint64_t *s2_port_table(struct s2_port *port, s2_pa pa);
/* Single-copy-atomic 64-bit accesses to descriptors that a walker may reach. */
uint64_t s2_port_pte_load(struct s2_port *port, const uint64_t *slot);
void s2_port_pte_store(struct s2_port *port, uint64_t *slot, uint64_t desc);
void s2_port_pte_store_release(struct s2_port *port, uint64_t *slot, uint64_t desc);
bool s2_port_pte_cas(struct s2_port *port, uint64_t *slot, uint64_t expected, uint64_t desc); /* acquire-release */
uint64_t s2_port_pte_xchg(struct s2_port *port, uint64_t *slot, uint64_t desc);
/* slot[0..n) = first, first + step, ...: n consecutive descriptors, live (each one atomic) or not yet published (free to be
 * vectorised): a port may do both alike as 64-bit stores. */
void s2_port_pte_fill(struct s2_port *port, uint64_t *slot, unsigned n, uint64_t first, uint64_t step);

/* --- invalidation. Operands are encoded as the instructions take them (C5.5). ------------------------------------ */

void s2_port_tlbi(struct s2_port *port, enum s2_tlbi op, uint64_t operand); /* operand 0 where the form has none */
void s2_port_barrier(struct s2_port *port, enum s2_barrier barrier);

/* --- the loaded context. VTTBR_EL2 and VTCR_EL2 travel as a pair (architecture rule 6). No barrier inside. -------- */

uint64_t s2_port_vttbr(struct s2_port *port);
uint64_t s2_port_vtcr(struct s2_port *port);
void s2_port_load_context(struct s2_port *port, uint64_t vttbr, uint64_t vtcr);
/* Around the loading of another VM's context while the guest's stage-1 registers stay: no stage-1 walk may start in
 * between, on CPUs with the speculative AT errata, which would mix the two (architecture rule 21). Elsewhere: nothing.
 * Synchronised by barriers of their own. */
void s2_port_walks_stop(struct s2_port *port, struct s2_walks *saved);
void s2_port_walks_resume(struct s2_port *port, const struct s2_walks *saved);

/* AT S1E1R / S1E1W / S1E0R / S1E0W on va with the guest's stage 1; returns PAR_EL1 and leaves it as it was. */
uint64_t s2_port_at_s1(struct s2_port *port, uint64_t va, bool write, bool user);

/* --- guest frames and caches ---------------------------------------------------------------------------------- */

/* Maps [pa, pa + bytes) for this CPU until unmapped; interrupts stay masked meanwhile; at most two at once. */
void *s2_port_window_map(struct s2_port *port, s2_pa pa, size_t bytes);
void s2_port_window_unmap(struct s2_port *port, void *va, size_t bytes);
void s2_port_copy(struct s2_port *port, void *to, const void *from, size_t bytes);
void s2_port_zero(struct s2_port *port, void *va, size_t bytes);
/* Clean and invalidate by address to the point of coherency; after that, make instruction fetches see what was written.
 * Both end with the DSB they need. */
void s2_port_clean_poc(struct s2_port *port, void *va, size_t bytes);
void s2_port_sync_code(struct s2_port *port, void *va, size_t bytes);

/* --- CPUs, interrupts, locks ------------------------------------------------------------------------------------ */

unsigned s2_port_cpu(struct s2_port *port);
uint64_t s2_port_irq_mask(struct s2_port *port); /* returns what s2_port_irq_restore takes */
void s2_port_irq_restore(struct s2_port *port, uint64_t was);

/* Fair (FIFO). `id` orders locks of one class. */
void s2_port_lock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id);
bool s2_port_trylock(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id);
void s2_port_unlock(struct s2_port *port, struct s2_lock *lock);
void s2_port_lock_shared(struct s2_port *port, struct s2_lock *lock, enum s2_lock_class cls, uint32_t id);
void s2_port_unlock_shared(struct s2_port *port, struct s2_lock *lock);

#endif
