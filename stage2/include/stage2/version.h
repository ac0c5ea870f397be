/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#ifndef STAGE2_VERSION_H
#define STAGE2_VERSION_H

#define STAGE2_VERSION_MAJOR 0
#define STAGE2_VERSION_MINOR 1
#define STAGE2_VERSION_PATCH 0
#define STAGE2_VERSION       "0.1.0"
/* For preprocessor comparisons: major * 10000 + minor * 100 + patch. */
#define STAGE2_VERSION_NUMBER (STAGE2_VERSION_MAJOR * 10000 + STAGE2_VERSION_MINOR * 100 + STAGE2_VERSION_PATCH)

#endif
