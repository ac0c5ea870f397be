# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""What the scripts that read the tree share: where it is, its files, and verdicts as TAP."""

import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_count = 0
_failed = 0


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def ok(problems, name):
    """One test: good when there are no problems; these go to standard error, a line each."""
    global _count, _failed
    _count += 1
    _failed += bool(problems)
    print(f"{'not ok' if problems else 'ok'} {_count} - {name}")
    for problem in problems:
        print(f"# {problem}", file=sys.stderr)


def run(program, *args, **env):
    return subprocess.run([program, *args], capture_output=True, text=True, check=False, env={**os.environ, **env})


def seen(good, name, done=None):
    """One test of what a program did: when it is not good, the end of what it printed goes to standard error."""
    printed = (done.stdout + done.stderr).splitlines()[-20:] if done else []
    ok([] if good else printed or ["nothing was printed"], name)


def end():
    print(f"1..{_count}")
    sys.exit(_failed > 0)
