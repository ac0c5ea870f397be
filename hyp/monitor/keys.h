/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the keys behind Ctrl-T want of the command line. */
#ifndef MONITOR_KEYS_H
#define MONITOR_KEYS_H

void monitor_line_init(void);
void monitor_line_open(void);
/* Has a command done, unless one is at work; word: what stands behind it, or null. */
void monitor_do(const char *command, const char *word);

#endif
