/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the ledger and the shares of its frames have in common. Unless said otherwise the caller holds the ledger's lock. */
#ifndef FRAME_LEDGER_H
#define FRAME_LEDGER_H

#include <stage2/ledger.h>
#include <stage2/share.h>

#include <s2_port.h>

static inline void s2_ledger_lock(struct s2_ledger *l)
{
    s2_port_lock(l->port, &l->lock, S2_LOCK_LEDGER, 0);
}
static inline void s2_ledger_unlock(struct s2_ledger *l)
{
    s2_port_unlock(l->port, &l->lock);
}

/* An entry as the map has it; of what is shared also how far into the share its first frame is. */
struct s2_ledger_full {
    struct s2_ledger_entry entry;
    uint64_t offset;
};
bool s2_ledger_look(const struct s2_ledger *l, s2_pa pa, struct s2_ledger_full *out);

/* Nodes for one change, which others may come before. */
uint32_t s2_ledger_change_nodes(const struct s2_ledger *l);
/* pre: nodes. Takes some only for ends that lie inside an entry and stay. */
void s2_ledger_apply(struct s2_ledger *l, const struct s2_ledger_entry *want, uint64_t offset);
/* What that owner takes up changes by n; may it be so much more? */
void s2_ledger_charge(struct s2_ledger *l, uint16_t owner, int32_t n);
uint64_t s2_ledger_entries(const struct s2_ledger *l, uint16_t owner); /* counted, and no runs of shares */
bool s2_ledger_may_have(const struct s2_ledger *l, uint16_t owner, uint32_t n);
/* How many entries more there are at most when the range, all of which is in the ledger, becomes something else: its ends that lie
 * inside an entry. */
uint32_t s2_ledger_ends(const struct s2_ledger *l, struct s2_pa_range range);
/* Without the lock: is it a range of whole frames that there can be? */
S2_NODISCARD enum s2_err s2_ledger_check_range(const struct s2_ledger *l, struct s2_pa_range range,
                                               struct s2_detail *d);
/* Is no operation changing it, and all of it that owner's in that state? */
S2_NODISCARD enum s2_err s2_ledger_check_held(struct s2_ledger *l, struct s2_pa_range range, uint16_t owner,
                                              enum s2_frame_state state, struct s2_detail *d);
enum s2_err s2_ledger_refuse(struct s2_detail *d, enum s2_err err, struct s2_pa_range range, const char *what);
enum s2_err s2_ledger_refuse_found(struct s2_detail *d, enum s2_err err, struct s2_pa_range range, const char *what,
                                   const struct s2_ledger_entry *found);

/* The entry of a frame of a coloured region (colours.c): that of the run that is seen together around it, as its holder's, or of
 * the frame alone when nobody holds it. */
void s2_colours_resolve(const struct s2_ledger *l, s2_pa pa, struct s2_ledger_entry *e);

/* The record that a handle names; null: none. Also those in the making. */
struct s2_share *s2_share_of(const struct s2_ledger *l, uint32_t handle);

/* --- for the areas that show a share: these take the lock ----------------------------------------------------------- */

/* The place of a record in the table, which an area keeps instead of the handle, and back (the record does not go while an area
 * shows it). */
static inline unsigned s2_share_index(uint32_t handle)
{
    return (handle & 0xffffu) - 1;
}
uint32_t s2_share_handle(struct s2_ledger *l, unsigned index);

/* Of an offer, what needs neither record nor frames to tell: s2_share_begin's S2_EINVAL and S2_EPERM. Takes no lock. */
enum s2_err s2_share_check_offer(const struct s2_offer *o, uint16_t owner, uint32_t allowed, struct s2_detail *d);

/* What that VM has of a share. */
struct s2_share_side {
    bool owner;
    bool pooled;
    bool has;       /* frames; false: it waits for what it has lent, or has nothing */
    uint8_t rights; /* the most */
    uint64_t bytes;
};
struct s2_share_side s2_share_side(struct s2_ledger *l, unsigned index, uint16_t vm);
/* The run that holds the frame at offset. False: none does. */
bool s2_share_run(struct s2_ledger *l, unsigned index, uint64_t offset, uint64_t *run_offset, s2_pa *pa,
                  uint64_t *bytes);
/* The frames become vm's own, mapped from ipa on: back to the owner, or a donation's receiver. The record stays for the moment. */
void s2_share_give(struct s2_ledger *l, uint32_t handle, uint16_t vm, s2_ipa ipa);
/* So many bytes of an area of that VM are gone (and flushed). When nobody has anything left, the frames go, too;
 * memory at a chosen place that a borrower could write to, once it is scrubbed. */
void s2_share_let_go(struct s2_ledger *l, unsigned index, uint16_t vm, uint64_t bytes);
/* What the shares that are charged there come to, and what it says, in the same moment. */
uint64_t s2_share_charge(struct s2_ledger *l, const uint64_t *charged, uint64_t *is);
/* The owner is being taken down: nobody gets at its shares any more, and donations that nobody took are free. True while a
 * donation is being taken, or a share of any kind scrubbed or closed: again. What somebody has on loan or shares still does not count. */
bool s2_share_orphan(struct s2_ledger *l, uint16_t owner);
/* Scrubs a part of what was lent from a chosen place, and came back to an owner who has no area of it any more; scrubbed, it is the
 * owner's again. False: there is none. */
bool s2_share_scrub_left(struct s2_ledger *l, uint16_t owner, uint64_t budget);

#endif
