/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Cache colours: memory of which a VM gets every n-th frame, so that what it has in a cache that is indexed by physical addresses
 * never lies where another's does. The colour of a frame is the lowest bits of its number; a VM holds some colours (a mask) of a
 * piece of a coloured region:
 *
 *   PA     |0|1|2|3|0|1|2|3|0|1|2|3|      four colours; a row of them is a stripe
 *   mask 3 |0 1    |2 3    |4 5    |      the VM's frames, in the order in which it sees them
 *
 * Such a piece costs a record and no memory per page: the ledger has one entry for the region (S2_COLOURED) and computes from
 * the records whose each frame is. A frame has one place, by its number in the piece: the record says where the first one is. So
 * none is ever mapped twice, and areas of kind "coloured" need no backing.
 *
 * Held by nobody, a piece is zero: what comes back, and what a region begins with, is scrubbed before it can be had.
 *
 *        add                    scrubbed            give
 *   FREE -----> dirty ------------------> nobody's ------> held by a VM ---+
 *                 ^                                                        | take back, nothing mapped
 *                 +--------------------------------------------------------+
 *
 * Locks: each function takes the ledger's, unless it is said to be pure. */
#ifndef STAGE2_COLOURS_H
#define STAGE2_COLOURS_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/error.h>
#include <stage2/ledger.h>

#define S2_COLOURS_MOST 64u

/* Which frames, in which order, at which address. Frames of colour are 2^unit_log2 bytes large: 4K, or the largest granule that
 * is to map them. */
struct s2_colouring {
    s2_pa start; /* of the first stripe */
    s2_ipa ipa;  /* where the first frame is seen */
    uint64_t bytes;
    uint64_t mask;
    uint8_t colours_log2, unit_log2;
};

/* Pure. The memory behind ipa, which lies in it: as much around it as lies together. */
void s2_colouring_run(const struct s2_colouring *c, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa);
/* Pure. Where the frame is seen that holds pa; false: it is not one of these. */
bool s2_colouring_find(const struct s2_colouring *c, s2_pa pa, s2_ipa *ipa);

enum s2_colour_state { S2_COLOUR_UNUSED, S2_COLOUR_HELD, S2_COLOUR_DIRTY };

struct s2_colour_piece {
    struct s2_colouring is;
    uint64_t mapped;   /* HELD: bytes that areas have */
    uint64_t scrubbed; /* DIRTY: bytes that are zero again */
    uint16_t vm;
    uint8_t state; /* enum s2_colour_state */
    bool scrubbing;
};

/* A region. Fields are the library's own. */
struct s2_colours {
    struct s2_colours *next;
    struct s2_pa_range range;
    uint8_t colours_log2, unit_log2;
    unsigned pieces;
    struct s2_colour_piece *piece;
};

/* Makes a region of a range that is FREE in the ledger and that no allocator gives away; all of it begins as dirty. `colours`: a
 * power of two from 2 on, at most S2_COLOURS_MOST; unit_log2: 12 .. 16. pieces: records, one at least; as many VMs can have
 * something there, less those that are dirty. S2_EINVAL: none of these; S2_EALIGN: the range is not a number of whole stripes;
 * s2_ledger_plan's. */
S2_NODISCARD enum s2_err s2_colours_add(struct s2_ledger *l, struct s2_colours *c, struct s2_pa_range range,
                                        unsigned colours, unsigned unit_log2, struct s2_colour_piece *piece,
                                        unsigned pieces, struct s2_detail *d);
/* The lowest piece of the region with `bytes` (rounded up to whole stripes) in those colours becomes the VM's, to be seen from ipa
 * on; the detail says which. S2_EINVAL: no colour, one that there is not, no VM, no bytes; S2_EALIGN: bytes, ipa; S2_ERANGE: wraps;
 * S2_EEXIST: the VM has coloured memory there (of whatever region); S2_EFRAMES: others have too much of it; S2_EBUSY: or it has to
 * be scrubbed first; S2_ENODES: no record is left. */
S2_NODISCARD enum s2_err s2_colours_give(struct s2_ledger *l, struct s2_colours *c, uint16_t vm, uint64_t mask,
                                         uint64_t bytes, s2_ipa ipa, struct s2_detail *d);
/* One piece of the VM's, of whatever region, becomes nobody's, dirty. False: it has none of which nothing is mapped. */
bool s2_colours_take_back(struct s2_ledger *l, uint16_t vm);
/* One bounded step: zeroes at most `budget` frames of 4K (0: only looks), the ledger not locked meanwhile. True while dirty ones
 * are left. */
bool s2_colours_scrub_step(struct s2_ledger *l, struct s2_colours *c, uint64_t budget);

/* --- the map path --------------------------------------------------------------------------------------------------- */

/* What the VM has at ipa; false: nothing coloured. */
bool s2_colours_at(struct s2_ledger *l, uint16_t vm, s2_ipa ipa, struct s2_colouring *out);
/* An area has the range from now on: it cannot be taken back. S2_EPERM: in part not the VM's coloured memory; nothing changed.
 * s2_colours_unuse: after the flush; never fails. */
S2_NODISCARD enum s2_err s2_colours_use(struct s2_ledger *l, uint16_t vm, struct s2_ipa_range range,
                                        struct s2_detail *d);
void s2_colours_unuse(struct s2_ledger *l, uint16_t vm, struct s2_ipa_range range);

/* --- for people and tools ------------------------------------------------------------------------------------------- */

/* The n-th record, of all regions, of those that are in use; false: there are not so many. */
bool s2_colours_list(struct s2_ledger *l, unsigned n, struct s2_colour_piece *out);
/* Null when no frame has two holders, none sees two frames at one place, and the ledger has the regions; else what is wrong. What
 * is mapped it does not ask: that changes while an operation is under way, in the middle of which all of what it replaces counts twice.
 * The audit asks, space by space. */
const char *s2_colours_check(struct s2_ledger *l, struct s2_detail *d);

#endif
