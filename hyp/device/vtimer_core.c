/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Timers as plain logic. */
#include "device/vtimer.h"

bool vtimer_line(const struct vtimer_unit *u, uint64_t count)
{
    return (u->ctl & (VTIMER_ENABLE | VTIMER_IMASK)) == VTIMER_ENABLE && count >= u->cval;
}

uint64_t vtimer_due(const struct vtimer_unit *u, uint64_t offset)
{
    if ((u->ctl & (VTIMER_ENABLE | VTIMER_IMASK)) != VTIMER_ENABLE || u->seen)
        return UINT64_MAX;
    return u->cval > UINT64_MAX - offset ? UINT64_MAX : u->cval + offset;
}

uint64_t vtimer_unit_read(const struct vtimer_unit *u, enum vtimer_view view, uint64_t count)
{
    switch (view) {
    case VTIMER_TVAL:
        return (uint32_t)(u->cval - count);
    case VTIMER_CTL:
        /* ISTATUS is UNKNOWN while the timer is off (Arm ARM, CNTP_CTL_EL0): zero here. */
        return u->ctl | ((u->ctl & VTIMER_ENABLE) != 0 && count >= u->cval ? VTIMER_ISTATUS : 0u);
    case VTIMER_CVAL:
        return u->cval;
    }
    return 0;
}

void vtimer_unit_write(struct vtimer_unit *u, enum vtimer_view view, uint64_t value, uint64_t count)
{
    switch (view) {
    case VTIMER_TVAL: /* a signed 32-bit distance from now */
        u->cval = count + (uint64_t)(int64_t)(int32_t)(uint32_t)value;
        break;
    case VTIMER_CTL:
        u->ctl = (uint32_t)value & (VTIMER_ENABLE | VTIMER_IMASK);
        break;
    case VTIMER_CVAL:
        u->cval = value;
        break;
    }
    u->seen = false;
}
