/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* exchange: two guests share memory at run time. One owns all of it and asks for everything; the other does what it is asked to, in
 * words on a page that both have, and the doorbell says when there is something on it.
 *
 *   role=owner peer=1 idle=2     numbers of the borrower, and of a VM that does nothing
 *   role=borrower */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "lib/calls.h"

enum order {
    ORDER_NONE,
    ORDER_CALL,    /* a hypercall: number, x1, x2, x3 */
    ORDER_READ,    /* the word at an address */
    ORDER_WRITE,   /* address, value */
    ORDER_EXECUTE, /* a function without arguments there */
    ORDER_SUM,     /* address, bytes: checksum */
    ORDER_FILL,    /* address, bytes, seed */
    ORDER_SPIN,    /* counts in the word there until that faults */
    ORDER_LISTED,  /* a handle: is it among those that this VM is told of? */
    ORDER_EVENTS,  /* what happened since asked last */
    ORDER_RESET,   /* be a VM that starts */
    ORDER_OFFER,   /* a page of the borrower's own, to the VM of that number */
    ORDER_END,     /* the owner is about to restart: see it go, and come again */
};

/* The page of words. Each is written by one of the two. */
struct page {
    /* the owner's */
    volatile uint64_t asked; /* counts up: there is a new order */
    volatile uint64_t order, arg[4];
    /* the borrower's */
    volatile uint64_t answered; /* the same, when it is done */
    volatile uint64_t fault;    /* ESR of the fault that it took, 0: none */
    volatile uint64_t result[4];
    volatile uint64_t spins;
    volatile uint64_t doorbells, silent; /* orders that came with an interrupt, and without */
};

#define BORROWED 0x70000000ul /* where the borrower has that page; other things above */
#define OWN      0x40700000ul /* the page of the borrower's own: what it says, and what the owner does */
#define HELLO    0x48656c6cul
#define ANSWER   0x416e7377ul

void owner_main(const char *args);
void borrower_main(void);

/* --- both ---------------------------------------------------------------------------------------------------------- */

uint64_t pattern(uint64_t seed, uint64_t n);
void fill(uint64_t address, uint64_t bytes, uint64_t seed);
uint64_t sum(uint64_t address, uint64_t bytes);
uint64_t sum_of(uint64_t seed, uint64_t bytes); /* as if filled so */
/* Waits for the doorbell and takes its interrupt. What has happened, by EVENTS, is added to *events. False: it did not ring. */
bool wait_doorbell(unsigned intid, uint64_t *events);

#endif
