# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""The machine that Bulkhead runs on in tests and demonstrations: QEMU's virt board with EL2, started by U-Boot."""

import os
import struct
import subprocess
import tempfile

UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
SECTOR = 512
PARTITION_START = 2048  # sectors: 1 MiB, where every partitioning tool puts the first one
FAT32_LBA = 0x0C
# `max` authenticates pointers with a slow, architected algorithm unless told otherwise.
CPU_MODELS = {"max": "max,pauth-impdef=on"}

# The bundle is handed over as the initrd, by writing so into the device tree: given to booti, U-Boot would look inside it
# for a ramdisk, as it is a FIT image.
BOOT_SCRIPT = """\
setenv bootargs "{bootargs}"
load virtio 0:1 ${{kernel_addr_r}} bulkhead.img
if load virtio 0:1 ${{ramdisk_addr_r}} bundle.itb; then true; else
    echo "bulkhead: the bundle does not fit: give the machine more memory (make run MEM=1G)"
    poweroff
fi
setexpr bundle_end ${{ramdisk_addr_r}} + ${{filesize}}
fdt addr ${{fdt_addr}}
fdt set /chosen linux,initrd-start <${{ramdisk_addr_r}}>
fdt set /chosen linux,initrd-end <0x${{bundle_end}}>
booti ${{kernel_addr_r}} - ${{fdt_addr}}
"""


def boot_script(directory, bootargs):
    """Write boot.scr for U-Boot into directory; the path."""
    source = os.path.join(directory, "boot.cmd")
    script = os.path.join(directory, "boot.scr")
    with open(source, "w", encoding="ascii") as f:
        f.write(BOOT_SCRIPT.format(bootargs=bootargs))
    subprocess.run(["mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-d", source, script],
                   check=True, stdout=subprocess.DEVNULL)
    return script


def make_disk(path, image, bundle, bootargs=""):
    """A disk as U-Boot boots it: one FAT partition with boot.scr, the hypervisor and the bundle."""
    size = os.path.getsize(image) + os.path.getsize(bundle)
    sectors = max(size * 11 // 10 // SECTOR, 0) + 64 * 2048
    # Bootable flag, no CHS, type, first sector, count; the other three entries of the table stay empty.
    entry = struct.pack("<B3sB3sII", 0x80, bytes(3), FAT32_LBA, bytes(3), PARTITION_START, sectors)
    with open(path, "wb") as disk:
        disk.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")
        disk.truncate((PARTITION_START + sectors) * SECTOR)
    where = f"{path}@@{PARTITION_START * SECTOR}"
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1")
    subprocess.run(["mformat", "-i", where, "-F", "-T", str(sectors), "::"], check=True, env=env)
    with tempfile.TemporaryDirectory() as scratch:
        files = {"boot.scr": boot_script(scratch, bootargs), "bulkhead.img": image, "bundle.itb": bundle}
        for name, source in files.items():
            subprocess.run(["mcopy", "-i", where, source, f"::{name}"], check=True, env=env)


def qemu(cpu="max", smp=4, memory="1G", el2=True):
    """The command line of the board, without what it boots."""
    machine = "virt,gic-version=3" + (",virtualization=on" if el2 else "")
    return ["qemu-system-aarch64", "-M", machine, "-cpu", CPU_MODELS.get(cpu, cpu), "-smp", str(smp), "-m", memory,
            "-nodefaults", "-no-user-config", "-display", "none"]


def uboot_drives(disk, env):
    """U-Boot as the firmware, its environment in flash, and the disk it boots from."""
    return ["-bios", UBOOT, "-drive", f"if=pflash,unit=1,format=raw,readonly=on,file={env}",
            "-drive", f"if=none,id=disk,format=raw,readonly=on,file={disk}", "-device", "virtio-blk-device,drive=disk"]
