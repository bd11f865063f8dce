#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kill the hook and its supervisor at each system call, or let the call fail. Prints TAP.

tests/torture/torture.sh runs it in its world, where /nix is the store. A point is one system call
of one process of one build, and each build has a derivation of its own. After each point the hook
has ended by itself and told why if the build failed. Its outputs are all valid or none, and nothing
else is left.

Usage: torture.py HOOK INJECT WORK-DIR STATE-DIR. Environment: NIH_EVERY=N takes each Nth point;
NIH_ONLY is a regular expression of the kinds to run; NIH_VERBOSE names each point.
"""
import collections
import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
import request  # noqa: E402

HOOK, INJECT, WORK, STATE = sys.argv[1:5]
EVERY = int(os.environ.get("NIH_EVERY", "29"))
ONLY = os.environ.get("NIH_ONLY", "")
VERBOSE = os.environ.get("NIH_VERBOSE")
STORE, DB = "/nix/store", "/nix/var/nix/db/db.sqlite"
LIMIT_S = 60  # a point takes 0.2 s on an idle machine
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}

# What a call may really fail with. close(2) is not among them: it always closes.
ERRORS = {
    "access newfstatat statx fstatfs": "EIO ENOMEM EACCES",
    "statfs": "EIO ENOMEM",
    "clone clone3 fork vfork": "EAGAIN ENOMEM",
    "fchmod fchmodat fchown fchownat utimensat": "EIO EROFS EPERM",
    "fcntl": "EMFILE",
    "flock": "EINTR ENOMEM",
    "fstat lseek": "EIO",
    "fsync fdatasync ftruncate syncfs sync_file_range": "EIO ENOSPC",
    "getdents64 pread64 read readlinkat": "EIO EINTR",
    "mkdir mkdirat mknodat symlinkat linkat": "ENOSPC EIO",
    "mount move_mount fsopen fsconfig fsmount unshare": "ENOMEM EPERM",
    "openat": "EMFILE EIO ENOMEM EINTR",
    "pipe2 socketpair signalfd4 pidfd_open memfd_create": "EMFILE ENOMEM",
    "poll ppoll": "EINTR ENOMEM",
    "recvfrom recvmsg sendmsg": "EINTR ENOMEM",
    "rename renameat renameat2": "ENOSPC EIO",
    "shutdown": "ENOMEM",
    "unlinkat unlink rmdir": "EIO EACCES EROFS",
    "wait4": "EINTR",
    "write pwrite64": "ENOSPC EIO EINTR",
}
ERRORS = {call: errors.split() for calls, errors in ERRORS.items() for call in calls.split()}


def names_reason(messages, call, error):
    """Tell whether a person learns from the MESSAGES that CALL failed with ERROR."""
    said = " ".join(messages)
    return (os.strerror(getattr(errno, error)) in said or
            error == "ENOMEM" and "out of memory" in said or
            error == "ENOSPC" and "disk is full" in said or
            # These SQLite tells in words of its own.
            call in ("openat", "pread64", "pwrite64") and " in the database '" in said)


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout


def processes():
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                if f.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.add(int(pid))
        except OSError:
            pass
    return found


def valid():
    with sqlite3.connect("file:%s?mode=ro" % DB, uri=True, timeout=60) as db:
        return {row[0] for row in db.execute("select path from ValidPaths")}


class Derivations:
    """Derivations that nobody has built, with an input."""

    def __init__(self, name, script):
        self.name, self.script, self.ready, self.n = name, script, [], 0

    def take(self):
        if not self.ready:
            self.make(100)
        return self.ready.pop()

    def make(self, count):
        path = "%s/%s.nix" % (WORK, self.name)
        with open(path, "w") as f:
            f.write("""let sh = name: attrs: script: derivation ({ inherit name; builder = "/bin/sh";
                  system = builtins.currentSystem; args = [ "-e" "-c" script ]; PATH = "/usr/bin:/bin"; } // attrs);
              in builtins.genList (i: sh "%s-${toString (i + %d)}" { outputs = [ "out" "dev" ];
                dep = sh "dep" { } "echo dep >$out"; } ''%s'') %d""" % (
                self.name, self.n, self.script, count))
        self.n += count
        for drv in output("nix-instantiate", path).split():
            drv = drv.partition("!")[0]
            with open(drv) as f:
                head = f.read().partition("],[")[0]
            self.ready.append((drv, dict(re.findall(r'\("(\w+)","([^"]+)"', head))))
        self.ready = list({drv: (drv, outs) for drv, outs in self.ready}.values())


class Run:
    """One call of the hook, as Nix does it."""

    def __init__(self, drv, outs, inject, env, settings):
        question = b"".join(request.u64(1) + request.string(k) + request.string(v)
                            for k, v in settings.items()) + request.u64(0)
        question += request.string("try") + request.u64(0) + request.string(SYSTEM)
        question += request.string(drv) + request.strings([])
        question += request.strings([DEP]) + request.strings(sorted(outs))
        hits = WORK + "/hits"
        command = [HOOK, "3"]
        open(hits, "w").close()
        if inject is not None:
            command = [INJECT, "-o", hits] + inject + ["--"] + command
        with open(WORK + "/err", "w+") as err, open(WORK + "/question", "w+b") as asked:
            asked.write(question)
            asked.seek(0)
            process = subprocess.Popen(
                ["sh", "-c", 'exec "$@" 4>&1 >&2', "sh"] + command, stdin=asked, stderr=err,
                stdout=subprocess.PIPE, env={**os.environ, **env}, start_new_session=True)
            self.hung, log = False, b""
            try:
                log = process.communicate(timeout=LIMIT_S)[0]
            except subprocess.TimeoutExpired:
                self.hung = True
                for pid in processes() - BEFORE:
                    os.kill(pid, signal.SIGKILL)
                process.wait()
            self.status = process.returncode
            err.seek(0)
            self.said = err.read()
        self.accepted = "# accept" in self.said
        self.messages = [line for line in self.said.splitlines()
                         if not re.match(r"# |oci:\w+$", line)]
        # Since clients of a daemon see it there, the reason may stand in the build's log.
        self.messages += log.decode(errors="replace").splitlines()
        with open(hits) as f:
            self.calls = f.read().split("\n")[:-1]

    @property
    def crashed(self):
        return -self.status in CRASHES or self.status - 128 in CRASHES


def groups():
    """The control groups of builds of this world."""
    names = {name[:32] for name in os.listdir(STORE)}
    return [path for path, _, _ in os.walk("/sys/fs/cgroup")
            if re.match(r"nix-build@(\w{32})-", os.path.basename(path)) and
            os.path.basename(path)[10:42] in names]


def claims():
    """What of reservations of memory the next build removes."""
    return set(os.listdir(STATE + "/memory")) - {"lock"} if os.path.isdir(STATE + "/memory") else set()


def left():
    """What a build that has ended should not have left."""
    found = ["process %d" % pid for pid in processes() - BEFORE]
    found += [name for name in os.listdir(STORE) if re.search(r"\.(chroot|copies)$", name)]
    found += os.listdir(STATE + "/run")
    queue = STATE + "/slots/queue"
    found += os.listdir(queue) if os.path.isdir(queue) else []
    if os.path.isdir(BUNDLES):
        found += os.listdir(BUNDLES)
    return found + groups()


def left_after(seconds):
    end = time.monotonic() + seconds
    while left() and time.monotonic() < end:
        time.sleep(0.02)
    return left()


class Kind:
    """One way to torture builds of one configuration: its points, and what was wrong."""

    def __init__(self, name, inject, env=None, settings=None, script=None, status=0):
        self.name, self.inject, self.status = name, inject, status
        self.env = {"NIX_OCI_HOOK_RUNTIME": "crun", **(env or {})}
        self.settings = {**SETTINGS, **(settings or {})}
        self.drvs = Derivations(re.sub(r"\W+", "-", name), script or
                                'mkdir "$out"; echo "$name" >"$out/f"; echo "$out" >"$dev"')
        self.bad = []

    def build(self, inject=None):
        drv, outs = self.drvs.take()
        return Run(drv, outs, inject, self.env, self.settings), outs

    def calls(self):
        who = ["-s"] if "-s" in self.inject else []
        self.build() # what only the first build makes
        run, _ = self.build(who + ["-c"])
        if run.status != self.status:
            raise RuntimeError("%s: a build ends with %s: %s" % (self.name, run.status, run.said))
        left_after(5)
        return run.calls

    def points(self):
        calls = self.calls()
        if "-f" not in self.inject:
            return [[*self.inject, str(n + 1)] for n in range(len(calls))]
        seen, points = collections.Counter(), []
        for call in calls:
            seen[call] += 1
            points += [[*self.inject, "%s:%d:%s" % (call, seen[call], error)]
                       for error in ERRORS.get(call, [])]
        return points

    def wrong(self, point, run, what):
        self.bad.append("%s: %s (%s); it said: %s" % (
            " ".join(point), what, run.calls[0] if run.calls else "not hit", " / ".join(run.messages)))

    def check(self, point):
        run, outs = self.build(point)
        killed = {"-k", "-K"} & set(point)
        if VERBOSE:
            print("#", self.name, point, run.status, run.calls, run.messages, flush=True)
        if run.hung:
            self.wrong(point, run, "it hung")
        if run.crashed:
            self.wrong(point, run, "it crashed")
        rest = left_after(0.1 if "-K" in point else 5)
        are_valid = [path for path in outs.values() if path in valid()]
        if len(are_valid) not in (0, len(outs)):
            self.wrong(point, run, "%d of %d outputs are valid" % (len(are_valid), len(outs)))
        if run.status == 0 and run.accepted and not are_valid:
            self.wrong(point, run, "success without outputs")
        if run.status != 0 and not killed and are_valid:
            self.wrong(point, run, "a failure with outputs")
        if run.status != 0 and not killed and not run.messages:
            self.wrong(point, run, "no message")
        elif run.status not in (0, self.status) and "-f" in point and not names_reason(
                run.messages, *point[-1].split(":")[::2]):
            self.wrong(point, run, "the reason is not told")
        for path in are_valid:
            if not os.path.lexists(path):
                self.wrong(point, run, "valid and not there: " + path)
        # What nobody was left to remove, or could not be removed, goes with the next build.
        if claims() or rest and ("-K" in point or "next build" in run.said):
            self.build()
        if claims():
            self.wrong(point, run, "reservations are left: %s" % claims())
        if rest:
            rest = left_after(5)
        if rest:
            self.wrong(point, run, "left: %s" % rest)
            for name in rest:
                subprocess.run(["rm", "-rf", STORE + "/" + name, BUNDLES + "/" + name,
                                STATE + "/run/" + name])

    def torture(self):
        points = self.points()
        chosen = points[len(self.name) % EVERY::EVERY]
        for point in chosen:
            self.check(point)
        run, _ = self.build()
        if run.status != self.status:
            self.bad.append("after all of it a build ends with %s: %s" % (run.status, run.said))
        return len(chosen), len(points)


def main():
    fails = {"script": 'echo half >"$out"; exit 7', "status": STATUS_7}
    elsewhere = {"env": {"NIX_OCI_HOOK_BUNDLE_DIR": BUNDLES}}
    # What the configuration gives to a build by its name.
    with open(WORK + "/limits.conf", "w") as f:
        f.write("memory-budget = 1G\n[match name=*]\nmemory-max = 200M\npids-max = 100\n"
                "memory-reserve = 300M\n")
    limits = {"env": {"NIX_OCI_HOOK_CONFIG": WORK + "/limits.conf"}}
    kinds = [
        Kind("SIGKILL to the hook", ["-k"]),
        Kind("SIGKILL to the supervisor", ["-s", "-k"]),
        Kind("SIGKILL to both, at the hook's calls", ["-K"]),
        Kind("SIGKILL to both, at the supervisor's calls", ["-s", "-K"]),
        Kind("SIGKILL to both while a build fails", ["-K"], **fails),
        Kind("SIGKILL to both, bundles elsewhere", ["-K"], **elsewhere),
        Kind("SIGKILL to the hook of a build with limits", ["-k"], **limits),
        Kind("SIGKILL to the supervisor of a build with limits", ["-s", "-k"], **limits),
        Kind("SIGKILL to both, at the hook's calls, with limits", ["-K"], **limits),
        Kind("SIGKILL to both, at the supervisor's calls, with limits", ["-s", "-K"], **limits),
        Kind("a failing call in the hook", ["-f"]),
        Kind("a failing call in the supervisor", ["-s", "-f"]),
        Kind("a failing call in the hook of a build with limits", ["-f"], **limits),
        Kind("a failing call in the supervisor of a build with limits", ["-s", "-f"], **limits),
        Kind("no memory in the hook", ["-m"]),
        Kind("no memory in the supervisor", ["-s", "-m"]),
    ]
    bad = tests = 0
    for kind in kinds:
        if not re.search(ONLY, kind.name):
            continue
        start = time.monotonic()
        chosen, total = kind.torture()
        tests += 1
        bad += bool(kind.bad)
        print("%s %d - %s, at %d of %d points" % ("not ok" if kind.bad else "ok", tests, kind.name,
                                               chosen, total))
        print("# %.0f s" % (time.monotonic() - start), flush=True)
        for what in kind.bad[:20]:
            print("#   " + what, flush=True)
    print("1..%d" % tests)
    return 1 if bad or not tests else 0


BUNDLES = WORK + "/bundles"
os.makedirs(BUNDLES, exist_ok=True)
SYSTEM = output("nix-instantiate", "--eval", "-E", "builtins.currentSystem").strip().strip('"')
SETTINGS = dict(line.partition(" = ")[::2] for line in output("nix", "show-config").splitlines())
STATUS_7 = 7 if "--new" in sys.argv else 100
BEFORE = processes()
DEP = output("nix-build", "--no-out-link", "--option", "build-hook", HOOK, "-E", """derivation {
  name = "dep"; builder = "/bin/sh"; system = builtins.currentSystem; args = [ "-e" "-c" "echo dep >$out" ];
  PATH = "/usr/bin:/bin"; }""").strip()
sys.exit(main())
