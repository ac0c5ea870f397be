/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/error.h>

#include <stddef.h>

#include "base/words.h"

/* Of each code, in their order; two lists, since a program may ask for one of them alone. */
/* clang-format off */
static const char names[] =
    "OK\0" "EINVAL\0" "EALIGN\0" "ERANGE\0" "EEXIST\0" "ENOENT\0" "EATTR\0" "EUNSUP\0" "EPERM\0" "EBUSY\0"
    "ENODES\0" "ETABLES\0" "EFRAMES\0" "EQUOTA\0" "ECUT\0" "EREFUSED\0" "EDYING\0" "E?\0";
static const char phrases[] =
    "success\0"
    "is not a valid argument\0"
    "is not aligned\0"
    "is out of range\0"
    "overlaps what is already there\0"
    "is not there\0"
    "has attributes that are refused here\0"
    "is not supported\0"
    "is not this VM's to use\0"
    "is busy with another operation\0"
    "needs more nodes than are free\0"
    "needs more table pages than are free\0"
    "needs more frames than are free\0"
    "exceeds this VM's quota\0"
    "cuts a block while the cut reserve is used up\0"
    "is refused by the backend\0"
    "belongs to a space that is being destroyed\0"
    "failed for an unknown reason\0";
/* clang-format on */
enum { ROW_UNKNOWN = S2_EDYING + 1 };

static size_t row(enum s2_err err)
{
    size_t i = (size_t)err;

    return i < ROW_UNKNOWN ? i : ROW_UNKNOWN;
}

const char *s2_err_name(enum s2_err err)
{
    return s2_word(names, row(err));
}

const char *s2_err_phrase(enum s2_err err)
{
    return s2_word(phrases, row(err));
}

enum s2_err s2_refuse(struct s2_detail *d, enum s2_err err, enum s2_detail_axis axis, uint64_t start, uint64_t end,
                      const char *what)
{
    if (d)
        *d = (struct s2_detail){.err = err, .axis = axis, .asked_start = start, .asked_end = end, .what = what};
    return err;
}

enum s2_err s2_refuse_found(struct s2_detail *d, enum s2_err err, enum s2_detail_axis axis, uint64_t start,
                            uint64_t end, uint64_t found_start, uint64_t found_end, const char *what)
{
    if (d) {
        (void)s2_refuse(d, err, axis, start, end, what);
        d->found_start = found_start;
        d->found_end = found_end;
    }
    return err;
}
