#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Is docs/testing.md true? Every lesson and rule has its row, every test it names exists, and its list of mutations is the
one that is run. And what the pages name of the library is in its headers, each test that they name is there, and each link leads
somewhere."""

import fnmatch
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from tap import TOP, end, ok, read  # noqa: E402  (no compiled copy of it in the tree)

MUTANTS = os.path.join(TOP, "tests/mutants/mutants.py")
LESSONS = [f"{kind}{n}" for kind, last in (("T", 13), ("G", 14), ("A", 8), ("O", 9)) for n in range(1, last + 1)]
RULES = [str(n) for n in range(1, 22)]


def section(text, title):
    return text.split(f"\n## {title}\n", 1)[-1].split("\n## ", 1)[0]


def tests_of(suite):
    """The names that a suite gives to cmocka, as far as its text shows: functions, rows, and what its macros make."""
    path = f"tests/unit/{suite}.c"
    if not os.path.exists(os.path.join(TOP, path)):
        return None
    text = read(path)
    names = set(re.findall(r"^static void (\w+)\(void \*\* ?state\)", text, re.MULTILINE))
    names |= set(re.findall(r"^ROW_?\w*\((\w+)", text, re.MULTILINE)) | set(re.findall(r"\bROW\((\w+)\)", text))
    names |= {f"{fn}_is_all_or_nothing" for fn in re.findall(r"^OPERATION\((\w+)", text, re.MULTILINE)}
    listed = set(re.findall(r"\w+", text[text.rfind("\nint main("):]))
    return {n for n in names if n in listed or n.removesuffix("_is_all_or_nothing") in listed}


def missing_tests(text):
    problems = []
    for suite, test in set(re.findall(r"`(test_\w+):(\w+)`", text)):
        names = tests_of(suite)
        if names is None:
            problems.append(f"tests/unit/{suite}.c is not there")
        elif test not in names:
            problems.append(f"tests/unit/{suite}.c has no test {test}")
    for script in set(re.findall(r"`boot/(test_\w+)`", text)):
        if not os.path.exists(os.path.join(TOP, f"tests/boot/{script}.py")):
            problems.append(f"tests/boot/{script}.py is not there")
    return problems


def missing_rows(text, numbers):
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", text, re.MULTILINE))
    return [f"no row for {n}" for n in numbers if n not in rows] + \
           [f"{n} names no test" for n in numbers if n in rows and not re.search(r"`(boot/)?test_\w+", rows[n])]


def unnamed_suites(text):
    suites = [f[:-2] for f in sorted(os.listdir(os.path.join(TOP, "tests/unit"))) if re.fullmatch(r"test_\w+\.c", f)]
    return [f"{suite} is not mentioned" for suite in suites if f"`{suite}`" not in text]


def model_names(text):
    suites = [f[:-2] for f in os.listdir(os.path.join(TOP, "tests/unit")) if re.fullmatch(r"test_model\w*\.c", f)]
    names = set().union(*(tests_of(suite) for suite in suites))
    lists = re.findall(r"(?::|\()\s*((?:`\w+\*?`(?:,\s+)?)+)", text)
    wanted = {n for some in lists for n in re.findall(r"`(\w+\*?)`", some)}
    return [f"the model's suites have no test_{n}" for n in sorted(wanted)
            if not any(fnmatch.fnmatch(name, part) for name in names for part in (f"test_{n}", f"test_{n}_*", f"test_*{n}*"))]


def mutation_problems(text):
    listing = subprocess.run([sys.executable, MUTANTS, "--list"], capture_output=True, text=True, check=False)
    if listing.returncode:
        return listing.stderr.splitlines()
    table = text.split("<!-- mutations -->\n")[-1].split("<!-- end of mutations -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    wanted = listing.stdout.splitlines()
    return [f"not in docs/testing.md: {row}" for row in wanted if row not in rows] + \
           [f"no such mutation: {row}" for row in rows if row not in wanted]


def unfit_mutations():
    return subprocess.run([sys.executable, MUTANTS, "--dry-run"], capture_output=True, text=True, check=False).stdout.splitlines()


def missing_names(text, where="stage2"):
    paths = [os.path.join(d, f) for d, _, fs in os.walk(os.path.join(TOP, where)) for f in sorted(fs) if f.endswith(".h")]
    code = "".join(read(path) for path in paths)
    code += re.sub(r"s2_##T##_", "s2_ipa_", code) + re.sub(r"_##suffix", "_4k _2m _1g", code)
    made = {f"s2_ipa_{m}_{size}" for m in re.findall(r"s2_##T##_(\w+)_##suffix", code) for size in ("4k", "2m", "1g")}
    names = set(re.findall(r"\b[sS]2_\w+\w\b", " ".join(re.findall(r"`([^`\n]+)`", text))))
    # One that ends in _ stands for several.
    return [f"no header has {n}" for n in sorted(names - made) if not re.search(rf"\b{n}" + (r"\w" if n.endswith("_") else r"\b"), code)]


def missing_suites(text):
    """Suites and scripts that a page names without a test of theirs."""
    return [f"there is no {where}{name}" for where, name in sorted(set(re.findall(r"`(boot/)?(test_\w+)(?::\w+)?`", text)))
            if not any(os.path.exists(os.path.join(TOP, path)) for path in
                       ([f"tests/boot/{name}.py"] if where else [f"tests/unit/{name}.c", f"tests/unit/{name}.py", f"tests/boot/{name}.py"]))]


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def broken_links(name, text):
    problems = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        where = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        if "://" in link:
            continue
        if not os.path.exists(os.path.join(TOP, where)) or (anchor and anchor not in anchors(read(where))):
            problems.append(f"{link} leads nowhere")
    return problems


page = read("docs/testing.md")
ok(missing_rows(section(page, "Lessons and their tests"), LESSONS), "docs/testing.md: every lesson has its tests")
ok(missing_rows(section(page, "Rules of the architecture and their tests"), RULES), "docs/testing.md: every rule has its tests")
ok(missing_tests(page), "docs/testing.md: every test that is named exists")
ok(model_names(section(page, "What only the model can see")), "docs/testing.md: every test of the model that is named exists")
ok(unnamed_suites(page), "docs/testing.md: every suite is mentioned")
ok(mutation_problems(page), "docs/testing.md: lists the mutations that are run")
ok(missing_names(read("docs/area-set.md"), "stage2/include"), "docs/area-set.md: every name is in the public headers")
for name in ("README.md", "docs/architecture.md", "docs/memory.md", "docs/porting.md", "docs/table-engine.md", "docs/testing.md", "docs/trace.md"):
    ok(missing_names(read(name)), f"{name}: every name is in the headers")
for name in ["README.md"] + [f"docs/{f}" for f in sorted(os.listdir(os.path.join(TOP, "docs"))) if f.endswith(".md")]:
    ok(missing_suites(read(name)) + broken_links(name, read(name)), f"{name}: tests and links are there")
ok(unfit_mutations(), "every mutation fits the code")
end()
