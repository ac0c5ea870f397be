/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "exchange.h"

static struct page *const page = (struct page *)BORROWED;
static uint64_t events;

/* The first offer that there is, or that comes. */
static uint64_t wait_offer(unsigned intid)
{
    for (;;) {
        struct hv_result r = hv_call(HV_QUERY, 0, 0, 0);
        if (r.error != HV_SUCCESS || r.x1 != 0)
            return r.x1;
        if (!wait_doorbell(intid, &events))
            return 0;
    }
}

static struct fault spin(uint64_t address)
{
    struct fault f;
    uint64_t value = 0;
    do {
        f = try_write(address, ++value);
        if (!f.taken)
            page->spins = value;
    } while (!f.taken);
    return f;
}

static bool is_listed(uint64_t handle)
{
    struct hv_result r = {.x1 = 0};
    do {
        r = hv_call(HV_QUERY, r.x1, 0, 0);
        if (r.error == HV_SUCCESS && r.x1 == handle)
            return true;
    } while (r.error == HV_SUCCESS && r.x1 != 0);
    return false;
}

static void obey(void)
{
    uint64_t a[4], result = 0;
    struct fault f = {.taken = false};
    struct hv_result r = {.error = 0};
    for (unsigned i = 0; i < 4; i++)
        a[i] = page->arg[i];
    switch (page->order) {
    case ORDER_CALL:
        r = hv_call((unsigned)a[0], a[1], a[2], a[3]);
        result = (uint64_t)r.error;
        break;
    case ORDER_READ:
        f = try_read(a[0], &result);
        break;
    case ORDER_WRITE:
        f = try_write(a[0], a[1]);
        break;
    case ORDER_EXECUTE:
        sync_code(a[0]);
        f = try_call(a[0]);
        break;
    case ORDER_SUM:
        result = sum(a[0], a[1]);
        break;
    case ORDER_FILL:
        fill(a[0], a[1], a[2]);
        break;
    case ORDER_SPIN:
        f = spin(a[0]);
        break;
    case ORDER_LISTED:
        result = is_listed(a[0]);
        break;
    case ORDER_EVENTS:
        result = events | hv_call(HV_EVENTS, 0, 0, 0).x1;
        events = 0;
        break;
    case ORDER_RESET:
        reset();
    case ORDER_OFFER:
        store64(OWN, HELLO);
        store64(OWN + 8, 0);
        r = hv_offer(HV_SHARE, OWN, GUEST_PAGE, (unsigned)a[0], HV_READ | HV_WRITE);
        result = (uint64_t)r.error;
        break;
    default:
        break;
    }
    page->fault = f.taken ? f.esr : 0;
    page->result[0] = result;
    page->result[1] = r.x1;
    page->result[2] = r.x2;
    page->result[3] = r.x4;
}

/* To the order to end. False: nothing came any more. */
static bool serve(unsigned intid, uint64_t handle, uint64_t done_orders)
{
    for (;;) {
        bool rang = wait_doorbell(intid, &events);
        if (page->asked == done_orders) {
            if (!rang)
                return false;
            continue; /* the doorbell was for something else */
        }
        if (rang)
            page->doorbells++;
        else
            page->silent++;
        bool last = page->order == ORDER_END;
        obey();
        page->answered = done_orders = page->asked;
        hv_call(HV_RING, handle, 0, 0); /* from here on the page may go, if it is the last */
        if (last)
            return true;
    }
}

/* The owner restarts, and finds what is offered to it. */
static void outlive(unsigned intid, uint64_t handle)
{
    struct fault f;
    uint64_t value = 0;
    events = 0;
    do {
        f = try_write(BORROWED + GUEST_PAGE - 8, ++value);
    } while (!f.taken);
    while ((events & HV_WITHDRAWN) == 0 && wait_doorbell(intid, &events))
        ;
    ok((events & HV_WITHDRAWN) != 0 && hv_call(HV_RETRIEVE, handle, BORROWED, HV_READ).error != HV_SUCCESS,
       "an owner that restarts takes all that it shared with it");
    while ((events & HV_RUNG) == 0 && wait_doorbell(intid, &events))
        ;
    ok((events & HV_RUNG) != 0 && load64(OWN + 8) == ANSWER, "and retrieves what others offer it when it is back");
}

void borrower_main(void)
{
    unsigned intid = hv_doorbell();
    uint64_t handle = wait_offer(intid);
    struct hv_result r = hv_call(HV_QUERY, 0, 0, 0);
    ok(handle != 0 && (r.x2 & 0xffffff) == 0x010000, "a page is offered to it (%lx)", r.x2);
    ok(hv_call(HV_RING, handle, 0, 0).error == HV_DENIED, "who does not hold a share cannot ring");
    r = hv_call(HV_RETRIEVE, handle, BORROWED, HV_READ | HV_WRITE);
    ok(r.error == HV_SUCCESS && r.x1 == BORROWED && r.x2 == GUEST_PAGE, "and is there when it was retrieved (-%lu)",
       (uint64_t)-r.error);
    if (r.error != HV_SUCCESS)
        power_off();
    uint64_t before = page->asked; /* when this is not its first start */
    page->answered = before;
    ok(hv_call(HV_RING, handle, 0, 0).error == HV_SUCCESS, "who does can");
    if (ok(serve(intid, handle, before), "orders come to their end"))
        outlive(intid, handle);
    done("exchange");
}
