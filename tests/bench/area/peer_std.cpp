/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <map>

template <class K, class V, class L> using ordered = std::map<K, V, L>;

#include "ordered.hpp"

ORDERED_PEER(peer_std, "std::map", "the red-black tree of libstdc++, hints and in-place edits, gaps by a linear walk");
