/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What every port has in common: an opaque context, the storage of a lock, the names of invalidations and barriers. The
 * functions themselves are in s2_port.h, found by include path when the library is compiled (docs/porting.md). */
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

/* The invalidations that the library asks for, named as the instructions are (Arm ARM C5.5), and the barriers. */
enum s2_tlbi {
    S2_TLBI_IPAS2E1IS,
    S2_TLBI_IPAS2LE1IS,
    S2_TLBI_RIPAS2E1IS,
    S2_TLBI_RIPAS2LE1IS,
    S2_TLBI_VMALLE1IS,
    S2_TLBI_VMALLS12E1IS,
    S2_TLBI_ALLE1IS,
    S2_TLBI_IPAS2E1, /* from here: this CPU only */
    S2_TLBI_IPAS2LE1,
    S2_TLBI_RIPAS2E1,
    S2_TLBI_RIPAS2LE1,
    S2_TLBI_VMALLE1,
    S2_TLBI_VMALLS12E1,
    S2_TLBI_ALLE1,
};
enum s2_barrier { S2_DSB_ISHST, S2_DSB_ISH, S2_DSB_NSH, S2_ISB };

/* The largest window onto guest memory, in bytes; none crosses a multiple of it. */
#define S2_PORT_WINDOW (2ull << 20)

#endif
