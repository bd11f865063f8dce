#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# source-dir.sh DIR: print the directory whose configure a build in another directory must run.
#
# This is the source tree, unless the tree was configured itself: make would then use the tree's
# objects in the other build. In that case the script copies the sources of a release to DIR, an
# absolute path, and prints DIR.
set -e
cd "$(dirname "$0")/.."
if [ -e config.status ]; then
  make --silent distdir distdir="$1" >&2
  echo "$1"
else
  [ -x configure ] || ./autogen.sh >&2
  pwd
fi
