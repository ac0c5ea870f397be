/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the public structures need to know of the port: an opaque context and the storage of a lock. The functions
 * themselves are in s2_port.h, found by include path when the library is compiled (docs/porting.md). */
#ifndef STAGE2_PORT_TYPES_H
#define STAGE2_PORT_TYPES_H

#include <stdint.h>

struct s2_port; /* defined by the port */

/* A fair reader-writer lock; the port decides what the words mean. All zero is unlocked. */
struct s2_lock {
    uint64_t word[4];
};

/* What stopping the guest's stage-1 walks changed; the port decides what the words mean. */
struct s2_walks {
    uint64_t word[2];
};

/* In which order locks are taken: spaces (ascending id), ledger, frames, then table pool and VMIDs. */
enum s2_lock_class { S2_LOCK_SPACE, S2_LOCK_LEDGER, S2_LOCK_FRAMES, S2_LOCK_TPOOL, S2_LOCK_VMIDS };

#endif
