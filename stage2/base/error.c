/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/error.h>

#include <stddef.h>

#include "base/words.h"

/* Name and phrase of each code, in their order. */
#define WORDS(name, phrase) name "\0" phrase "\0"

/* clang-format off */
static const char words[] =
    WORDS("OK", "success")
    WORDS("EINVAL", "is not a valid argument")
    WORDS("EALIGN", "is not aligned")
    WORDS("ERANGE", "is out of range")
    WORDS("EEXIST", "overlaps what is already there")
    WORDS("ENOENT", "is not there")
    WORDS("EATTR", "has attributes that are refused here")
    WORDS("EUNSUP", "is not supported")
    WORDS("EPERM", "is not this VM's to use")
    WORDS("EBUSY", "is busy with another operation")
    WORDS("ENODES", "needs more nodes than are free")
    WORDS("ETABLES", "needs more table pages than are free")
    WORDS("EFRAMES", "needs more frames than are free")
    WORDS("EQUOTA", "exceeds this VM's quota")
    WORDS("ECUT", "cuts a block while the cut reserve is used up")
    WORDS("EREFUSED", "is refused by the backend")
    WORDS("EDYING", "belongs to a space that is being destroyed")
    WORDS("E?", "failed for an unknown reason");
/* clang-format on */
enum { ROW_UNKNOWN = S2_EDYING + 1 };

static size_t row(enum s2_err err)
{
    size_t i = (size_t)err;

    return i < ROW_UNKNOWN ? i : ROW_UNKNOWN;
}

const char *s2_err_name(enum s2_err err)
{
    return s2_word(words, 2 * row(err));
}

const char *s2_err_phrase(enum s2_err err)
{
    return s2_word(words, 2 * row(err) + 1);
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
