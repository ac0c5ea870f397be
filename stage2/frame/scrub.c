/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "frame/frames.h"

#include <s2_port.h>

void s2_frames_zero(struct s2_port *port, s2_pa pa, uint64_t bytes)
{
    while (bytes) {
        /* A window never crosses a multiple of its size. */
        uint64_t room = S2_PORT_WINDOW - pa.v % S2_PORT_WINDOW, n = bytes < room ? bytes : room;
        void *va = s2_port_window_map(port, pa, (size_t)n);

        s2_port_zero(port, va, (size_t)n);
        /* A guest starts with its MMU off and reads memory past the caches (D8.6, architecture rule 19). */
        s2_port_clean_poc(port, va, (size_t)n);
        /* Nor may it execute what the last owner's instructions were: an instruction cache keeps them by PA (D7.5.3). */
        s2_port_sync_code(port, va, (size_t)n);
        s2_port_window_unmap(port, va, (size_t)n);
        pa.v += n;
        bytes -= n;
    }
}

bool s2_frames_scrub_step(struct s2_frames *f, uint64_t budget)
{
    struct s2_pa_range run;

    /* Out of the free blocks while it is zeroed, so the lock is not held across the stores. */
    if (s2_frames_take_dirty(f, budget, &run)) {
        s2_frames_zero(f->port, run.start, run.end.v - run.start.v);
        s2_frames_put_clean(f, run);
    }
    s2_port_lock(f->port, &f->lock, S2_LOCK_FRAMES, 0);
    bool left = f->clean != f->free;
    s2_port_unlock(f->port, &f->lock);
    return left;
}
