/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/calldesc.h"

#include <string.h>

#include <stage2/rights.h>

/* As it lies in memory, little endian. */
struct desc {
    uint64_t ipa, bytes;
    uint32_t borrowers, reserved;
    struct {
        uint16_t vm, reserved;
        uint32_t rights;
    } borrower[S2_SHARE_BORROWERS];
};
_Static_assert(sizeof(struct desc) == CALL_DESC_MOST, "descriptor layout");

bool calldesc_size_ok(uint64_t bytes)
{
    return bytes > CALL_DESC_HEAD && bytes <= CALL_DESC_MOST && bytes % CALL_DESC_EACH == 0;
}

bool call_rights_read(uint64_t rights, uint8_t *out)
{
    *out = (uint8_t)(((rights & CALL_RIGHT_READ) != 0 ? S2_R : 0) | ((rights & CALL_RIGHT_WRITE) != 0 ? S2_W : 0) |
                     ((rights & CALL_RIGHT_EXECUTE) != 0 ? S2_X | S2_UX : 0));
    return (rights & ~(uint64_t)CALL_RIGHTS) == 0;
}

uint64_t call_rights(uint8_t rights)
{
    return ((rights & S2_R) != 0 ? CALL_RIGHT_READ : 0u) | ((rights & S2_W) != 0 ? CALL_RIGHT_WRITE : 0u) |
           ((rights & (S2_X | S2_UX)) != 0 ? CALL_RIGHT_EXECUTE : 0u);
}

static enum call_error read_range(const struct desc *d, struct s2_ipa_range *out)
{
    if (d->bytes == 0)
        return CALL_INVALID;
    if (d->bytes > CALL_SHARE_BYTES || d->ipa + d->bytes < d->ipa)
        return CALL_RANGE;
    *out = (struct s2_ipa_range){S2_IPA(d->ipa), S2_IPA(d->ipa + d->bytes)};
    return CALL_SUCCESS;
}

enum call_error calldesc_read(const void *copy, size_t bytes, enum s2_share_kind kind, unsigned self, unsigned vms,
                              struct s2_offer *out)
{
    struct desc d;
    memcpy(&d, copy, bytes);
    *out = (struct s2_offer){.kind = kind, .borrowers = d.borrowers};
    if (bytes != CALL_DESC_HEAD + (uint64_t)CALL_DESC_EACH * d.borrowers || d.reserved != 0 ||
        (kind != S2_SHARE && d.borrowers != 1))
        return CALL_INVALID;
    for (unsigned i = 0; i < d.borrowers; i++) {
        unsigned vm = d.borrower[i].vm;
        if (d.borrower[i].reserved != 0 || vm == self ||
            !call_rights_read(d.borrower[i].rights, &out->borrower[i].rights) ||
            (d.borrower[i].rights & CALL_RIGHT_READ) == 0)
            return CALL_INVALID;
        if (vm >= vms)
            return CALL_NO_ENTRY;
        out->borrower[i].vm = (uint16_t)(S2_OWNER_FIRST_VM + vm);
    }
    return read_range(&d, &out->range);
}

enum call_error call_error_of(enum s2_err err, bool handle)
{
    /* clang-format off */
    static const int8_t table[] = {
        [S2_OK] = CALL_SUCCESS,         [S2_EINVAL] = CALL_INVALID,     [S2_EALIGN] = CALL_ALIGN,
        [S2_ERANGE] = CALL_RANGE,       [S2_EEXIST] = CALL_EXISTS,      [S2_ENOENT] = CALL_NO_ENTRY,
        [S2_EATTR] = CALL_DENIED,       [S2_EUNSUP] = CALL_INVALID,     [S2_EPERM] = CALL_DENIED,
        [S2_EBUSY] = CALL_BUSY,         [S2_ENODES] = CALL_NO_MEMORY,   [S2_ETABLES] = CALL_NO_MEMORY,
        [S2_EFRAMES] = CALL_NO_MEMORY,  [S2_EQUOTA] = CALL_QUOTA,       [S2_ECUT] = CALL_NO_MEMORY,
        [S2_EREFUSED] = CALL_DENIED,    [S2_EDYING] = CALL_DYING,
    };
    /* clang-format on */
    if (handle && err == S2_ENOENT)
        return CALL_DENIED;
    return (enum call_error)table[err];
}
