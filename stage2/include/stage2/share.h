/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory that its owner lets others use. A share is a record in the ledger: whose frames, which ones in which order, who may have
 * them with which rights, and who has. Each step edits one VM's space, so none locks two (space.h); what keeps the two sides
 * together is the record, under the ledger's lock.
 *
 *                 begin, add..., commit              retrieve                     unshare, reclaim
 *   OWNED(owner) ----------------------> offered <--------------> held  -- - - - - - - - - - - - - -> ending --close--> OWNED(owner)
 *                                           |        relinquish                   (revoke: let go)      |
 *                                           +-- retrieve of a donation, scrubbed: OWNED(receiver)       +-- the owner is gone: FREE, dirty
 *
 * What each caller gets for each transition, by the state of the frame; `ok`, or the error. A stranger is a VM that the share does
 * not name, and is told nothing that tells a share from none.
 *
 *                     | share, lend, donate     | retrieve                    | relinquish            | unshare            | reclaim
 *                     | owner   anybody else    | borrower  owner, stranger   | borrower  others      | owner     others   | owner      others
 *   FREE, HYP, DEVICE |  -      EPERM           |                    (no share: S2_ENOENT for everybody)
 *   COLOURED, offering|  EPERM  EPERM           |                    (no share: S2_ENOENT for everybody)
 *   OWNED             |  ok     EPERM           |                    (no share: S2_ENOENT for everybody)
 *   SHARED, offered   |  EPERM  EPERM           |  ok        ENOENT           | ENOENT    ENOENT      | ok        ENOENT   | EINVAL     ENOENT
 *   SHARED, held      |  EPERM  EPERM           |  EEXIST    ENOENT           | ok        ENOENT      | ok (1)    ENOENT   | EINVAL     ENOENT
 *   LENT, offered     |  EPERM  EPERM           |  ok        ENOENT           | ENOENT    ENOENT      | EINVAL    ENOENT   | ok         ENOENT
 *   LENT, held        |  EPERM  EPERM           |  EEXIST    ENOENT           | ok        ENOENT      | EINVAL    ENOENT   | ok (1, 2)  ENOENT
 *   LENT, donated     |  EPERM  EPERM           |  ok (2)    ENOENT           | ENOENT    ENOENT      | EINVAL    ENOENT   | ok         ENOENT
 *   being taken       |  EPERM  EPERM           |  EBUSY     ENOENT           | ENOENT    ENOENT      | as held   ENOENT   | as held    ENOENT
 *   ending            |  EPERM  EPERM           |  EBUSY     ENOENT           | as before             | ok        ENOENT   | ok         ENOENT
 *   being closed      |  EPERM  EPERM           |                    (no share any more: S2_ENOENT for everybody)
 *   (1) closed only when nobody holds it: S2_EBUSY until then   (2) S2_EBUSY until it is scrubbed: what another could write, or what the donor had
 *
 * A borrower is who has that id: it may go, and be made again under it, and the offer is good still, which restarts of a VM want. Whoever
 * gives an id to another VM ends the shares that name it first.
 *
 * Rights only shrink: what is offered is at most what the ledger allows the owner and what its area allows, what is retrieved at
 * most what was offered. None may execute unless the offer says so. Locks: each function takes the ledger's. */
#ifndef STAGE2_SHARE_H
#define STAGE2_SHARE_H

#include <stage2/frames.h>
#include <stage2/ledger.h>
#include <stage2/rights.h>

#define S2_SHARE_BORROWERS 8u /* of one share; a loan and a donation have one */

enum s2_share_kind {
    S2_SHARE,  /* the owner uses it, too */
    S2_LEND,   /* until it comes back, it is the borrower's alone; what the owner left in it can be read there */
    S2_DONATE, /* the receiver's for good, and zero */
};
enum s2_borrow { S2_BORROW_OFFERED, S2_BORROW_TAKING, S2_BORROW_HELD };

struct s2_borrower {
    uint16_t vm;
    uint8_t rights;  /* offered: S2_R | S2_W | S2_X | S2_UX */
    uint8_t has;     /* retrieved, of these */
    uint8_t state;   /* enum s2_borrow */
    s2_ipa ipa;      /* where it sees the first byte; S2_IPA_NONE unless it holds */
    uint64_t mapped; /* bytes */
};

enum s2_share_phase { S2_SHARE_UNUSED, S2_SHARE_MAKING, S2_SHARE_CLOSING, S2_SHARE_OPEN, S2_SHARE_ENDING };

/* The owner's area as it was, to come back so. */
struct s2_share_was {
    s2_ipa ipa;
    uint32_t attr;
    uint16_t name, flags;
};

/* Fields are the library's own. */
struct s2_share {
    uint16_t generation; /* part of the handle: an old one names nothing, until its record was used 65,536 times */
    uint16_t owner;
    uint8_t kind, phase, borrowers;
    uint8_t rights; /* the ledger's, of all its frames */
    bool pooled;    /* they came from the allocator, and go back there when the owner has no use for them */
    bool touched;   /* a borrower could write there */
    bool scrubbing; /* a step is at work */
    uint64_t scrubbed, bytes;
    struct s2_share_was was;
    uint64_t owner_has;       /* bytes that the owner has an area for still: mapped, or in wait for what was lent */
    struct s2_frames *frames; /* where they came from */
    uint64_t *charged;        /* counts the frames as the owner's; null: nothing does, or no longer */
    struct s2_borrower borrower[S2_SHARE_BORROWERS];
    struct s2_imap runs; /* offset -> {PA}; those that go on are one */
};

/* The records, all zero, for the whole machine, and the most that one owner may have. Without this call there are none. */
void s2_share_init(struct s2_ledger *l, struct s2_share *table, unsigned n, unsigned each);

/* --- the owner: share, lend, donate -------------------------------------------------------------------------------- */

struct s2_offer {
    enum s2_share_kind kind;
    struct s2_ipa_range range; /* the owner's */
    unsigned borrowers;
    struct {
        uint16_t vm;
        uint8_t rights;
    } borrower[S2_SHARE_BORROWERS];
};

/* Takes a record. `frames`: the allocator of pooled memory. S2_EINVAL: no borrower or too many, one twice, the owner itself, no
 * VM's id, no right or unknown ones, execute or write without read; S2_EPERM: more than was->attr allows; S2_EQUOTA: the owner has
 * as many as it may; S2_ENODES: all are in use. */
S2_NODISCARD enum s2_err s2_share_begin(struct s2_ledger *l, uint16_t owner, const struct s2_offer *o,
                                        const struct s2_share_was *was, struct s2_frames *frames, uint32_t *handle,
                                        struct s2_detail *d);
/* The next frames, in order. They must be OWNED by the owner wholly, with rights that cover the offer, and alike `pooled`: S2_EPERM,
 * S2_ENOENT, S2_EBUSY, S2_ENODES, S2_EALIGN, S2_EINVAL; names the first range that is not. On an error nothing has changed. */
S2_NODISCARD enum s2_err s2_share_add(struct s2_ledger *l, uint32_t handle, struct s2_pa_range run,
                                      struct s2_detail *d);
/* Never fails. Pooled frames are the owner's to pay for until they are another's, free, or back, whoever has them meanwhile: *charged
 * has them counted until then, or until the owner is taken down. It changes under the ledger's lock, at any time, by atomic stores; null:
 * nobody counts. */
void s2_share_commit(struct s2_ledger *l, uint32_t handle, uint64_t *charged);
void s2_share_drop(struct s2_ledger *l, uint32_t handle); /* all as before begin; never fails */

/* --- a borrower: retrieve, relinquish ------------------------------------------------------------------------------ */

/* S2_ENOENT: no such share for this VM; S2_EEXIST: has it; S2_EBUSY: is ending, is being taken on another CPU, or has to be scrubbed
 * first (s2_share_scrub_step); S2_EINVAL, S2_EPERM: rights. Then it is this VM's to take, until commit or drop. */
S2_NODISCARD enum s2_err s2_share_take_begin(struct s2_ledger *l, uint32_t handle, uint16_t vm, uint8_t rights,
                                             struct s2_detail *d);
/* It is mapped at ipa; of a donation the frames are the VM's own, and the record is free. */
void s2_share_take_commit(struct s2_ledger *l, uint32_t handle, uint16_t vm, s2_ipa ipa);
void s2_share_take_drop(struct s2_ledger *l, uint32_t handle, uint16_t vm);

/* --- the end: unshare, reclaim ------------------------------------------------------------------------------------- */

enum s2_share_end { S2_UNSHARE, S2_RECLAIM, S2_END_ANY };
/* From now on nobody can retrieve it. S2_ENOENT: no share of this owner; S2_EINVAL: unshare of a loan or donation, reclaim of a
 * share. Again is fine. */
S2_NODISCARD enum s2_err s2_share_end_begin(struct s2_ledger *l, uint32_t handle, uint16_t owner, enum s2_share_end how,
                                            struct s2_detail *d);
/* May it be closed? S2_ENOENT; S2_EINVAL: it was not begun to end; S2_EBUSY: somebody holds it (detail's holder), or it has to be scrubbed
 * first. */
S2_NODISCARD enum s2_err s2_share_end_ready(struct s2_ledger *l, uint32_t handle, uint16_t owner, struct s2_detail *d);
/* pre: ready. `back`: the frames are the owner's, as they were; else nobody has them mapped: pooled ones are free, and dirty,
 * others stay the owner's. The record is free. Never fails. The ledger's lock is let go between any few of many runs. */
void s2_share_close(struct s2_ledger *l, uint32_t handle, bool back);

/* One bounded step: zeroes at most `budget` frames of what must be zero before it changes hands, the ledger not locked
 * meanwhile; S2_EBUSY for takers until it is done. True while more is left; false, too, when there is nothing to do (somebody
 * holds it, none did, no such share). */
bool s2_share_scrub_step(struct s2_ledger *l, uint32_t handle, uint64_t budget);

/* --- who has what -------------------------------------------------------------------------------------------------- */

struct s2_share_info {
    uint32_t handle;
    uint16_t owner;
    uint8_t kind, phase, borrowers;
    bool pooled;
    uint64_t owner_has, bytes, scrubbed;
    struct s2_frames *frames;
    struct s2_share_was was;
    struct s2_borrower borrower[S2_SHARE_BORROWERS];
};
/* Nothing is said of shares in the making, or being closed. */
bool s2_share_info(struct s2_ledger *l, uint32_t handle, struct s2_share_info *out);
/* The first one behind that handle, in some order that does not change; 0: from the start. */
bool s2_share_next(struct s2_ledger *l, uint32_t behind, struct s2_share_info *out);
/* The borrower's record of that VM; null: it has none. */
const struct s2_borrower *s2_share_borrower(const struct s2_share_info *info, uint16_t vm);

#endif
