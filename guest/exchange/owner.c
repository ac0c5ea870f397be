/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The order of the checks, the page of words that they are asked on, and restarts. */
#include "owner.h"

struct owner owner;

/* --- orders -------------------------------------------------------------------------------------------------------- */

void ask(enum order order, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    page->order = order;
    page->arg[0] = a;
    page->arg[1] = b;
    page->arg[2] = c;
    page->arg[3] = d;
    page->asked++;
    hv_call(HV_RING, owner.page_handle, 0, 0);
}

void wait_answer(void)
{
    while (page->answered != page->asked) {
        if (!wait_doorbell(owner.intid, &owner.events)) {
            say("# the borrower does not answer order %lu\n", page->order);
            done("exchange");
            power_off();
        }
        owner.rings++;
    }
}

uint64_t order(enum order what, uint64_t a, uint64_t b, uint64_t c)
{
    ask(what, a, b, c, 0);
    wait_answer();
    return page->result[0];
}

int64_t order_call(unsigned n, uint64_t a, uint64_t b, uint64_t c)
{
    ask(ORDER_CALL, n, a, b, c);
    wait_answer();
    return (int64_t)page->result[0];
}

bool faults(enum order what, uint64_t address, unsigned class)
{
    order(what, address, 0, 0);
    return ESR_EC(page->fault) == class && ESR_FSC(page->fault) == FSC_EXTERNAL;
}

bool no_access(uint64_t address)
{
    return faults(ORDER_READ, address, EC_DATA_ABORT) && faults(ORDER_WRITE, address, EC_DATA_ABORT) &&
           faults(ORDER_EXECUTE, address, EC_INSN_ABORT);
}

bool owner_faults(uint64_t address)
{
    uint64_t value;
    struct fault f = try_read(address, &value);
    return f.taken && ESR_EC(f.esr) == EC_DATA_ABORT && try_write(address, 1).taken;
}

uint64_t peer_events(void)
{
    return order(ORDER_EVENTS, 0, 0, 0);
}

bool is_zero(uint64_t address, uint64_t bytes)
{
    uint64_t all = 0;
    for (uint64_t i = 0; i < bytes; i += 8)
        all |= load64(address + i);
    return all == 0;
}

uint64_t offer_as(unsigned n, uint64_t ipa, uint64_t bytes, unsigned rights)
{
    struct hv_result r = hv_offer(n, ipa, bytes, owner.peer, rights);
    return r.error == HV_SUCCESS ? r.x1 : 0;
}

/* --- the page of words --------------------------------------------------------------------------------------------- */

static void meet(void)
{
    struct hv_result r;
    owner.page_handle = offer_as(HV_SHARE, PAGE, GUEST_PAGE, HV_READ | HV_WRITE);
    ok(owner.page_handle != 0, "a page is shared");
    r = hv_call(HV_QUERY, 0, 0, 0);
    ok(r.x1 == owner.page_handle && r.x2 == (uint64_t)SELF << 32 && r.x3 == GUEST_PAGE && r.x4 == PAGE &&
           (r.x5 == 1 || r.x5 == 0x101),
       "QUERY says so (%lx)", r.x2);
    ok(hv_offer(HV_SHARE, PAGE, GUEST_PAGE, owner.idle, HV_READ).error == HV_DENIED &&
           hv_offer(HV_LEND, POOL, 0x4000, owner.idle, HV_READ).error == HV_NO_ENTRY,
       "what is shared cannot be shared again, nor lent with what lies behind it");
    if (!ok(wait_doorbell(owner.intid, &owner.events) && (owner.events & HV_RUNG) != 0, "the borrower rings")) {
        done("exchange");
        power_off();
    }
    r = hv_call(HV_QUERY, 0, 0, 0);
    ok(r.x5 == 0x101, "who has it by now");
}

/* --- restarts ------------------------------------------------------------------------------------------------------ */

static void check_restart(void)
{
    uint64_t handle = offer_as(HV_SHARE, WINDOW, WINDOW_BYTES, HV_READ);
    fill(WINDOW, WINDOW_BYTES, 31);
    ok(order_call(HV_RETRIEVE, handle, AT(1), HV_READ) == HV_SUCCESS && hv_call(HV_QUERY, handle - 1, 0, 0).x5 == 0x101,
       "the borrower has a window");
    owner.events = 0;
    order(ORDER_RESET, 0, 0, 0);
    ok((owner.events & HV_RELINQUISHED) != 0 && hv_call(HV_QUERY, handle - 1, 0, 0).x5 == 1 && no_access(AT(1)),
       "and has it no more when it has restarted");
    ok(order_call(HV_RETRIEVE, handle, AT(2), HV_READ) == HV_SUCCESS &&
           order(ORDER_SUM, AT(2), WINDOW_BYTES, 0) == sum_of(31, WINDOW_BYTES) &&
           hv_reclaim(handle, NULL) == HV_SUCCESS,
       "it is offered still, and can be retrieved");
    ok(no_access(AT(4)), "what was donated to it is gone");
}

/* Is there something that the borrower offered to this VM's last life? */
static bool second_life(void)
{
    struct hv_result r = hv_call(HV_QUERY, 0, 0, 0);
    uint64_t handle = r.x1;
    if (r.error != HV_SUCCESS || handle == 0)
        return false;
    bool good = r.x2 == ((uint64_t)owner.peer << 32 | 3 << 24 | 1 << 16) && hv_call(HV_QUERY, handle, 0, 0).x1 == 0 &&
                is_zero(POOL, POOL_END - POOL) &&
                hv_call(HV_RETRIEVE, handle, NOWHERE, HV_READ | HV_WRITE).error == 0 && load64(NOWHERE) == HELLO;
    if (good)
        store64(NOWHERE + 8, ANSWER);
    hv_call(HV_RING, handle, 0, 0);
    say("second life: %s\n", good ? "as expected" : "otherwise");
    return true;
}

void owner_main(const char *args)
{
    owner.peer = (unsigned)arg_number(args, "peer", 1);
    owner.idle = (unsigned)arg_number(args, "idle", 2);
    owner.intid = hv_doorbell();
    if (second_life())
        return;
    check_calls();
    meet();
    check_words();
    check_rights();
    check_handles();
    check_limit();
    check_loan();
    check_donation();
    check_pieces();
    check_instant();
    check_restart();
    ok(order(ORDER_OFFER, SELF, 0, 0) == HV_SUCCESS, "the borrower shares a page of its own with the owner");
    ok(page->silent == 0 && page->doorbells == page->asked, "every one of %lu orders came with a doorbell",
       page->asked);
    done("exchange");
    order(ORDER_END, 0, 0, 0);
    reset();
}
