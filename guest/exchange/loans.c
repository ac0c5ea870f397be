/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is lent and donated: who has it meanwhile, and what is in it afterwards. */
#include "owner.h"

#define LAZY   0x60000000ul /* 2 MiB, lazy, by the manifest */
#define PLACED 0x68000000ul /* 64 KiB at a chosen place */
#define GIFT   (POOL + 0x80000)
enum {
    LOAN_BYTES = 0x200000, /* two scrub steps */
    GIFT_BYTES = 0x10000,
    PIECES = 32,
};

void check_loan(void)
{
    unsigned busy;
    fill(LOAN, LOAN_BYTES, 5);
    uint64_t handle = offer_as(HV_LEND, LOAN, LOAN_BYTES, HV_READ | HV_WRITE);
    ok(handle != 0 && owner_faults(LOAN) && owner_faults(LOAN + LOAN_BYTES - 8), "what is lent is the owner's no more");
    ok(hv_reclaim(handle, &busy) == HV_SUCCESS && busy == 0 &&
           load64(LOAN + LOAN_BYTES - 8) == pattern(5, LOAN_BYTES / 8 - 1),
       "what nobody took comes back as it was");
    handle = offer_as(HV_LEND, LOAN, LOAN_BYTES, HV_READ | HV_WRITE);
    ok(order_call(HV_RETRIEVE, handle, 0x71000000, HV_READ | HV_WRITE) == HV_SUCCESS &&
           order(ORDER_READ, 0x71000000 + LOAN_BYTES - 8, 0, 0) == pattern(5, LOAN_BYTES / 8 - 1),
       "the borrower finds what the owner left");
    order(ORDER_FILL, 0x71000000, 0x1000, 7);
    ok(page->fault == 0 && owner_faults(LOAN), "and has it alone");
    int64_t first = hv_call(HV_RECLAIM, handle, 0, 0).error;
    ok(first == HV_BUSY && no_access(0x71000000) && no_access(0x71000000 + LOAN_BYTES - 8) && owner_faults(LOAN),
       "reclaimed, it is nobody's while it is scrubbed");
    ok(order_call(HV_RETRIEVE, handle, 0x71000000, HV_READ) == HV_DYING, "nor can it be had again");
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && is_zero(LOAN, LOAN_BYTES), "then it is the owner's, and zero");
    for (unsigned rights = HV_READ; rights <= (HV_READ | HV_WRITE); rights += HV_WRITE) {
        fill(WINDOW, GUEST_PAGE, 21);
        handle = offer_as(HV_LEND, WINDOW, GUEST_PAGE, HV_READ | HV_WRITE);
        ok(order_call(HV_RETRIEVE, handle, AT(1), rights) == HV_SUCCESS &&
               order_call(HV_RELINQUISH, handle, 0, 0) == HV_SUCCESS && hv_reclaim(handle, NULL) == HV_SUCCESS &&
               (rights == HV_READ ? sum(WINDOW, GUEST_PAGE) == sum_of(21, GUEST_PAGE) : is_zero(WINDOW, GUEST_PAGE)),
           "what the borrower gave up is %s",
           rights == HV_READ ? "as it was if it could not write" : "zero if it could");
    }
    handle = offer_as(HV_LEND, LAZY + 0x3000, 0x2000, HV_READ);
    ok(handle != 0 && order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS &&
           order(ORDER_READ, AT(1) + 0x1000, 0, 0) == 0 && page->fault == 0 && hv_reclaim(handle, NULL) == HV_SUCCESS,
       "lazy memory that nobody had touched is lent");
}

void check_donation(void)
{
    fill(GIFT, 2ul * GIFT_BYTES, 3);
    ok(hv_offer(HV_DONATE, PLACED, GUEST_PAGE, owner.peer, HV_READ | HV_WRITE).error == HV_DENIED,
       "memory at a chosen place is not donated");
    uint64_t handle = offer_as(HV_DONATE, GIFT, GIFT_BYTES, HV_READ | HV_WRITE);
    ok(handle != 0 && owner_faults(GIFT), "64 KiB are donated");
    int64_t error;
    while ((error = order_call(HV_RETRIEVE, handle, AT(4), HV_READ | HV_WRITE)) == HV_BUSY)
        ;
    ok(error == HV_SUCCESS, "and received (-%lu)", (uint64_t)-error);
    ok(order(ORDER_SUM, AT(4), GIFT_BYTES, 0) != sum_of(3, GIFT_BYTES) &&
           order(ORDER_READ, AT(4) + 0x8008, 0, 0) == 0 && page->fault == 0 && order(ORDER_READ, AT(4), 0, 0) == 0,
       "as zeros");
    ok(hv_reclaim(handle, NULL) == HV_DENIED && owner_faults(GIFT), "there is no way back");
    order(ORDER_FILL, AT(4), GIFT_BYTES, 11);
    ok(order(ORDER_SUM, AT(4), GIFT_BYTES, 0) == sum_of(11, GIFT_BYTES) && order(ORDER_LISTED, handle, 0, 0) == 0,
       "it is the receiver's own");
    handle = offer_as(HV_DONATE, LOAN, LOAN_BYTES, HV_READ | HV_WRITE);
    unsigned steps = 0;
    while ((error = order_call(HV_RETRIEVE, handle, 0x71000000, HV_READ | HV_WRITE)) == HV_BUSY)
        steps++;
    ok(error == HV_QUOTA && steps > 0, "who has too little spare memory cannot receive (-%lu)", (uint64_t)-error);
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && !try_write(LOAN, 1).taken &&
           !try_write(LOAN + LOAN_BYTES - 8, 1).taken,
       "what was not received comes back");
}

/* Every other page, so that no two are one. */
void check_pieces(void)
{
    unsigned received = 0;
    for (unsigned n = 0; n < PIECES; n++) {
        uint64_t handle = offer_as(HV_DONATE, GIFT + GIFT_BYTES + 2ul * n * GUEST_PAGE, GUEST_PAGE, HV_READ);
        uint64_t at = 0x72000000 + n * (uint64_t)GUEST_PAGE;
        received += order_call(HV_RETRIEVE, handle, at, HV_READ) == HV_SUCCESS && order(ORDER_READ, at, 0, 0) == 0;
    }
    ok(received == PIECES, "many small pieces are donated (%u)", received);
}
