/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of this floor share. */
#ifndef FRAME_FRAMES_H
#define FRAME_FRAMES_H

#include <stage2/frames.h>

/* Takes a run of at most `most` free dirty frames out of the free blocks, never one that a promise
 * needs. False: none found in this look. Given back, scrubbed, by s2_frames_put_clean. */
bool s2_frames_take_dirty(struct s2_frames *f, uint64_t most, struct s2_pa_range *out);
void s2_frames_put_clean(struct s2_frames *f, struct s2_pa_range range);

#endif
