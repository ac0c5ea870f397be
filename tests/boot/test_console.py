#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The command line: every command in text and JSON, what is refused, the keys of the line, and guests that write meanwhile."""

import json
import re

import harness

PROMPT = r"^bulkhead> "


def ask(m, command, seconds=None):
    """The lines that a command answers with, to the next prompt."""
    start = m.at
    m.send(command + "\r")
    m.find(rf"{PROMPT}{re.escape(command)}\n", seconds)
    start = m.at
    if not m.find(PROMPT, seconds):
        harness.note(f"{command}: no prompt again; console: {m.log}")
        return []
    answer = m.text[start:m.at].split("\n")[:-1]
    return [line for line in answer if not re.match(r"\[\w+\] |bulkhead: ", line)]


def rows(m, command):
    """The same in JSON."""
    lines = ask(m, command + " -j")
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        harness.ok(False, f"{command} -j is JSON: {error}: {lines}")
        return []


with harness.boot("console", smp=2) as m:
    m.want(r"^\[second\] hello", "guests run", everywhere=True)
    m.send(harness.ESCAPE + ":")
    m.want(PROMPT, "a colon behind Ctrl-T opens the line")
    for command in ("help", "help -j", "areas first", "areas first -j", "areas nobody", "bogus", "areas"):
        harness.note("\n".join(ask(m, command)))
    m.send("\r")
    m.want(r"^console: input goes to 0, first$", "closes")
    m.send("x")
    m.want(r"^\[first\] key x$", "focus")
harness.done()
