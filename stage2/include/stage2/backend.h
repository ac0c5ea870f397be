/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What stands behind an area. One file per kind; adding a kind touches no other file. A kind may have nothing in the tables, or
 * map what it likes and say so (`memory`), or be emulated (`emulates`). What is alloc's alone: memory that comes at the first
 * touch, or in the steps of long work, and with it the flags of areas. */
#ifndef STAGE2_BACKEND_H
#define STAGE2_BACKEND_H

#include <stage2/area.h>
#include <stage2/op.h>

/* MAP, UNMAP: `part` of `area` comes or goes. PROTECT: `part` gets `attr`. SPLIT: `area` will be cut at part.start
 * (part is empty); it is told before the UNMAP or PROTECT that needs it. MERGE: `area`, as the changes before it in the
 * same operation leave it, will absorb its upper neighbour `part`. An area that is extended gets a MAP of what comes at each
 * end, as areas by themselves, and then the MERGEs that make them one; one that is renamed, only the MERGEs. */
enum s2_step { S2_STEP_MAP, S2_STEP_UNMAP, S2_STEP_PROTECT, S2_STEP_SPLIT, S2_STEP_MERGE };

struct s2_change {
    enum s2_step step;
    struct s2_area area; /* the whole area, as it is before (MAP: as it will be) */
    struct s2_ipa_range part;
    struct s2_ipa_range goes; /* UNMAP: all that goes in the same operation; parts of other areas may follow directly */
    s2_attr attr;             /* PROTECT: the new attribute */
    bool replacing;           /* MAP: what lies there now is being unmapped by the same operation */
};

/* An operation calls, for all its changes in ascending order and unmaps before maps: prepare; s2_op_reserve; take;
 * commit; s2_op_flush; release; then it edits its own map and calls s2_op_end. When a map replaces, what goes is
 * committed, flushed and released before what comes is committed, and the flush follows again. A protect moves no
 * memory: its changes are prepared and committed, and never taken, undone or released; its map is edited as they are committed,
 * so that a commit which looks areas up may find those of the range half way. */
struct s2_backend {
    const char *kind; /* "linear", "alloc", "trap" */

    /* May refuse (S2_EREFUSED, or its own code through s2_refuse on op->detail) and has no effect besides adding needs
     * to op. The library's own never refuse an UNMAP, SPLIT or MERGE. May be null: agrees. */
    enum s2_err (*prepare)(void *ctx, struct s2_op *op, const struct s2_change *c);
    /* Between reserve and commit, for takings that the op cannot do by count (chunks of frames). All or nothing; `undo`
     * takes back what `take` took and cannot fail. May be null. */
    enum s2_err (*take)(void *ctx, struct s2_op *op, const struct s2_change *c);
    void (*undo)(void *ctx, struct s2_op *op, const struct s2_change *c);
    /* Makes it so in the tables. Cannot fail. Not null. */
    void (*commit)(void *ctx, struct s2_op *op, const struct s2_change *c);
    /* After the flush: what UNMAP took away (frames, rights) goes back. May be null. */
    void (*release)(void *ctx, struct s2_op *op, const struct s2_change *c);

    /* Pure: the backing of the part of `area` that begins at `start`; null: area->backing whatever the start. Ascends with
     * `start`; for an extension it is asked outside the area too, and a backing that comes round modulo 2^64 refuses it. */
    uint64_t (*backing_at)(const struct s2_area *area, s2_ipa start);
    /* Pure: may these neighbours, equal in attr, name, flags and backend, become one? null: backing_at(low,
     * high.start) == high.backing. Then the backing says all there is to know, and to replace an area of a space by the same
     * one is nothing; for a kind that has its own rule it is always done. */
    bool (*mergeable)(const struct s2_area *low, const struct s2_area *high);

    /* Reads only: the memory behind `ipa`, which is in `area`: *run, as much of the area around ipa as lies together, and *pa,
     * the address of its start. False: none there. Null: nowhere in areas of this kind. All that the kind maps must be here
     * and the ledger's word for it, and all that is here mapped (but what alloc has yet to): s2_space_check holds the tables
     * against it, and copies go by it. The owner's lock may be held shared. */
    bool (*memory)(void *ctx, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa);
    /* An access that faults is the caller's to emulate (S2_EMULATE), whatever the attribute; without, one that the area does
     * not allow is a violation. */
    bool emulates;

    /* Reads only: out->bytes is set; fills in the rest, which is 0. May be null. The owner's lock may be held shared. */
    void (*stats)(void *ctx, const struct s2_area *area, struct s2_area_stats *out);
};

/* The library's own. ctx is a struct s2_space. */
extern const struct s2_backend s2_backend_linear; /* backing = PA; the ledger must show the frames as the VM's */
extern const struct s2_backend s2_backend_alloc;  /* backing = 0; S2_AREA_LAZY, S2_AREA_OVERCOMMIT */
extern const struct s2_backend
    s2_backend_shared; /* backing = the share's place in the table and the offset in it; made by s2_space_share, _retrieve */
extern const struct s2_backend s2_backend_coloured; /* backing = 0: colours.h says where which frame is */
extern const struct s2_backend s2_backend_trap;     /* backing = the caller's handle; never in the tables */

#endif
