#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Reads the lines of an event trace (docs/trace.md) out of a console's log and sums them up: what was written, invalidated and
waited for, by VMID, and the flushes, equal ones together.

    tools/eventtrace.py [--flushes] [file]

Other lines are passed over. Exit status 1: a line is malformed, numbers are missing, or a CPU entered a guest before a DSB
had completed its invalidations."""

import collections
import re
import sys

NUMBER, WORD = r"\d+", r"0x[0-9a-f]+"
TTL = r"ttl=(?:-|(?:4k|16k|64k)/[0-3])"
LOCK = rf"(?:space|ledger|frames|tpool|vmids) id={NUMBER}"
# What may stand behind each kind.
FORMS = {
    "write": rf"(?:store|release) pte={WORD} new={WORD}|swap pte={WORD} old={WORD} new={WORD}"
             rf"|cas pte={WORD} old={WORD} new={WORD} (?:done|failed)|fill pte={WORD} new={WORD} step={WORD} count={NUMBER}",
    "tlbi": rf"ipas2l?e1(?:is)? vmid={NUMBER} ipa={WORD} {TTL}|ripas2l?e1(?:is)? vmid={NUMBER} ipa={WORD} bytes={WORD} {TTL}"
            rf"|vmall(?:s12)?e1(?:is)? vmid={NUMBER}|alle1(?:is)?",
    "barrier": r"dsb (?:ishst|ish|nsh)|isb",
    "vttbr": rf"vmid={NUMBER} root={WORD} cnp=[01] vtcr={WORD}",
    "lock": rf"(?:exclusive|shared) {LOCK}|try {LOCK} (?:done|failed)",
    "unlock": rf"(?:exclusive|shared) {LOCK}",
    "memory": rf"(?:zero|copy|clean|sync) pa={WORD} bytes={WORD}",
    "enter": rf"vmid={NUMBER} vcpu={NUMBER}",
    "access": rf"(?:read|write|execute) ipa={WORD}",
    "lost": rf"count={NUMBER}",
}
INVALIDATES = re.compile(r"r?ipas2|vmall|alle1")
LINE = re.compile(r"^trace (\d{6,}) c(\d+) (\w+) (.*)$")

Event = collections.namedtuple("Event", "number cpu kind text")


def parse(line):
    """The event of a line that begins with "trace "; None when it is malformed."""
    match = LINE.match(line)
    if not match or not re.fullmatch(FORMS.get(match[3], "$^"), match[4]):
        return None
    return Event(int(match[1]), int(match[2]), match[3], match[4])


def read(lines):
    """The events, as they come, and the malformed lines."""
    events, bad = [], []
    for line in (line.rstrip() for line in lines):
        if line.startswith("trace "):
            event = parse(line)
            (events if event else bad).append(event or line)
    return events, bad


def field(event, name):
    """The value of name= in the event; None: it has none."""
    match = re.search(rf"\b{name}=(\S+)", event.text)
    return int(match[1], 0) if match else None


def operation(event):
    """The event's first word, for those that have one: the name of the instruction, the way of writing."""
    return event.text if event.kind == "barrier" else event.text.split(" ")[0]


def completes(dsb, tlbi):
    """Does that DSB wait for that invalidation?"""
    return dsb == "dsb ish" or (dsb == "dsb nsh" and not tlbi.endswith("is"))


def flushes(events):
    """Each CPU's sequences of barriers, contexts and invalidations around an invalidation, as tuples of words, and the events
    by which a guest was entered while an invalidation was not complete."""
    found, early = [], []
    steps, waits = collections.defaultdict(list), collections.defaultdict(list)

    def end(cpu):
        if any(INVALIDATES.match(step) for step in steps[cpu]):
            found.append(tuple(steps[cpu]))
        steps[cpu] = []

    for e in events:
        if e.kind == "tlbi":
            steps[e.cpu].append(operation(e))
            waits[e.cpu].append(operation(e))
        elif e.kind == "vttbr":
            steps[e.cpu].append("vttbr")
        elif e.kind == "barrier":
            steps[e.cpu].append(e.text)
            waits[e.cpu] = [t for t in waits[e.cpu] if not completes(e.text, t)]
            if e.text == "isb" and not waits[e.cpu] and any(INVALIDATES.match(step) for step in steps[e.cpu]):
                end(e.cpu)
        elif e.kind in ("write", "enter") or (e.kind == "unlock" and " space " in e.text):
            if e.kind == "enter" and waits[e.cpu]:
                early.append(e)
                waits[e.cpu] = []
            end(e.cpu)
    for cpu in list(steps):
        end(cpu)
    return found, early


def descriptors(events):
    return sum(field(e, "count") or 1 for e in events if e.kind == "write" and not e.text.endswith("failed"))


def table(title, counts):
    if counts:
        print(f"{title}:")
    for name, n in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))):
        print(f"  {n:8} {name}")


def summary(events):
    count = collections.Counter
    print(f"{len(events)} events on {len({e.cpu for e in events})} CPUs; {descriptors(events)} descriptors written")
    table("writes", count(operation(e) for e in events if e.kind == "write"))
    table("TLBI", count(operation(e) for e in events if e.kind == "tlbi"))
    table("barriers", count(e.text for e in events if e.kind == "barrier"))
    table("contexts loaded, by VMID", count(field(e, "vmid") for e in events if e.kind == "vttbr"))
    table("TLBI, by VMID", count(field(e, "vmid") for e in events if e.kind == "tlbi" and field(e, "vmid") is not None))
    table("locks", count(" ".join(e.text.split(" ")[:2]) for e in events if e.kind == "lock"))
    table("memory", count(operation(e) for e in events if e.kind == "memory"))


def main(arguments):
    names = [a for a in arguments if not a.startswith("-")]
    if len(names) > 1 or set(arguments) - set(names) - {"--flushes"}:
        sys.exit(__doc__)
    if names:
        with open(names[0], errors="replace", encoding="utf-8") as file:
            events, bad = read(file)
    else:
        events, bad = read(sys.stdin)
    events.sort()
    found, early = flushes(events)
    if "--flushes" not in arguments:
        summary(events)
    table("flushes", collections.Counter("; ".join(f) for f in found))
    lost = sum(field(e, "count") for e in events if e.kind == "lost")
    missing = events[-1].number - events[0].number + 1 - len(events) if events else 0
    for line in bad:
        print(f"malformed: {line}")
    for e in early:
        print(f"a guest is entered before a DSB: event {e.number}")
    if lost or missing:
        print(f"lost: {lost}; numbers missing: {missing}")
    return 1 if bad or early or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
