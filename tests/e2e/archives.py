#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""archives.py DIR: write the archives that tests/e2e/builtins.sh unpacks as channels."""
import io
import os
import sys
import tarfile
import zipfile


def add(tar, name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def directory(tar, name, mode=0o755):
    add(tar, name, type=tarfile.DIRTYPE, mode=mode)


def link(tar, name, target, kind=tarfile.SYMTYPE):
    add(tar, name, type=kind, linkname=target)


def good(tar):
    directory(tar, "channel-1.0")
    add(tar, "channel-1.0/default.nix", b"{ }", mode=0o600, mtime=7)
    directory(tar, "channel-1.0/bin")
    add(tar, "channel-1.0/bin/program", b"#!/bin/sh\n", mode=0o755, uid=12, gid=34)
    link(tar, "channel-1.0/link", "bin/program")
    link(tar, "channel-1.0/outside", "/etc/passwd")
    link(tar, "channel-1.0/same", "channel-1.0/default.nix", tarfile.LNKTYPE)
    add(tar, "channel-1.0/no/directory/of/its/own", b"x" * 100000)


def through(tar):
    directory(tar, "channel")
    link(tar, "channel/out", "/build")
    add(tar, "channel/out/escaped", b"x")


def write_all(top):
    def tar(name, fill, mode="w"):
        with tarfile.open(os.path.join(top, name), mode) as t:
            fill(t)

    tar("good.tar.xz", good, "w:xz")
    tar("absolute.tar", lambda t: (directory(t, "/top"), add(t, "/top/file", b"x")))
    tar("empty.tar", lambda t: None)
    tar("two.tar", lambda t: (add(t, "one"), add(t, ".two")))
    tar("upwards.tar", lambda t: (directory(t, "channel"), add(t, "channel/../../up", b"x")))
    tar("through.tar", through)
    with zipfile.ZipFile(os.path.join(top, "good.zip"), "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("channel/default.nix", "{ }" * 1000)
        z.writestr("channel/sub/file", "")
    with open(os.path.join(top, "text"), "w", encoding="ascii") as f:
        f.write("no archive at all\n" * 100)


write_all(sys.argv[1])
