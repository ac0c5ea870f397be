/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <absl/container/btree_map.h>

template <class K, class V, class L> using ordered = absl::btree_map<K, V, L>;

#include "ordered.hpp"

ORDERED_PEER(peer_absl, "absl::btree", "absl::btree_map, hints and in-place edits, gaps by a linear walk");
