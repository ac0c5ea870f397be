/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* pieces: one guest shares memory at a chosen place with another, piece by piece, as often as it may; and restarts at the moment when
 * that one, which is restarting, has let go of the first.
 *
 *   peer=N   shares with VM N; without: retrieves what there is
 *
 * Keys, of the one that retrieves: h says when it has all, r reset. */
#include "lib/calls.h"
#include "lib/guest.h"

enum { PIECES = 16, PIECE = 0x1000, PATIENCE_MS = 100 };
#define PLACED 0x60000000ul

static void give(unsigned peer)
{
    unsigned given = 0;
    while (given < PIECES &&
           hv_offer(HV_SHARE, PLACED + given * (uint64_t)PIECE, PIECE, peer, HV_READ | HV_WRITE).error == HV_SUCCESS)
        given++;
    say("shares %u pieces\n", given);
    for (;;) {
        (void)gic_wait(PATIENCE_MS);
        if (hv_call(HV_EVENTS, 0, 0, 0).x1 & HV_RELINQUISHED)
            reset();
    }
}

/* How many it has, when it has taken what there is. */
static unsigned take_all(void)
{
    enum { ROLE_SHIFT = 16, ROLE_MASK = 0xff, HOLDS = 2, PLACE_MASK = 0xffff };
    unsigned has = 0;
    for (struct hv_result q = hv_call(HV_QUERY, 0, 0, 0); q.error == HV_SUCCESS && q.x1 != 0;
         q = hv_call(HV_QUERY, q.x1, 0, 0)) {
        uint64_t at = PLACED + (q.x1 & PLACE_MASK) * PIECE;
        has += (q.x2 >> ROLE_SHIFT & ROLE_MASK) == HOLDS ||
               hv_call(HV_RETRIEVE, q.x1, at, HV_READ | HV_WRITE).error == HV_SUCCESS;
    }
    return has;
}

static void take(void)
{
    say("takes\n");
    for (bool asked = false;;) {
        int key = get_char();
        if (key == 'r')
            reset();
        asked |= key == 'h';
        if (take_all() == PIECES && asked) {
            say("has %u pieces\n", PIECES);
            asked = false;
        }
        (void)gic_wait(PATIENCE_MS);
        (void)hv_call(HV_EVENTS, 0, 0, 0);
    }
}

void guest_main(const void *dtb)
{
    unsigned peer = (unsigned)arg_number(boot_args(dtb), "peer", 0);
    gic_init();
    (void)hv_doorbell();
    if (peer != 0)
        give(peer);
    take();
}
