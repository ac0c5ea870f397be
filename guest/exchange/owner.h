/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The owner's side: it asserts everything, what the borrower sees included. What its checks share. */
#ifndef EXCHANGE_OWNER_H
#define EXCHANGE_OWNER_H

#include "exchange.h"

/* Its memory by the manifest. */
#define POOL     0x50000000ul /* 8 MiB */
#define POOL_END 0x50800000ul
#define NOWHERE  0x78000000ul
#define GICD     0x08000000ul
/* What lies where in the pool. */
#define PAGE   POOL
#define WINDOW (POOL + 0x10000)
#define SECRET (POOL + 0x40000)
#define LOAN   (POOL + 0x200000)
enum {
    WINDOW_BYTES = 0x10000,
    SELF = 0, /* its number by the manifest */
};
#define AT(n) (BORROWED + 0x10000ul * (n)) /* places of the borrower's */

struct owner {
    unsigned intid; /* of its doorbell */
    unsigned peer;  /* the borrower */
    unsigned idle;  /* a VM that does nothing */
    uint64_t events, page_handle;
    uint64_t rings; /* of the doorbell, in answer to orders */
};
extern struct owner owner;
static struct page *const page = (struct page *)PAGE;

/* Gives the borrower an order and rings; waits until it has been done; both, and the first result, or that of a call. */
void ask(enum order order, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
void wait_answer(void);
uint64_t order(enum order what, uint64_t a, uint64_t b, uint64_t c);
int64_t order_call(unsigned n, uint64_t a, uint64_t b, uint64_t c);

/* Did the borrower's access end in an external abort of that class, as on-fault says? */
bool faults(enum order what, uint64_t address, unsigned class);
/* Do all kinds of access of the borrower's; and of the owner's own? */
bool no_access(uint64_t address);
bool owner_faults(uint64_t address);
uint64_t peer_events(void);
bool is_zero(uint64_t address, uint64_t bytes);
/* The handle, 0: it was refused. */
uint64_t offer_as(unsigned n, uint64_t ipa, uint64_t bytes, unsigned rights);

/* --- checks, in the order of owner_main ------------------------------------------------------------------------------ */

void check_calls(void);
void check_words(void);
void check_rights(void);
void check_handles(void);
void check_limit(void);
void check_loan(void);
void check_donation(void);
void check_pieces(void);
void check_instant(void);

#endif
