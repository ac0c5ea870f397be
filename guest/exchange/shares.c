/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is shared: data both ways, rights, handles, how many there may be, and the instant at which it is withdrawn. */
#include "owner.h"

#define CODE    (POOL + 0x50000)
#define MOVZ_W0 0x52800000u
#define RET     0xd65f03c0u
enum { ROUNDS = 32, SHARES_EACH = 16, SPINS = 2000, QUIET_MS = 50, CODE_RESULT = 0x2a };

void check_words(void)
{
    unsigned wrong = 0;
    uint64_t handle = offer_as(HV_SHARE, WINDOW, WINDOW_BYTES, HV_READ | HV_WRITE), from = owner.rings,
             half = WINDOW_BYTES / 2;
    ok(handle != 0 && order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_WRITE) == HV_SUCCESS &&
           page->result[1] == AT(1) && page->result[2] == WINDOW_BYTES,
       "64 KiB are shared and retrieved");
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(WINDOW, half, i);
        wrong += order(ORDER_SUM, AT(1), half, 0) != sum_of(i, half);
        order(ORDER_FILL, AT(1) + half, half, ~(uint64_t)i);
        wrong += sum(WINDOW + half, half) != sum_of(~(uint64_t)i, half);
    }
    ok(wrong == 0, "%u rounds of data both ways, by their checksums (%u wrong)", (unsigned)ROUNDS, wrong);
    ok(owner.rings - from >= 2ul * ROUNDS, "each answer came with an interrupt (%lu)", owner.rings - from);
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && no_access(AT(1)), "nothing is there when it is reclaimed");
    ok(sum(WINDOW + half, half) == sum_of(~(uint64_t)(ROUNDS - 1), half), "what was shared stays as it was written");
    ok((peer_events() & (HV_OFFERED | HV_WITHDRAWN)) == (HV_OFFERED | HV_WITHDRAWN),
       "both were events to the borrower");
}

/* --- rights -------------------------------------------------------------------------------------------------------- */

void check_rights(void)
{
    fill(SECRET, GUEST_PAGE, 99);
    uint64_t handle = offer_as(HV_SHARE, SECRET, GUEST_PAGE, HV_READ);
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_WRITE) == HV_DENIED &&
           order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_EXECUTE) == HV_DENIED,
       "no more than what was offered is retrieved");
    ok(order_call(HV_RETRIEVE, handle, AT(1), 0) == HV_INVALID &&
           order_call(HV_RETRIEVE, handle, AT(1), HV_WRITE) == HV_INVALID &&
           order_call(HV_RETRIEVE, handle, AT(1), 0x11) == HV_INVALID,
       "rights that there are not");
    ok(order_call(HV_RETRIEVE, handle, AT(1) + 8, HV_READ) == HV_ALIGN &&
           order_call(HV_RETRIEVE, handle, 1ul << 47, HV_READ) == HV_RANGE &&
           order_call(HV_RETRIEVE, handle, ~0xffful, HV_READ) == HV_RANGE &&
           order_call(HV_RETRIEVE, handle, BORROWED, HV_READ) == HV_EXISTS &&
           order_call(HV_RETRIEVE, handle, GICD, HV_READ) == HV_EXISTS,
       "places where it cannot be");
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS, "what is only to be read is retrieved");
    ok(order_call(HV_RETRIEVE, handle, AT(2), HV_READ) == HV_EXISTS, "but not twice");
    ok(order(ORDER_READ, AT(1), 0, 0) == pattern(99, 0) && page->fault == 0, "it can be read");
    ok(faults(ORDER_WRITE, AT(1), EC_DATA_ABORT) && faults(ORDER_EXECUTE, AT(1), EC_INSN_ABORT),
       "it cannot be written, nor executed");
    ok(load64(SECRET) == pattern(99, 0), "and was not");
    owner.events = 0;
    ok(order_call(HV_RELINQUISH, handle, 0, 0) == HV_SUCCESS && no_access(AT(1)) &&
           (owner.events & HV_RELINQUISHED) != 0,
       "it is gone when it was relinquished, and the owner was told");
    ok(order_call(HV_RELINQUISH, handle, 0, 0) == HV_DENIED, "what is not held cannot be relinquished");
    ok(order_call(HV_RETRIEVE, handle, AT(3), HV_READ) == HV_SUCCESS, "while it is offered, it can be retrieved again");
    ok(hv_reclaim(handle, NULL) == HV_SUCCESS && no_access(AT(3)), "and then not");

    store32(CODE, MOVZ_W0 | CODE_RESULT << 5);
    store32(CODE + 4, RET);
    handle = offer_as(HV_SHARE, CODE, GUEST_PAGE, HV_READ | HV_EXECUTE);
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS && faults(ORDER_EXECUTE, AT(1), EC_INSN_ABORT) &&
           order_call(HV_RELINQUISH, handle, 0, 0) == HV_SUCCESS,
       "what was retrieved without the right to execute is not executed");
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_EXECUTE) == HV_SUCCESS, "with it");
    order(ORDER_EXECUTE, AT(1), 0, 0);
    ok(page->fault == 0 && hv_reclaim(handle, NULL) == HV_SUCCESS, "it is");
}

/* --- handles ------------------------------------------------------------------------------------------------------- */

void check_handles(void)
{
    struct hv_result r = hv_offer(HV_SHARE, SECRET, GUEST_PAGE, owner.idle, HV_READ | HV_WRITE);
    uint64_t other = r.x1, wrong = 0;
    ok(r.error == HV_SUCCESS && order(ORDER_LISTED, other, 0, 0) == 0 &&
           order(ORDER_LISTED, owner.page_handle, 0, 0) == 1,
       "a VM is not told of a share that does not name it");
    const uint64_t handles[] = {other, 0, 1, ~0ul, 1ul << 32 | owner.page_handle, owner.page_handle ^ 0x10000, 0xffff};
    for (unsigned i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        wrong += order_call(HV_RETRIEVE, handles[i], AT(1), HV_READ) != HV_DENIED;
        wrong += order_call(HV_RELINQUISH, handles[i], 0, 0) != HV_DENIED;
        wrong += order_call(HV_RECLAIM, handles[i], 0, 0) != HV_DENIED;
        wrong += order_call(HV_RING, handles[i], 0, 0) != HV_DENIED;
    }
    ok(wrong == 0, "whose handle it is not cannot tell it from none (%lu times)", wrong);
    ok(order_call(HV_RECLAIM, owner.page_handle, 0, 0) == HV_DENIED, "a borrower cannot reclaim");
    ok(hv_call(HV_RETRIEVE, other, AT(1), HV_READ).error == HV_DENIED &&
           hv_call(HV_RELINQUISH, owner.page_handle, 0, 0).error == HV_DENIED,
       "nor can the owner retrieve or relinquish");
    ok(hv_reclaim(other, NULL) == HV_SUCCESS && hv_reclaim(other, NULL) == HV_DENIED, "reclaimed once");
    uint64_t again = offer_as(HV_SHARE, SECRET, GUEST_PAGE, HV_READ);
    ok(again != 0 && again != other && hv_call(HV_RECLAIM, other, 0, 0).error == HV_DENIED &&
           order_call(HV_RETRIEVE, other, AT(1), HV_READ) == HV_DENIED,
       "shared again it has another handle, and the old one means nothing");
    ok(order_call(HV_RETRIEVE, again, AT(1), HV_READ) == HV_SUCCESS && hv_reclaim(again, NULL) == HV_SUCCESS,
       "and the new one all");
}

void check_limit(void)
{
    uint64_t handle[SHARES_EACH];
    unsigned n = 0, back = 0;
    struct hv_result r = {.error = HV_SUCCESS};
    while (n < SHARES_EACH &&
           (r = hv_offer(HV_SHARE, LOAN + n * (uint64_t)GUEST_PAGE, GUEST_PAGE, owner.peer, HV_READ)).error == 0)
        handle[n++] = r.x1;
    ok(n == SHARES_EACH - 1 && r.error == HV_QUOTA, "sixteen shares each, and no more (%u)", n + 1);
    for (unsigned i = 0; i < n; i++)
        back += hv_reclaim(handle[i], NULL) == HV_SUCCESS;
    ok(back == n, "all of them come back");
}

/* --- the instant --------------------------------------------------------------------------------------------------- */

void check_instant(void)
{
    uint64_t handle = offer_as(HV_SHARE, WINDOW, WINDOW_BYTES, HV_READ | HV_WRITE);
    store64(WINDOW, 0);
    page->spins = 0;
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ | HV_WRITE) == HV_SUCCESS, "shared again");
    ask(ORDER_SPIN, AT(1), 0, 0, 0);
    uint64_t end = now_ms() + 20000;
    while (page->spins < SPINS && now_ms() < end)
        ;
    ok(page->spins >= SPINS && page->answered != page->asked, "the borrower counts in it on another CPU");
    int64_t error = hv_call(HV_RECLAIM, handle, 0, 0).error;
    uint64_t at_return = load64(WINDOW);
    ok(error == HV_SUCCESS, "it is reclaimed under its hands");
    end = now_ms() + QUIET_MS;
    while (now_ms() < end)
        ;
    uint64_t later = load64(WINDOW);
    wait_answer();
    ok(ESR_EC(page->fault) == EC_DATA_ABORT && ESR_FSC(page->fault) == FSC_EXTERNAL, "its next access faulted");
    ok(at_return == later && later == load64(WINDOW) && at_return >= page->spins && at_return <= page->spins + 1,
       "and changed nothing after the call had returned (%lu, %lu)", at_return, page->spins);
}
