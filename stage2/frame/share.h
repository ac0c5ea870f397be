/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of shares have in common. The caller holds the ledger's lock. */
#ifndef FRAME_SHARE_H
#define FRAME_SHARE_H

#include "frame/ledger.h"

#define S2_SHARE_OFFSETS (1ull << 48) /* no share is larger */

static inline struct s2_pa_range s2_share_frames(uint64_t pa, uint64_t bytes)
{
    return (struct s2_pa_range){S2_PA(pa), S2_PA(pa + bytes)};
}

static inline enum s2_err s2_share_refuse(struct s2_detail *d, enum s2_err err, const char *what)
{
    return s2_refuse(d, err, S2_AXIS_NONE, 0, 0, what);
}

/* One that is there, but is not to be known by who asks, is answered as one that is not. */
static inline enum s2_err s2_share_unknown(struct s2_detail *d)
{
    return s2_share_refuse(d, S2_ENOENT, "is no share of this VM's");
}

static inline uint32_t s2_share_handle_of(const struct s2_ledger *l, const struct s2_share *s)
{
    enum { GENERATION_SHIFT = 16 };

    return (uint32_t)s->generation << GENERATION_SHIFT | (uint32_t)(s - l->share + 1);
}

static inline bool s2_share_is_whole(const struct s2_share *s)
{
    return s->phase == S2_SHARE_OPEN || s->phase == S2_SHARE_ENDING;
}

static inline struct s2_share *s2_share_made(const struct s2_ledger *l, uint32_t handle)
{
    struct s2_share *s = s2_share_of(l, handle);

    return s && s2_share_is_whole(s) ? s : NULL;
}

/* The frames as that VM's own, from ipa on. */
static inline struct s2_ledger_entry s2_share_owned(const struct s2_share *s, uint16_t vm, s2_ipa ipa, uint8_t rights)
{
    return (struct s2_ledger_entry){.owner = vm, .state = S2_OWNED, .rights = rights, .ipa = ipa, .pooled = s->pooled};
}

/* Is there something in it that the next to have it must not find? */
bool s2_share_wants_scrub(const struct s2_share *s);
struct s2_borrower *s2_share_borrower_of(struct s2_share *s, uint16_t vm);
/* Somebody who has it, or is taking it; null: nobody. */
const struct s2_borrower *s2_share_holder(const struct s2_share *s);

/* Every run that is left in it as want says, from want.ipa on (or nowhere), in no share; what is free now is the allocator's. Lets
 * the lock go between any few of them: pre: nobody else may take or close it meanwhile. */
void s2_share_settle(struct s2_ledger *l, struct s2_share *s, struct s2_ledger_entry want);
/* Its owner pays for it no longer. */
void s2_share_uncharge(struct s2_share *s);
/* pre: settled. The record is free. */
void s2_share_forget(struct s2_share *s);

#endif
