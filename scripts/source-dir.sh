#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# source-dir.sh DIR: print the directory whose configure a build in another directory is to run.
#
# It is the source tree. But a tree that was configured itself refuses to be built elsewhere: make
# would take the objects in it for those of the other build. Then it is DIR, and the sources are
# copied to it as a release has them. DIR is absolute.
set -e
cd "$(dirname "$0")/.."
if [ -e config.status ]; then
  make --silent distdir distdir="$1" >&2
  echo "$1"
else
  [ -x configure ] || ./autogen.sh >&2
  pwd
fi
