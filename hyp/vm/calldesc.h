/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What a guest hands over in a call, read without any state: a copy of its descriptor, and errors in its terms. */
#ifndef VM_CALLDESC_H
#define VM_CALLDESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage2/error.h>
#include <stage2/share.h>

#include "vm/calls.h"

enum { CALL_RIGHT_READ = 1, CALL_RIGHT_WRITE = 2, CALL_RIGHT_EXECUTE = 4, CALL_RIGHTS = 7 };
/* What one call may offer, as it is populated, mapped and flushed in one piece. */
#define CALL_SHARE_BYTES (32ull << 20)

enum { CALL_DESC_HEAD = 24, CALL_DESC_EACH = 8, CALL_DESC_MOST = CALL_DESC_HEAD + CALL_DESC_EACH * S2_SHARE_BORROWERS };

/* The size of a descriptor with one borrower or more. */
bool calldesc_size_ok(uint64_t bytes);
/* Reads a copy of `bytes`, of that size: an offer of `self`, which is VM number `vm` of `vms`. The range is only looked at as far as
 * numbers go, and of the borrowers only the numbers. */
enum call_error calldesc_read(const void *copy, size_t bytes, enum s2_share_kind kind, unsigned self, unsigned vms,
                              struct s2_offer *out);

/* False: bits that there are not. */
bool call_rights_read(uint64_t rights, uint8_t *out);
uint64_t call_rights(uint8_t rights);

/* In the ABI's terms; `handle`: what is not there is a share, of which a VM is told no more than that it has no part in it. */
enum call_error call_error_of(enum s2_err err, bool handle);

#endif
