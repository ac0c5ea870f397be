/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Errors are values with a story: a code says what class, a detail record says what collided with what and who
 * holds it. Nothing that a guest or a manifest can influence ever reaches an assertion. */
#ifndef STAGE2_ERROR_H
#define STAGE2_ERROR_H

#include <stdint.h>

#define S2_NODISCARD __attribute__((warn_unused_result))

enum s2_err {
    S2_OK = 0,
    S2_EINVAL,   /* an argument that is wrong by itself: zero size, wrap-around, null, unknown bits */
    S2_EALIGN,   /* not aligned to the granule, or an alignment that is not a power of two */
    S2_ERANGE,   /* beyond the IPA size, the PA size or the limit given */
    S2_EEXIST,   /* the range meets an area that is already there */
    S2_ENOENT,   /* nothing there, or no gap that fits */
    S2_EATTR,    /* an attribute, or a combination of them, that this CPU or this space refuses */
    S2_EUNSUP,   /* the CPU cannot do what is asked, or the library not yet (geometry, feature) */
    S2_EPERM,    /* the VM holds no right on that frame */
    S2_EBUSY,    /* another operation is at work on that range, or re-entrance from a callback */
    S2_ENODES,   /* out of area, chunk or ledger nodes */
    S2_ETABLES,  /* out of table pages */
    S2_EFRAMES,  /* out of frames */
    S2_EQUOTA,   /* the machine has it, this VM's quota does not */
    S2_ECUT,     /* a cut inside a block or an area, and the reserve kept for that could not be refilled */
    S2_EREFUSED, /* a backend refused; only backends that are not the library's own do */
    S2_EDYING,   /* the space is being destroyed */
};

enum s2_detail_axis { S2_AXIS_NONE, S2_AXIS_IPA, S2_AXIS_PA };

/* What went wrong. `what` is a static English phrase without a full stop ("overlaps", "is not aligned to the
 * granule"). Ranges are half-open byte addresses on `axis`; start == end means "no range". */
struct s2_detail {
    enum s2_err err;
    enum s2_detail_axis axis;
    uint64_t asked_start, asked_end;
    uint64_t found_start, found_end;
    uint32_t holder; /* ledger owner of the found range; S2_OWNER_NONE when not known */
    const char *what;
};

/* The name of a code ("EEXIST"), and a short phrase for people ("overlaps an existing area"). Never fail. */
const char *s2_err_name(enum s2_err err);
const char *s2_err_phrase(enum s2_err err);

/* Fills *d (ignored when d is null) and returns err, so that a refusal is one line where it is born. */
enum s2_err s2_refuse(struct s2_detail *d, enum s2_err err, enum s2_detail_axis axis, uint64_t start, uint64_t end,
                      const char *what);
/* The same with the range that was found in the way; the caller sets d->holder when it knows one. */
enum s2_err s2_refuse_found(struct s2_detail *d, enum s2_err err, enum s2_detail_axis axis, uint64_t start,
                            uint64_t end, uint64_t found_start, uint64_t found_end, const char *what);

#endif
