/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of the audit share. The caller holds the ledger's lock. */
#ifndef STAGE2_SPACE_AUDIT_H
#define STAGE2_SPACE_AUDIT_H

#include "frame/ledger.h"

/* What is wrong with an entry that says it is in a share; null: nothing. */
const char *s2_audit_shared_entry(const struct s2_ledger *l, const struct s2_ledger_full *full);
/* Has somebody what is in that share, or is at work on it, though its owner may be gone? */
bool s2_audit_share_in_use(const struct s2_ledger *l, uint32_t handle);
/* What is wrong with the frames of a share, *where. No operation is at work on it. */
const char *s2_audit_share_record(const struct s2_ledger *l, const struct s2_share *s, struct s2_pa_range *where);
/* Is every node of the ledger's pool free, or in a map? *are: so many. */
bool s2_audit_share_nodes(const struct s2_ledger *l, uint64_t *are);

#endif
