#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Print a request, to make configurations from: request.py [KEY=VALUE]... [ARG]...

KEY is a constraint (network_access, kvm, uid_range, provide_bin_sh: true; shm_size: a size),
`input` (NAME:SOURCE), `host` (TARGET:SOURCE), `ro` (a read-only host path, TARGET:SOURCE), `file`
(PATH:TEXT) or `env` (NAME:TEXT). A word without '=' is an argument; the first one is the builder.
"""
import json
import sys

H = "0" * 32
args, inputs, host, files, env, constraints = [], [], [], [], [], {"system": "x86_64-linux"}
for word in sys.argv[1:]:
    key, eq, value = word.partition("=")
    left, _, right = value.partition(":")
    if not eq:
        args.append(word)
    elif key == "input":
        inputs.append({"path": f"{H}-{left}", "source": right})
    elif key in ("host", "ro"):
        host.append({"target": left, "source": right, "readonly": key == "ro"})
    elif key == "file":
        files.append({"path": left, "mode": "0644", "contents": {"text": right}})
    elif key == "env":
        env.append({"key": left, "value": {"text": right}})
    else:
        constraints[key] = True if value == "true" else value
constraints["host_paths"] = sorted(host, key=lambda h: h["target"])
json.dump(
    {
        "version": 1,
        "name": "x",
        "inputs": sorted(inputs, key=lambda i: i["path"]),
        "command_args": args or ["/bin/sh"],
        "working_dir": "build",
        "scratch_paths": ["build", "nix/store"],
        "inputs_dir": "nix/store",
        "outputs": [{"name": "out", "path": f"nix/store/{H}-x"}],
        "environment_vars": sorted(env, key=lambda v: v["key"]),
        "constraints": constraints,
        "additional_files": files,
        "refscan_needles": [H],
    },
    sys.stdout,
)
