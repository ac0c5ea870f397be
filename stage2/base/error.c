/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/error.h>

#include <stddef.h>

struct words {
    const char *name, *phrase;
};

static const struct words table[] = {
    [S2_OK] = {"OK", "success"},
    [S2_EINVAL] = {"EINVAL", "is not a valid argument"},
    [S2_EALIGN] = {"EALIGN", "is not aligned"},
    [S2_ERANGE] = {"ERANGE", "is out of range"},
    [S2_EEXIST] = {"EEXIST", "overlaps what is already there"},
    [S2_ENOENT] = {"ENOENT", "is not there"},
    [S2_EATTR] = {"EATTR", "has attributes that are refused here"},
    [S2_EUNSUP] = {"EUNSUP", "is not supported"},
    [S2_EPERM] = {"EPERM", "is not this VM's to use"},
    [S2_EBUSY] = {"EBUSY", "is busy with another operation"},
    [S2_ENODES] = {"ENODES", "needs more nodes than are free"},
    [S2_ETABLES] = {"ETABLES", "needs more table pages than are free"},
    [S2_EFRAMES] = {"EFRAMES", "needs more frames than are free"},
    [S2_EQUOTA] = {"EQUOTA", "exceeds this VM's quota"},
    [S2_ECUT] = {"ECUT", "cuts a block while the cut reserve is used up"},
    [S2_EREFUSED] = {"EREFUSED", "is refused by the backend"},
    [S2_EDYING] = {"EDYING", "belongs to a space that is being destroyed"},
};

static const struct words *lookup(enum s2_err err)
{
    static const struct words unknown = {"E?", "failed for an unknown reason"};
    size_t i = (size_t)err;

    return i < sizeof(table) / sizeof(table[0]) ? &table[i] : &unknown;
}

const char *s2_err_name(enum s2_err err)
{
    return lookup(err)->name;
}

const char *s2_err_phrase(enum s2_err err)
{
    return lookup(err)->phrase;
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
