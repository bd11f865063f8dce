#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py JOURNAL NAME EXPRESSION...: each expression holds of the newest report of NAME, which is
`r`. report.py --count JOURNAL: how many reports there are. report.py --json FILE: it is JSON.
report.py --svg FILE N: it is XML of N bars without script."""
import json
import sys
import xml.etree.ElementTree as ElementTree


def reports(path):
    found = []
    for older in (path + ".1", path):
        try:
            with open(older, encoding="utf-8") as f:
                found += [json.loads(line) for line in f]
        except FileNotFoundError:
            pass
    return found


def svg(path, bars):
    root = ElementTree.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == space + "svg", root.tag
    assert not list(root.iter(space + "script"))
    groups = [g for g in root.iter(space + "g") if g.find(space + "title") is not None]
    assert len(groups) == bars, f"{len(groups)} bars"
    width, height = float(root.get("width")), float(root.get("height"))
    for r in root.iter(space + "rect"):
        x, y = float(r.get("x", 0)), float(r.get("y", 0))
        w, h = float(r.get("width")), float(r.get("height"))
        assert 0 <= x and x + w <= width + 1 and 0 <= y and y + h <= height, r.attrib


if sys.argv[1] == "--count":
    print(len(reports(sys.argv[2])))
elif sys.argv[1] == "--json":
    with open(sys.argv[2], encoding="utf-8") as f:
        json.load(f)
elif sys.argv[1] == "--svg":
    svg(sys.argv[2], int(sys.argv[3]))
else:
    r = [x for x in reports(sys.argv[1]) if x.get("name") == sys.argv[2]][-1]
    bad = [e for e in sys.argv[3:] if not eval(e)]  # pylint: disable=eval-used
    if bad:
        print(json.dumps(r, indent=1))
        sys.exit("does not hold: " + "; ".join(bad))
