#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Writes an archive of arm64 objects as assembly in which every function has a section of its own.

libfdt comes as an archive whose members have one .text each: one function drags its whole file into an image that has a
size to keep to. With a section each, the linker leaves out those nobody calls. Not an instruction changes; what this does
not know how to take apart, it refuses."""
import struct
import sys

JUMP26, CALL26 = 282, 283
RELOCATIONS = {257: "R_AARCH64_ABS64", 275: "R_AARCH64_ADR_PREL_PG_HI21", 277: "R_AARCH64_ADD_ABS_LO12_NC",
               278: "R_AARCH64_LDST8_ABS_LO12_NC", JUMP26: "R_AARCH64_JUMP26", CALL26: "R_AARCH64_CALL26",
               284: "R_AARCH64_LDST16_ABS_LO12_NC", 285: "R_AARCH64_LDST32_ABS_LO12_NC",
               286: "R_AARCH64_LDST64_ABS_LO12_NC", 311: "R_AARCH64_ADR_GOT_PAGE", 312: "R_AARCH64_LD64_GOT_LO12_NC"}
SHT_RELA, SHT_SYMTAB, SHT_PROGBITS = 4, 2, 1
WRITE, ALLOC, EXECUTE, STRINGS = 1, 2, 4, 0x20
STT_FUNC, STT_SECTION = 2, 3
NOP = 0xd503201f


def members(archive):
    """The objects of an ar archive, in their order."""
    if archive[:8] != b"!<arch>\n":
        sys.exit("not an archive")
    at = 8
    while at < len(archive):
        size = int(archive[at + 48:at + 58])
        data = archive[at + 60:at + 60 + size]
        if data[:4] == b"\x7fELF":
            yield data
        at += 60 + size + size % 2


def text_at(data, at):
    return bytes(data[at:data.index(b"\0", at)]).decode()


class Section:
    def __init__(self, fields, elf):
        (self.name, self.type, self.flags, _, self.offset, self.size, self.link, self.info, self.align, _) = fields
        self.data = bytearray(elf[self.offset:self.offset + self.size])
        self.relocations = {}
        self.functions = []
        self.marks = set()


class Object:
    def __init__(self, number, elf):
        self.number = number
        if elf[4:6] != b"\2\1" or struct.unpack_from("<HH", elf, 16) != (1, 183):
            sys.exit("not an arm64 object")
        start, count, names = struct.unpack_from("<Q", elf, 40)[0], *struct.unpack_from("<HH", elf, 60)
        self.sections = [Section(struct.unpack_from("<IIQQQQIIQQ", elf, start + 64 * i), elf) for i in range(count)]
        for s in self.sections:
            s.name = text_at(self.sections[names].data, s.name)
        self.symbols = self.read_symbols(next(s for s in self.sections if s.type == SHT_SYMTAB))
        for s in self.sections:
            if s.type == SHT_RELA and self.kept(self.sections[s.info]):
                self.read_relocations(s, self.sections[s.info])
        for s in self.sections:
            if self.kept(s) and s.flags & EXECUTE:
                self.find_branches(s)

    @staticmethod
    def kept(s):
        """What the image takes of an object: no frame tables, no notes."""
        return bool(s.flags & ALLOC) and s.size > 0 and s.name != ".eh_frame"

    def read_symbols(self, table):
        symbols = []
        for i in range(0, table.size, 24):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", table.data, i)
            label = text_at(self.sections[table.link].data, name)
            if info >> 4 == 0:  # a local name: another object may have the same
                label = f"{label}.{self.number}"
            symbols.append((label, info & 15, section, value))
            if info & 15 == STT_FUNC and section != 0:
                self.sections[section].functions.append((value, value + size, label, info >> 4 != 0))
        return symbols

    def read_relocations(self, table, of):
        for i in range(0, table.size, 24):
            at, info, addend = struct.unpack_from("<QQq", table.data, i)
            label, kind, section, value = self.symbols[info >> 32]
            if kind == STT_SECTION:
                label, addend = self.place(self.sections[section], value + addend), 0
            of.relocations[at] = (RELOCATIONS[info & 0xffffffff], label, addend)

    def place(self, section, offset):
        """A name for a place in a section."""
        if section.flags & EXECUTE:
            return next(f for f in section.functions if f[0] == offset)[2]
        section.marks.add(offset)
        return self.mark(section, offset)

    def mark(self, section, offset):
        return f"data.{self.number}.{self.sections.index(section)}.{offset}"

    def find_branches(self, s):
        """The assembler has resolved what branches from one function of a file to another. These need relocations now."""
        for first, end, label, _ in s.functions:
            for at in range(first, end, 4):
                word, = struct.unpack_from("<I", s.data, at)
                for mask, bits, low, width in ((0x7c000000, 0x14000000, 0, 26), (0xff000010, 0x54000000, 5, 19),
                                               (0x7e000000, 0x34000000, 5, 19), (0x7e000000, 0x36000000, 5, 14)):
                    if word & mask != bits or at in s.relocations:
                        continue
                    distance = word >> low & (1 << width) - 1
                    target = at + 4 * (distance - (distance >> width - 1 << width))
                    if first <= target < end:
                        continue
                    if width != 26:
                        sys.exit(f"{label}: a conditional branch leaves it")
                    s.relocations[at] = (RELOCATIONS[CALL26 if word >> 31 else JUMP26], self.place(s, target), 0)
                    struct.pack_into("<I", s.data, at, word & ~((1 << width) - 1 << low))  # lld adds to what is there instead of replacing it

    def write(self, out):
        for label, _, section, _ in self.symbols[1:]:  # the first is none
            if section == 0:
                print(f".globl {label}", file=out)  # clang knows no symbol by a .reloc alone
        for s in self.sections:
            if self.kept(s):
                if s.type != SHT_PROGBITS:
                    sys.exit(f"{s.name}: an unexpected section")
                (self.write_functions if s.flags & EXECUTE else self.write_data)(s, out)

    def write_functions(self, s, out):
        inside = set()
        for first, end, label, is_global in s.functions:
            inside |= set(range(first, end, 4))
            print(f'.section .text.{label},"ax",%progbits\n.balign 4', file=out)
            if is_global:
                print(f".globl {label}", file=out)
            print(f".type {label}, %function\n{label}:", file=out)
            for at in range(first, end, 4):
                self.write_item(s, at, 4, ".inst", out)
            print(f".size {label}, . - {label}", file=out)
        for at in set(range(0, s.size, 4)) - inside:
            if struct.unpack_from("<I", s.data, at)[0] not in (0, NOP):
                sys.exit(f"{s.name}+{at:#x}: code of no function")

    def write_data(self, s, out):
        """Constants. (What only a loader would write to is not written to in an image that has its place.)"""
        if s.flags & WRITE and not s.name.startswith(".data.rel.ro"):
            sys.exit(f"{s.name}: variables")
        flags, align = ('aMS",%progbits,1', 1) if s.flags & STRINGS else ('a",%progbits', s.align)
        print(f'.section .rodata.{self.number}{s.name},"{flags}\n.balign {align}', file=out)
        at = 0
        while at < s.size:
            if at in s.marks:
                print(f"{self.mark(s, at)}:", file=out)
            step = 8 if at in s.relocations else 1
            self.write_item(s, at, step, ".quad" if step == 8 else ".byte", out)
            at += step

    @staticmethod
    def write_item(s, at, size, directive, out):
        if at in s.relocations:
            kind, label, addend = s.relocations[at]
            print(f".reloc ., {kind}, {label} + {addend}", file=out)
        print(f"{directive} {int.from_bytes(s.data[at:at + size], 'little'):#x}", file=out)


with open(sys.argv[1], "rb") as f, open(sys.argv[2], "w", encoding="ascii") as to:
    for n, member in enumerate(members(f.read())):
        Object(n, member).write(to)
