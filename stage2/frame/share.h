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

/* One that is whole. */
static inline struct s2_share *s2_share_made(const struct s2_ledger *l, uint32_t handle)
{
    struct s2_share *s = s2_share_of(l, handle);

    return s && s->phase != S2_SHARE_MAKING ? s : NULL;
}

/* The frames as that VM's own, from ipa on. */
static inline struct s2_ledger_entry s2_share_owned(const struct s2_share *s, uint16_t vm, s2_ipa ipa, uint8_t rights)
{
    return (struct s2_ledger_entry){.owner = vm, .state = S2_OWNED, .rights = rights, .ipa = ipa, .pooled = s->pooled};
}

struct s2_borrower *s2_share_borrower_of(struct s2_share *s, uint16_t vm);
/* Somebody who has it, or is taking it; null: nobody. */
const struct s2_borrower *s2_share_holder(const struct s2_share *s);

/* Every run of it as want says, from want.ipa on (or nowhere), in no share. */
void s2_share_settle(struct s2_ledger *l, struct s2_share *s, struct s2_ledger_entry want);
/* The record is free. */
void s2_share_forget(struct s2_ledger *l, struct s2_share *s);

#endif
