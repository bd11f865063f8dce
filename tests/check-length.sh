#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
exec "${top_srcdir:-.}/scripts/longest.sh" --check
