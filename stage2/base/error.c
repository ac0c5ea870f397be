/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/error.h>

#include <stddef.h>

/* Name and phrase, in one string: a second pointer would be half as long as a phrase. */
#define WORDS(name, phrase) name "\0" phrase

static const char *const table[] = {
    [S2_OK] = WORDS("OK", "success"),
    [S2_EINVAL] = WORDS("EINVAL", "is not a valid argument"),
    [S2_EALIGN] = WORDS("EALIGN", "is not aligned"),
    [S2_ERANGE] = WORDS("ERANGE", "is out of range"),
    [S2_EEXIST] = WORDS("EEXIST", "overlaps what is already there"),
    [S2_ENOENT] = WORDS("ENOENT", "is not there"),
    [S2_EATTR] = WORDS("EATTR", "has attributes that are refused here"),
    [S2_EUNSUP] = WORDS("EUNSUP", "is not supported"),
    [S2_EPERM] = WORDS("EPERM", "is not this VM's to use"),
    [S2_EBUSY] = WORDS("EBUSY", "is busy with another operation"),
    [S2_ENODES] = WORDS("ENODES", "needs more nodes than are free"),
    [S2_ETABLES] = WORDS("ETABLES", "needs more table pages than are free"),
    [S2_EFRAMES] = WORDS("EFRAMES", "needs more frames than are free"),
    [S2_EQUOTA] = WORDS("EQUOTA", "exceeds this VM's quota"),
    [S2_ECUT] = WORDS("ECUT", "cuts a block while the cut reserve is used up"),
    [S2_EREFUSED] = WORDS("EREFUSED", "is refused by the backend"),
    [S2_EDYING] = WORDS("EDYING", "belongs to a space that is being destroyed"),
};

const char *s2_err_name(enum s2_err err)
{
    size_t i = (size_t)err;

    return i < sizeof(table) / sizeof(table[0]) ? table[i] : WORDS("E?", "failed for an unknown reason");
}

const char *s2_err_phrase(enum s2_err err)
{
    const char *s = s2_err_name(err);

    while (*s++ != '\0')
        ;
    return s;
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
