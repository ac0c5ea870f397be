#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Makes C and documentation of hyp/cpu/sysregs.tbl, whose head explains the rows.

gen-sysregs.py TABLE --out DIR    writes DIR/sysregs.h, sysregs_switch.h, sysregs_table.h
gen-sysregs.py TABLE --doc FILE   writes the documentation
gen-sysregs.py TABLE --check FILE fails unless FILE is what --doc would write
"""
import argparse
import os
import re
import sys

LICENCE = ("/* SPDX-License-Identifier: Apache-2.0 */\n/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */\n"
           "/* Generated from hyp/cpu/sysregs.tbl. */\n")
POLICIES = {
    "switch": "switched: each vCPU has its own",
    "switch-mmu": "switched, restored in the order of cpu/switch.c",
    "vm": "switched; writes trap after a set/way operation and are passed on",
    "vm-mmu": "switched in the order of cpu/switch.c; writes trap after a set/way operation and are passed on",
    "shadow": "trapped: each vCPU has its own",
    "raz": "trapped: reads as zero, ignores writes",
    "value": "trapped: a fixed value",
    "host": "trapped: the CPU's own value",
    "id": "trapped: the fields below",
    "vtimer": "the virtual timer's: switched, or trapped and emulated",
    "vgic": "the virtual GIC's: switched, or trapped and emulated",
    "setway": "trapped where FWB is absent: the VM's memory is cleaned and invalidated",
    "free": "neither switched nor trapped",
    "undef": "trapped: UNDEFINED is injected",
}
SWITCHED = ("switch", "switch-mmu", "vm", "vm-mmu")
COUNTED = {"brp": ("ID_AA64DFR0_EL1", 12), "wrp": ("ID_AA64DFR0_EL1", 20)}
EMULATED = {"shadow": "SHADOW", "raz": "RAZ", "value": "VALUE", "host": "HOST", "id": "ID", "vtimer": "VTIMER",
            "vgic": "VGIC", "setway": "SETWAY", "vm": "LIVE", "vm-mmu": "LIVE"}


class Bad(Exception):
    pass


class Row:
    def __init__(self, words, note):
        self.name, fields, self.feature, self.policy = words[0], words[1:6], words[6], words[7]
        self.arg = words[8] if len(words) > 8 else None
        self.note = note
        self.ranges = []
        for field in fields:
            low, _, high = field.partition("-")
            self.ranges.append(range(int(low), int(high or low) + 1))
        self.fields = fields
        if self.policy not in POLICIES:
            raise Bad(f"{self.name}: no policy '{self.policy}'")

    def encodings(self):
        lists = [[]]
        for values in self.ranges:
            lists = [head + [v] for head in lists for v in values]
        return lists

    def member(self, n=None):
        base = self.name.replace("<n>", "").lower()
        return base if n is None else f"{base}[{n}]"

    def count(self):
        return len(self.encodings())

    def stored(self):
        return self.policy in SWITCHED or self.policy == "shadow"


def key(enc):
    op0, op1, crn, crm, op2 = enc
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def asm(enc):
    return "S%d_%d_C%d_C%d_%d" % tuple(enc)


def parse(path):
    features, rows, ids = [], [], {}
    for number, line in enumerate(open(path), 1):
        text, _, note = line.partition("#")
        words = text.split()
        if not words:
            continue
        try:
            if words[0] == "register":
                rows.append(Row(words[1:], note.strip()))
            elif words[0] == "feature":
                features.append((words[1], words[2:]))
            elif words[0] == "id":
                ids[words[1]] = words[2:]
            else:
                raise Bad(f"'{words[0]}' starts no line")
        except (Bad, IndexError, ValueError) as error:
            sys.exit(f"{path}:{number}: {error}")
    check(path, features, rows, ids)
    return features, rows, ids


def check(path, features, rows, ids):
    known = {"base"} | {name for name, _ in features} | set(COUNTED)
    seen = {}
    for row in rows:
        if row.feature not in known:
            sys.exit(f"{path}: {row.name}: no feature '{row.feature}'")
        for enc in row.encodings():
            if key(enc) in seen:
                sys.exit(f"{path}: {row.name} and {seen[key(enc)]} are the same register")
            seen[key(enc)] = row.name
        if (row.policy == "id") != (row.name in ids):
            sys.exit(f"{path}: {row.name}: `id` rows and `id` lines go together")


def guard(feature):
    return f"CPU_HAS_{feature.upper()}"


def types(features, rows):
    out = [LICENCE, "#ifndef SYSREGS_H\n#define SYSREGS_H\n\n#include <stdint.h>\n"]
    out.append("/* What a CPU has; bits of a 64-bit set. */")
    for bit, (name, _) in enumerate(features):
        out.append(f"#define {guard(name)} (UINT64_C(1) << {bit})")
    out.append("\n/* Registers that each vCPU has its own of, as while it is not loaded. */\nstruct sysregs {")
    for row in rows:
        if row.stored():
            size = f"[{row.count()}]" if row.count() > 1 else ""
            out.append(f"    uint64_t {row.member()}{size};")
    out.append("};\n\n/* The ID registers, as one CPU has them or as guests see them. */\nenum sysregs_id {")
    for row in rows:
        if row.policy == "id":
            out.append(f"    IDX_{row.name},")
    out.append("    IDX_COUNT,\n};\nstruct cpu_ids {\n    uint64_t reg[IDX_COUNT];\n};\n\n#endif")
    return "\n".join(out) + "\n"


def grouped(rows):
    groups = {}
    for row in rows:
        groups.setdefault(row.feature, []).append(row)
    return groups


def transfer(rows, op):
    """In twos, whose words the compiler loads and stores together."""
    out = []
    for feature, members in grouped(rows).items():
        pad = "    "
        if feature != "base":
            out.append(f"    if (features & {guard(feature)}) {{")
            pad = "        "
        for n in range(0, len(members), 2):
            both = [f"{asm(row.encodings()[0])}, s->{row.member()}" for row in members[n:n + 2]]
            out.append(f"{pad}SYSREGS_{op}{'2' if len(both) == 2 else ''}({', '.join(both)});")
        if feature != "base":
            out.append("    }")
    return out


def counted(rows, feature):
    out = [f"    switch ({feature}s) {{"]
    members = [row for row in rows if row.policy == "shadow" and row.feature == feature]
    for n in reversed(range(members[0].count())):
        if n + 1 < members[0].count():
            out.append("        __attribute__((fallthrough));")
        out.append("    default:" if n == members[0].count() - 1 else f"    case {n}:")
        for row in members:
            out.append(f"        SYSREGS_WRITE({asm(row.encodings()[n])}, s->{row.member(n)});")
    out.append("    }")
    return out


def switch(features, rows, ids):
    del ids
    out = [LICENCE, "#ifndef SYSREGS_SWITCH_H\n#define SYSREGS_SWITCH_H\n\n#include <stddef.h>\n#include <sysregs.h>\n"]
    out.append('#define SYSREGS_READ(reg, to) __asm__ volatile("mrs %0, " #reg : "=r"(to))')
    out.append('#define SYSREGS_WRITE(reg, from) __asm__ volatile("msr " #reg ", %0" : : "r"(from))')
    out.append('#define SYSREGS_READ2(reg, to, reg2, to2) \\\n'
               '    __asm__ volatile("mrs %0, " #reg "\\n\\tmrs %1, " #reg2 : "=r"(to), "=r"(to2))')
    out.append('#define SYSREGS_WRITE2(reg, from, reg2, from2) \\\n'
               '    __asm__ volatile("msr " #reg ", %0\\n\\tmsr " #reg2 ", %1" : : "r"(from), "r"(from2))\n')
    out.append("static inline void sysregs_read_ids(struct cpu_ids *ids)\n{")
    for row in rows:
        if row.policy == "id":
            out.append(f"    SYSREGS_READ({asm(row.encodings()[0])}, ids->reg[IDX_{row.name}]);")
    out.append("}\n\n/* A feature is there when one of its fields is at least that, and not 15, which says that it is not. */\n"
               "static inline uint64_t sysregs_features(const struct cpu_ids *ids)\n{")
    out.append("    static const struct {\n        uint8_t id, low, least, bit;\n    } sign[] = {")
    for bit, (name, tests) in enumerate(features):
        for test in tests:
            reg, low, least = re.fullmatch(r"(\w+)\[\d+:(\d+)\](?:>=(\d+))?", test).groups()
            out.append(f"        {{IDX_{reg}, {low}, {least or 1}, {bit}}}, /* {name} */")
    out.append("    };\n    uint64_t has = 0;\n\n    for (unsigned i = 0; i < sizeof(sign) / sizeof(sign[0]); i++) {\n"
               "        unsigned field = ids->reg[sign[i].id] >> sign[i].low & 0xf;\n\n"
               "        if (field >= sign[i].least && field != 0xf)\n            has |= UINT64_C(1) << sign[i].bit;\n    }\n"
               "    return has;\n}\n")
    switched = [row for row in rows if row.policy in SWITCHED]
    plain = [row for row in switched if not row.policy.endswith("-mmu")]
    out.append("static inline void sysregs_save(struct sysregs *s, uint64_t features)\n{")
    out += transfer(switched, "READ")
    out.append("}\n\n/* All but the rows `switch-mmu` and `vm-mmu`, and break- and watchpoints. */")
    out.append("static inline void sysregs_restore(const struct sysregs *s, uint64_t features)\n{")
    out += transfer(plain, "WRITE")
    single = [row for row in rows if row.policy == "shadow" and row.feature not in COUNTED]
    out += transfer(single, "WRITE")
    out.append("}\n\n/* brps, wrps: number of the last break-, watchpoint. */")
    out.append("static inline void sysregs_restore_debug(const struct sysregs *s, unsigned brps, unsigned wrps)\n{")
    for feature in COUNTED:
        out += counted(rows, feature)
    out.append("}\n\n/* `word`: offset in struct sysregs, in words, of a `shadow` or `vm` row that is no break- or watchpoint. */")
    out.append("static inline void sysregs_write_live(unsigned word, uint64_t value)\n{\n    switch (word) {")
    for row in rows:
        if row.policy in ("shadow", "vm", "vm-mmu") and row.feature not in COUNTED:
            out.append(f"    case offsetof(struct sysregs, {row.member()}) / 8:\n"
                       f"        SYSREGS_WRITE({asm(row.encodings()[0])}, value);\n        break;")
    out.append("    default:\n        break;\n    }\n}\n")
    out.append("static inline uint64_t sysregs_host(unsigned key)\n{\n    uint64_t value = 0;\n    switch (key) {")
    for row in rows:
        if row.policy == "host":
            enc = row.encodings()[0]
            out.append(f"    case {key(enc):#06x}:\n        SYSREGS_READ({asm(enc)}, value);\n        break;")
    out.append("    default:\n        break;\n    }\n    return value;\n}\n\n#endif")
    return "\n".join(out) + "\n"


class Values:
    """The 64-bit numbers that a table's rules need, each once: rules refer to them by index, so they are small."""
    def __init__(self):
        self.all = []

    def index(self, value):
        if value not in self.all:
            self.all.append(value)
        return self.all.index(value)

    def array(self, name):
        return f"static const uint64_t {name}[] = {{" + ", ".join(f"UINT64_C({v:#x})" for v in self.all) + "};"


def rule(row, enc, names, values):
    word, value = "0", 0
    if row.policy in ("shadow", "vm", "vm-mmu"):
        word = f"offsetof(struct sysregs, {row.member()}) / 8"
        value = int(row.arg, 0) if row.arg else (1 << 64) - 1
    elif row.policy == "id":
        word = f"IDX_{row.name}"
    elif row.arg is not None:
        value = int(row.arg, 0)
    feature = row.feature
    exists = f"RULE_{feature.upper()}" if feature in COUNTED else "RULE_ALWAYS"
    if feature in names:
        exists = f"RULE_FEATURE + {names.index(feature)}"
    return key(enc), f"    {{{word}, {values.index(value)}, RULE_{EMULATED[row.policy]}, {exists}}}, /* {row.name} */"


def id_fields(spec):
    """(name, low bit, rule, number) of each field."""
    for field in spec:
        name, low, what = re.fullmatch(r"(\w+)\[\d+:(\d+)\]=(\w+)", field).groups()
        if what.isdigit():
            yield name, int(low), "fixed", int(what)
        elif what.startswith("max"):
            yield name, int(low), "max", int(what[3:])
        elif what in ("keep", "sless"):
            yield name, int(low), what, 15
        else:
            raise Bad(f"{field}: '{what}'")


def id_rule(spec):
    keep = signed = fixed = 0
    most = (1 << 64) - 1
    if spec == ["all"]:
        keep = most
        return keep, signed, most, fixed
    for _, low, what, number in id_fields(spec):
        if what == "fixed":
            fixed |= number << low
            continue
        keep |= 0xf << low
        if what == "sless":
            signed |= 0xf << low
        if what == "max":
            most &= ~(0xf << low) | number << low
    return keep, signed, most, fixed


def table(features, rows, ids):
    names = [name for name, _ in features]
    out = [LICENCE, "#ifndef SYSREGS_TABLE_H\n#define SYSREGS_TABLE_H\n\n#include <stddef.h>\n#include <sysregs.h>\n"]
    out.append("enum rule_kind {")
    for kind in dict.fromkeys(EMULATED.values()):
        out.append(f"    RULE_{kind},")
    out.append("};\n/* Which registers exist: all; of a run, whose first one alone has a rule, those up to the number of the last break- or\n"
               " * watchpoint, which CRm tells; with the feature whose CPU_HAS_ bit is what is added to the last. */")
    out.append("enum rule_exists { RULE_ALWAYS, RULE_BRP, RULE_WRP, RULE_FEATURE };\n")
    out.append("/* word: in struct sysregs or struct cpu_ids. value: which of sysreg_values is the writable bits (shadow), what is read\n"
               " * (value), which one (vtimer, vgic). */")
    out.append("struct sysreg_rule {\n    uint8_t word, value : 4, kind : 4, exists;\n};\n")
    entries, values = [], Values()
    for row in rows:
        traps_with_number = row.policy not in ("vtimer", "vgic") or row.arg is not None
        if row.policy in EMULATED and traps_with_number:
            encodings = row.encodings()[:1] if row.feature in COUNTED else row.encodings()
            entries += [rule(row, enc, names, values) for enc in encodings]
    out.append("#ifdef WITH_SYSREG_RULES\n" + values.array("sysreg_values") + "\n/* Ascending: op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2. */\nstatic const uint16_t sysreg_keys[] = {")
    entries.sort()
    out += [f"    {number:#06x}," for number, _ in entries]
    out.append("};\nstatic const struct sysreg_rule sysreg_rules[] = {")
    out += [text for _, text in entries]
    out.append("};\n#endif\n\n/* keep: fields that show the least over all CPUs; is_signed: those of them that are signed; most: their upper bound;\n"
               " * fixed: what other fields show. Each is an index into id_values. */")
    out.append("struct id_rule {\n    uint8_t keep, is_signed, most, fixed;\n};\n\n#ifdef WITH_ID_RULES\nstatic const struct id_rule id_rules[IDX_COUNT] = {")
    values = Values()
    for row in rows:
        if row.policy == "id":
            numbers = ", ".join(str(values.index(v)) for v in id_rule(ids[row.name]))
            out.append(f"    [IDX_{row.name}] = {{{numbers}}},")
    out.append("};\n" + values.array("id_values") + "\n#endif\n\n#endif")
    return "\n".join(out) + "\n"


def documentation(features, rows, ids):
    out = ["<!-- SPDX-License-Identifier: Apache-2.0 -->", "<!-- SPDX-FileCopyrightText: 2026 The Bulkhead authors -->",
           "<!-- Generated from hyp/cpu/sysregs.tbl by tools/gen-sysregs.py. -->", "", "# Registers of a guest", "",
           "What happens when EL1 or EL0 of a guest names a system register. An access that traps and is not listed here is",
           "UNDEFINED for the guest. A row counts only on CPUs that have the feature (`base`: Armv8.0). In brackets: what",
           "makes the access trap, a bit of HCR_EL2 unless another register is named.", "",
           "| policy | meaning | registers |", "|---|---|---|"]
    for policy, meaning in POLICIES.items():
        number = sum(row.count() for row in rows if row.policy == policy)
        out.append(f"| {policy} | {meaning} | {number} |")
    out += ["", "## Set and way", "",
            "With FWB (stage 2 forces write-back) a guest's accesses are never uncached, so set/way operations have nothing to",
            "do and do not trap. Without it they are trapped: they name cache lines of whoever is there, and cannot reach the",
            "caches of other CPUs. The first one cleans and invalidates all memory that the VM has populated, and makes writes to",
            "the translation registers trap; when the guest then switches its caches on or off, the memory is cleaned and",
            "invalidated once more and the trap goes off. That serves the two users there are: a boot loader that switches its",
            "caches off before it starts a kernel, and a kernel that switches them on.",
            "", "## AArch32 at EL0", "",
            "EL1 is AArch64 (HCR_EL2.RW). Where EL0 may run AArch32, accesses through CP14 and CP15 that trap are UNDEFINED; the",
            "thread, FP/SIMD and virtual-timer registers are the AArch64 ones and are switched with them.", "",
            "## Features", "", "| feature | present when |", "|---|---|"]
    for name, tests in features:
        out.append(f"| {name} | {' or '.join(test if '>=' in test else test + '>=1' for test in tests)} |")
    out += ["| brp | as many as ID_AA64DFR0_EL1.BRPs says |", "| wrp | as many as ID_AA64DFR0_EL1.WRPs says |", "",
            "## Registers", "", "| register | op0 op1 CRn CRm op2 | feature | policy | note |", "|---|---|---|---|---|"]
    for row in rows:
        policy = row.policy if row.arg is None or row.policy in ("vtimer", "vgic") else f"{row.policy} {row.arg}"
        name = row.name.replace("<n>", "\\<n\\>")
        out.append(f"| {name} | {' '.join(row.fields)} | {row.feature} | {policy} | {row.note} |")
    out += ["", "## ID fields", "",
            "`keep`: the least over all CPUs; `max N`: that, but at most N; a number: always that. Every other field is 0, the",
            "value for \"not implemented\".", "", "| register | fields |", "|---|---|"]
    for name, spec in ids.items():
        if spec == ["all"]:
            fields = "all: keep"
        else:
            words = {"fixed": "{}", "max": "max {}", "keep": "keep", "sless": "keep"}
            fields = ", ".join(f"{field}: {words[what].format(number)}" for field, _, what, number in id_fields(spec))
        out.append(f"| {name} | {fields or 'none'} |")
    return "\n".join(out) + "\n"


def write(path, text):
    if os.path.exists(path) and open(path).read() == text:
        os.utime(path)
        return
    with open(path, "w") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--out")
    parser.add_argument("--doc")
    parser.add_argument("--check")
    args = parser.parse_args()
    features, rows, ids = parse(args.table)
    if args.out:
        os.makedirs(args.out, exist_ok=True)
        write(os.path.join(args.out, "sysregs.h"), types(features, rows))
        write(os.path.join(args.out, "sysregs_switch.h"), switch(features, rows, ids))
        write(os.path.join(args.out, "sysregs_table.h"), table(features, rows, ids))
    if args.doc:
        write(args.doc, documentation(features, rows, ids))
    if args.check and open(args.check).read() != documentation(features, rows, ids):
        sys.exit(f"{args.check} is not what {args.table} says: run `make docs/sysregs.md`")


if __name__ == "__main__":
    main()
