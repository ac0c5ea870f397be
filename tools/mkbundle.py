#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Packs a manifest and the images that it names into one bundle (a FIT image), and checks it (docs/manifest.md)."""

import argparse
import os
import struct
import subprocess
import sys
import tempfile

FDT_MAGIC, BEGIN_NODE, END_NODE, PROP, NOP, END = 0xD00DFEED, 1, 2, 3, 4, 9
IMAGE_PROPERTIES = {"image", "initrd", "overlay"}
PAGE = 0x1000


def fail(text):
    sys.exit(f"mkbundle: {text}")


def run(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError:
        fail(f"{command[0]} is not installed")
    if done.returncode != 0:
        fail(f"{' '.join(command)} failed:\n{done.stdout.rstrip()}")


def named_images(dtb):
    """The files that the manifest names, each once, in its order."""
    if len(dtb) < 40 or struct.unpack_from(">I", dtb)[0] != FDT_MAGIC:
        fail("the manifest is not a device tree")
    at, strings = struct.unpack_from(">II", dtb, 8)
    names = []
    while at + 4 <= len(dtb):
        (token,) = struct.unpack_from(">I", dtb, at)
        at += 4
        if token == BEGIN_NODE:
            at = (dtb.index(b"\0", at) + 4) & ~3
        elif token == PROP:
            size, name = struct.unpack_from(">II", dtb, at)
            data = dtb[at + 8 : at + 8 + size]
            at = (at + 8 + size + 3) & ~3
            key = dtb[strings + name : dtb.index(b"\0", strings + name)].decode("ascii", "replace")
            text = data[:-1].decode("utf-8", "replace")
            if key in IMAGE_PROPERTIES and data.endswith(b"\0") and text and text not in names:
                names.append(text)
        elif token == END:
            break
        elif token not in (END_NODE, NOP):
            fail("the manifest is damaged")
    return names


def find(name, directories):
    for directory in directories:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return os.path.abspath(path)
    return None


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def image_node(node, description, path, kind):
    return f"""        {node} {{
            description = {quote(description)};
            data = /incbin/({quote(path)});
            type = "{kind}";
            arch = "arm64";
            compression = "none";
            hash-1 {{ algo = "sha256"; }};
        }};
"""


def source(manifest, images):
    nodes = [image_node("manifest", "manifest", manifest, "flat_dt")]
    for number, (name, path) in enumerate(images, 1):
        nodes.append(image_node(f"image-{number}", name, path, "firmware"))
    parts = ", ".join(f'"image-{n}"' for n in range(1, len(images) + 1))
    loadables = f"            loadables = {parts};\n" if parts else ""
    return f"""/dts-v1/;
/ {{
    description = "Bulkhead bundle";
    images {{
{''.join(nodes)}    }};
    configurations {{
        default = "partition";
        partition {{
            description = "manifest and images";
            firmware = "manifest";
{loadables}        }};
    }};
}};
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", help="device tree source or blob")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("-I", dest="directories", action="append", default=[], help="where images may be found")
    parser.add_argument("--no-check", action="store_true", help="pack also what the hypervisor would refuse")
    parser.add_argument("--checker", default=os.environ.get("BUNDLE_CHECK"), help="the program bundle-check")
    parser.add_argument("--machine", help="device tree of the machine to check against")
    args = parser.parse_args()

    if not os.path.isfile(args.manifest):
        fail(f"{args.manifest}: no such manifest")
    base = os.path.dirname(os.path.abspath(args.manifest))
    with tempfile.TemporaryDirectory(prefix="mkbundle-") as work:
        manifest, output = os.path.join(work, "manifest.dtb"), os.path.join(work, "bundle.itb")
        # Regions are found by name, so that unit addresses and cell counts mean nothing here.
        run(["dtc", "-q", "-I", "dtb" if is_blob(args.manifest) else "dts", "-O", "dtb",
             "-i", base, "-o", manifest, args.manifest])
        with open(manifest, "rb") as file:
            names = named_images(file.read())
        images = []
        for name in names:
            path = find(name, [base, *args.directories])
            if path:
                images.append((name, path))
            elif not args.no_check:  # the check below says which VM wants it
                print(f"mkbundle: image {name!r} is in none of {', '.join([base, *args.directories])}", file=sys.stderr)
        its = os.path.join(work, "bundle.its")
        with open(its, "w", encoding="utf-8") as file:
            file.write(source(manifest, images))
        run(["mkimage", "-q", "-f", its, "-E", "-B", hex(PAGE), output])
        if not args.no_check:
            check(args, output)
        os.makedirs(os.path.dirname(os.path.abspath(args.output)), exist_ok=True)
        with open(output, "rb") as built, open(args.output, "wb") as target:
            target.write(built.read())


def is_blob(path):
    with open(path, "rb") as file:
        return file.read(4) == struct.pack(">I", FDT_MAGIC)


def check(args, bundle):
    if not args.checker:
        fail("where is bundle-check? name it with --checker or in BUNDLE_CHECK, or say --no-check")
    command = [args.checker] + (["--machine", args.machine] if args.machine else []) + [bundle]
    if subprocess.run(command, check=False).returncode != 0:
        fail(f"{args.manifest}: refused, see above; docs/manifest.md lists every property and message")


main()
