#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Every option on, every option off, and each one flipped compile without a warning, as does everything with clang; the two
extremes boot and pass the smoke test, which is probe's."""

import os
import subprocess
import sys

import harness

sys.path.insert(0, "/usr/lib/python3/dist-packages")
import kconfiglib  # noqa: E402  (a Debian package, for Debian's Python)

WORK = os.path.join(harness.BUILD, "variants")


def make(directory, *goals, **variables):
    """Runs make; its output when it failed, else None."""
    command = ["make", "-C", harness.TOP, "-j2", f"O={directory}", f"A64={harness.ARM64}", *goals]
    command += [f"{name}={value}" for name, value in variables.items()]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=env)
    return run.stdout if run.returncode else None


def configure(directory, choose):
    """Writes directory/.config: the defaults, and for each boolean option what choose(name, default) says."""
    os.makedirs(directory, exist_ok=True)
    kconf = kconfiglib.Kconfig(os.path.join(harness.TOP, "Kconfig"), warn=False)
    for symbol in kconf.unique_defined_syms:
        if symbol.type == kconfiglib.BOOL:
            symbol.set_value(2 if choose(symbol.name, symbol.tri_value == 2) else 0)
    kconf.write_config(os.path.join(directory, ".config"))
    return kconf


def compiles(name, directory, *goals, **variables):
    output = make(directory, *goals, **variables)
    if not harness.ok(output is None, name):
        harness.note("\n".join(output.splitlines()[-15:]))
        return False
    return True


def smoke(image, title, audit):
    with harness.boot("probe", image=image, label=title.replace(" ", "-"), audit=audit) as m:
        harness.guest_tap(m, "probe", title)


def main():
    names = [s.name for s in configure(os.path.join(WORK, "flip"), lambda _, default: default).unique_defined_syms
             if s.type == kconfiglib.BOOL]
    for label, value in (("on", True), ("off", False)):
        directory = os.path.join(WORK, label)
        configure(directory, lambda _, default, value=value: value)
        if compiles(f"every option {label} compiles", directory, "hyp"):
            smoke(os.path.join(directory, "target/bulkhead.img"), f"every option {label}", value)
    for name in names:
        directory = os.path.join(WORK, "flip")
        configure(directory, lambda n, default, name=name: default != (n == name))
        compiles(f"{name} flipped compiles", directory, "hyp")
    clang = os.path.join(WORK, "clang")
    if compiles("clang and lld build the hypervisor and the guests", clang, "hyp", "guests", LLVM=1):
        smoke(os.path.join(clang, "target-clang/bulkhead.img"), "built by clang", True)
    compiles("clang compiles the host library and its tests", clang, "unit", CC_KIND="clang")
    harness.done()


main()
