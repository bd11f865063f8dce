#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare a builder's surroundings in Nix's own sandbox with `nix-oci-hook request`. TAP.

request.py PROGRAM DIR: compare the derivations of DIR/request.nix, in the store that NIX_REMOTE
names, with the settings in NIX_CONFIG. Each builder prints its environment, arguments, files and
inputs to its log.
"""
import base64
import io
import json
import os
import re
import subprocess
import sys
import tarfile

PROGRAM, DIR = sys.argv[1:]
NIX_FILE = os.path.join(DIR, "request.nix")
NAMES = ("plain overrides outputs floating passAsFile fixed fixedStructured graph structured json "
         "structuredGraph").split()


def run(*args):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if p.returncode:
        print("Bail out! %s: %s" % (" ".join(args), p.stderr.decode(errors="replace")))
        sys.exit(1)
    return p.stdout


def seen_by_builder(drv):
    """The sections of the log, as bytes."""
    sections, name = {}, None
    for line in run("nix-store", "--read-log", drv).splitlines():
        if line.startswith(b"== "):
            name = line[3:].decode()
            sections[name] = b""
        elif name:
            sections[name] += line
    return {k: base64.b64decode(v) for k, v in sections.items()}


def files_in(tar_bytes):
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        return {os.path.normpath(m.name): (tar.extractfile(m).read(), m.mode & 0o777)
                for m in tar.getmembers() if not m.isdir()}


def value(v):
    """A string or bytes of a request."""
    if isinstance(v, str):
        return v.encode()
    if "text" in v:
        return v["text"].encode()
    return base64.b64decode(v["base64"])


def inside(variable):
    """Nix before 2.15 names these two by their path outside, where the builder cannot go."""
    return re.sub(rb"^(NIX_ATTRS_(?:JSON|SH)_FILE)=.*/nix-build-[^/]*/", rb"\1=/build/", variable)


class Tap:
    def __init__(self):
        self.n = self.bad = 0

    def equal(self, what, ours, nix):
        self.n += 1
        if ours == nix:
            print("ok %d - %s" % (self.n, what))
            return
        self.bad += 1
        print("not ok %d - %s" % (self.n, what))
        if isinstance(ours, dict):
            nix, ours = ({k: v for k, v in a.items() if b.get(k) != v}
                         for a, b in ((nix, ours), (ours, nix)))
        print("#  Nix: %r\n# ours: %r" % (nix, ours))


def compare(tap, name, drv):
    request = json.loads(run(PROGRAM, "request", drv))
    nix = seen_by_builder(drv)
    store = request["inputs_dir"] + "/"

    environ = [value(v["key"]) + b"=" + value(v["value"]) for v in request["environment_vars"]]
    tap.equal(name + ": environment, in its order", environ,
              [inside(v) for v in nix["environ"].rstrip(b"\0").split(b"\0")])
    argv = [value(request["argv0"])] + [value(a) for a in request["command_args"][1:]]
    tap.equal(name + ": arguments", argv, nix["cmdline"][:-1].split(b"\0"))
    files = {f["path"][len("build/"):]: (value(f["contents"]), int(f["mode"], 8))
             for f in request["additional_files"]}
    tap.equal(name + ": files in the build directory", files, files_in(nix["files"]))

    targets = [h["target"] for h in request["constraints"]["host_paths"]
               if os.path.exists(h["source"]) or not h["optional"]]
    paths = [i["path"] for i in request["inputs"]]
    paths += [t[len(store) + 1:] for t in targets if t.startswith("/" + store)]
    tap.equal(name + ": paths in the store", sorted(paths), nix["store"].decode().split())
    tap.equal(name + ": marked sandbox-paths", sorted(t for t in targets if t.startswith("/mark-")),
              nix["marks"].decode().split())


def refuses_inputs_that_are_not_valid(tap):
    drv = run("nix-instantiate", NIX_FILE, "-A", "unmade").decode().strip()
    p = subprocess.run([PROGRAM, "request", drv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       check=False)
    wanted = (r"error: input '/nix/store/\w+-input' is not valid; "
              r"make it by: nix-store --realise '/nix/store/\w+-input\.drv!out'\n")
    tap.equal("an input that is not valid is refused, with the command that makes it",
              (p.returncode, p.stdout, bool(re.fullmatch(wanted, p.stderr.decode()))),
              (1, b"", True))


def main():
    tap = Tap()
    drvs = {n: run("nix-instantiate", NIX_FILE, "-A", n).decode().strip().split("!")[0]
            for n in NAMES}
    run("nix-store", "--realise", *drvs.values())
    for name, drv in drvs.items():
        compare(tap, name, drv)
    refuses_inputs_that_are_not_valid(tap)
    print("1..%d" % tap.n)
    return 1 if tap.bad or not tap.n else 0


sys.exit(main())
