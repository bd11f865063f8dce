#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare the probe's output in Nix's own sandbox with its output through the hook.

compare.py PARITY.md TABLES VERSION KIND REF HOOK SEEN    each difference must be a row of a table
compare.py --unused PARITY.md TABLES VERSION SEEN         fail for a row that no comparison has used

VERSION is Nix's; SEEN collects the rows that were used. TABLES are names, separated by blanks:
table NAME stands below the line "<!-- NAME -->" in PARITY.md, and earlier tables count first. The
cells of a row are:
  - the kinds of build: globs, separated by blanks
  - Nix's versions: "all", "< 2.14", ">= 2.31" or ">= 2.26, < 2.30"
  - the key
  - Nix's value and the hook's value: each a glob in backticks, or "-" for no such line
  - the reason
"|" in a value is written "\\|".
"""
import fnmatch
import re
import sys


def number(version):
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2])


def is_for(condition, version):
    if condition == "all":
        return True
    if ", " in condition:
        return all(is_for(part, version) for part in condition.split(", "))
    sign, bound = condition.split()
    return (number(version) < number(bound)) == {"<": True, ">=": False}[sign]


def rows(path, names, version):
    for name in names.split():
        yield from table_rows(path, name, version)


def table_rows(path, name, version):
    text = open(path, encoding="utf-8").read()
    _, found, table = text.partition(f"<!-- {name} -->\n")
    if not found:
        sys.exit(f"{path} has no table {name}")
    for line in table.lstrip("\n").split("\n"):
        if not line.startswith("|"):
            break
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 6:
            sys.exit(f"not six cells: {line}")
        if cells[1] in ("Nix", "---"):
            continue
        if not cells[5]:
            sys.exit(f"no reason: {line}")
        if is_for(cells[1], version):
            yield line, [c.strip("`") for c in (cells[0], *cells[2:5])]


def glob(value, pattern):
    """Only * and ? are special, as values hold brackets."""
    if value is None or pattern == "-":
        return value is None and pattern == "-"
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value, re.S)


def said(path):
    lines = {}
    for line in open(path, encoding="utf-8", newline="\n"):
        key, _, value = line.rstrip("\n").partition(" = ")
        if key in lines:
            sys.exit(f"{path}: said twice: {key}")
        lines[key] = value
    return lines


def unused(path, table, version, seen):
    used = set(open(seen, encoding="utf-8").read().splitlines())
    bad = [line for line, _ in rows(path, table, version) if line not in used]
    for line in bad:
        print(f"no such difference any more: {line}")
    return 1 if bad else 0


def main(argv):
    if argv[0] == "--unused":
        return unused(*argv[1:])
    path, table, version, kind, ref, hook, seen = argv
    ref, hook = said(ref), said(hook)
    if not ref or (table.endswith("probe") and len(ref) < 300):
        sys.exit(f"only {len(ref)} lines to compare")
    known = list(rows(path, table, version))
    bad = 0
    with open(seen, "a", encoding="utf-8") as used:
        for key in sorted(ref.keys() | hook.keys()):
            a, b = ref.get(key), hook.get(key)
            if a == b:
                continue
            for line, (kinds, k, x, y) in known:
                if (any(fnmatch.fnmatchcase(kind, p) for p in kinds.split())
                        and glob(key, k) and glob(a, x) and glob(b, y)):
                    print(line, file=used)
                    break
            else:
                bad += 1
                print(f"{key}\n  Nix:  {a}\n  hook: {b}")
    return 1 if bad else 0


sys.exit(main(sys.argv[1:]))
