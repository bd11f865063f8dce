#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write what Nix sends to a build hook: request.py FILE DRV SYSTEM INPUT... -- OUTPUT...

The settings are read from standard input, one line `name = value` for each (`nix show-config`).
Prints the offsets at which a message is complete: after the settings, after the question, and at
the end.
"""
import struct
import sys


def u64(n):
    return struct.pack("<Q", n)


def string(s):
    raw = s.encode()
    return u64(len(raw)) + raw + b"\0" * (-len(raw) % 8)


def strings(items):
    return u64(len(items)) + b"".join(string(s) for s in items)


def main():
    path, drv, system, *rest = sys.argv[1:]
    inputs, outputs = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    settings = b""
    for line in sys.stdin:
        name, _, value = line.rstrip("\n").partition(" = ")
        settings += u64(1) + string(name) + string(value)
    settings += u64(0)
    question = string("try") + u64(0) + string(system) + string(drv) + strings([])
    job = strings(inputs) + strings(outputs)
    with open(path, "wb") as f:
        f.write(settings + question + job)
    print(len(settings), len(settings) + len(question), len(settings) + len(question) + len(job))


if __name__ == "__main__":
    main()
