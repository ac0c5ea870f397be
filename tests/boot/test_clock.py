#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""A device that is passed through, with its interrupt; and a device tree overlay."""

import harness

with harness.boot("clock") as m:
    m.want(r"^\[linux\] Linux 6\.\S+ is up: 2 CPUs", "Linux comes up")
    m.focus(0)
    m.find(r"linux# ")
    m.send("dmesg | grep pl031; echo seen-$((1 + 1))\n")
    m.want(r"seen-2", "Linux has a shell that answers")
    m.want(r"rtc-pl031 9010000\.\S+: registered as rtc0", "Linux drives the real clock", everywhere=True)
    m.send("cd /sys/class/rtc/rtc0; echo $(($(cat since_epoch) + 2)) > wakealarm; sleep 4; grep rtc-pl031 /proc/interrupts\n")
    m.want(r"^\[linux\] +\d+: +(0 +[1-9]|[1-9])\d* .*GICv3 +34 .*rtc-pl031", "and its alarm interrupts")
    m.send("cat /proc/device-tree/note/text; echo\n")
    m.want(r"^\[linux\] seen through an overlay", "the overlay is in the device tree")
harness.done()
