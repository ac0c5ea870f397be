#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What a run of the host suites has executed, line by line and branch by branch, as gcov counts it.

    coverage.py [--top TREE] BUILD SOURCES ...

BUILD is a directory with objects built with --coverage (below it the paths of the tree), SOURCES are the directories and files
of the tree to account for. All suites add to the same counts; what a header has is summed over the files that include it.

A line or a branch that no test can reach is explained in the code, at the end of its line or on a line of its own above:

    if (level > 3) { /* cover: the caller has checked it */
        return 0;
    }

The reason stands for one branch of its line, or for a line that is never run, and for the lines behind it that are never run
because of it. A comment where nothing is
missing is complained about as much as something missing without one. Exit status 1: there is something to complain about.

One branch is not counted, as nobody can see it: what gcc makes of a switch over all values of an enum, without a default, for
a value that is none of them.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys

REASON = re.compile(r"/\* cover:\s*(.*?)\s*\*/")


class Line:
    """How often a line ran, and each branch of it, summed over the places where it was compiled."""

    def __init__(self):
        self.count = 0
        self.function = None
        self.branches = collections.defaultdict(list)  # by function: one line of a macro may be in many

    def add(self, entry, hidden_default):
        self.count += entry["count"]
        self.function = entry.get("function_name")
        counts = [b["count"] for b in entry["branches"] if not b["throw"]]
        if hidden_default:
            counts.pop()  # the last, as what comes behind the switch does
        known = self.branches[self.function]
        known.extend([0] * (len(counts) - len(known)))
        for i, n in enumerate(counts):
            known[i] += n

    def branch_counts(self):
        return [n for counts in self.branches.values() for n in counts]

    def never_taken(self):
        return [str(i) for i, n in enumerate(self.branch_counts()) if n == 0]

    def missing(self):
        """What is missing, in words, or None."""
        if self.count == 0:
            return "never run"
        never = self.never_taken()
        return f"branch {', '.join(never)} of {len(self.branch_counts())} never taken" if never else None


class Source:
    def __init__(self, top, path):
        self.path = path
        with open(os.path.join(top, path), encoding="utf-8") as f:
            self.text = f.read().splitlines()
        self.lines = collections.defaultdict(Line)
        self.excused = {}  # line: reason
        self.complaints = []  # (line, what)

    def add(self, entry):
        self.lines[entry["line_number"]].add(entry, self.hidden_default(entry["line_number"]))

    def hidden_default(self, number):
        """Whether the line switches over an enum and lists its values: gcc's warnings see to it that it lists all of them."""
        if "switch (" not in self.text[number - 1]:
            return False
        depth, labels = 0, []
        for text in self.text[number - 1:]:
            if depth == 1:
                labels += re.findall(r"^\s*(?:case (\w+)|default)\s*:", text)
            depth += text.count("{") - text.count("}")
            if labels and depth == 0:
                break
        return all(value[:1].isupper() for value in labels)

    def reasons(self):
        """The comments: (line of the comment, line that it is about, reason)."""
        for number, text in enumerate(self.text, 1):
            found = REASON.search(text)
            if found:
                alone = text.strip() == found[0]
                about = next((n for n in sorted(self.lines) if n > number), None) if alone else number
                yield number, about, found[1]
            elif "cover:" in text:
                self.complaints.append((number, "not of the form /* cover: why no test reaches it */"))

    def excuse(self, missing, number, about, reason):
        if not reason:
            self.complaints.append((number, "gives no reason"))
        if about not in missing:
            self.complaints.append((number, "explains what is covered"))
            return
        line = self.lines[about]
        if line.count and len(line.never_taken()) > 1:
            self.complaints.append((number, "explains one branch of several"))
            return
        self.excused[about] = reason
        for behind in sorted(n for n in self.lines if n > about):
            line = self.lines[behind]
            if line.count or line.function != self.lines[about].function:
                break
            self.excused[behind] = reason

    def judge(self):
        missing = {n: line.missing() for n, line in sorted(self.lines.items()) if line.missing()}
        for number, about, reason in self.reasons():
            self.excuse(missing, number, about, reason)
        self.complaints += [(n, what) for n, what in missing.items() if n not in self.excused]
        self.complaints.sort()

    def row(self):
        counted = [(n, line) for n, line in self.lines.items() if n not in self.excused]
        branches = [b for _, line in counted for b in line.branch_counts()]
        return (sum(line.count > 0 for _, line in counted), len(counted), sum(b > 0 for b in branches), len(branches),
                len(set(self.excused.values())))


def objects(build, wanted):
    for top in wanted:
        top = os.path.join(build, top)
        for directory, _, files in os.walk(top):
            yield from (os.path.join(directory, f) for f in sorted(files) if f.endswith(".gcno"))


def gcov(top, build, notes):
    """The files that one object was compiled of, as gcov reports them."""
    source = os.path.relpath(notes, build).removesuffix(".gcno") + ".c"
    if not os.path.exists(os.path.join(top, source)):
        return []  # its source went away
    done = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", notes], cwd=top, check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)["files"]


def measure(top, build, wanted):
    sources = {}
    for notes in objects(build, wanted):
        for file in gcov(top, build, notes):
            path = os.path.normpath(file["file"])
            if not any(path == w or path.startswith(w.rstrip("/") + "/") for w in wanted):
                continue
            if path not in sources:
                sources[path] = Source(top, path)
            for entry in file["lines"]:
                sources[path].add(entry)
    return [sources[path] for path in sorted(sources)]


def percent(part, whole):
    return "100 %" if part == whole else f"{100 * part / whole:.1f} %"


def table(sources):
    rows = [(s.path, *s.row()) for s in sources]
    rows.append(("all", *(sum(column) for column in zip(*(row[1:] for row in rows)))))
    print(f"{'file':36} {'lines':>16} {'branches':>18}  explained")
    for name, run, lines, taken, branches, excused in rows:
        print(f"{name:36} {run:>4}/{lines:<4} {percent(run, lines):>7} {taken:>5}/{branches:<4} {percent(taken, branches):>7}"
              f"  {excused or ''}".rstrip())


def main():
    parser = argparse.ArgumentParser(description="coverage of sources of the tree by the host suites")
    parser.add_argument("--top", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))), help="the tree")
    parser.add_argument("build")
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    sources = measure(args.top, os.path.abspath(args.build), args.sources)
    if not sources:
        sys.exit("coverage.py: nothing was built with --coverage there")
    for source in sources:
        source.judge()
    table(sources)
    for source in sources:
        for number, what in source.complaints:
            print(f"{source.path}:{number}: {what}: {source.text[number - 1].strip()}")
    sys.exit(any(s.complaints for s in sources))


if __name__ == "__main__":
    main()
