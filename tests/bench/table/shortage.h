/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#ifndef BENCH_TABLE_SHORTAGE_H
#define BENCH_TABLE_SHORTAGE_H

#include "bench/common/table.h"
#include "subject.h"

/* W1 where the pool has too few pages: what is mapped after it was refused, and which table pages are held for it. The first
 * `own` subjects promise that it is nothing, and none; false when one of them breaks that. */
bool report_shortage(struct table *t, const struct work *w, const struct subject *const *subject, unsigned subjects,
                     unsigned own);

#endif
