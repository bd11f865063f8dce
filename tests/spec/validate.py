#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""validate.py SCHEMA-DIRECTORY CONFIG...: check configurations by OCI's JSON schema, offline."""
import json
import pathlib
import sys

import jsonschema

schemas = pathlib.Path(sys.argv[1]).resolve()


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


# References between the files are relative to the directory, whatever "id" they give themselves.
store = {p.as_uri(): load(p) for p in schemas.glob("*.json")}
for document in store.values():
    document.pop("id", None)
    document.pop("$id", None)
schema = store[(schemas / "config-schema.json").as_uri()]
resolver = jsonschema.RefResolver((schemas / "config-schema.json").as_uri(), schema, store=store)
validator = jsonschema.validators.validator_for(schema)(schema, resolver=resolver)
bad = 0
for name in sys.argv[2:]:
    for error in validator.iter_errors(load(name)):
        print(f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
        bad = 1
sys.exit(bad)
