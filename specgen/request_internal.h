/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/request_internal.h: for the files that implement request.h, and for tests.
 */
#ifndef SPECGEN_REQUEST_INTERNAL_H
#define SPECGEN_REQUEST_INTERNAL_H

#include "specgen/request.h"

/* Instead of a position: the message is about the whole field. */
#define REQ_WHOLE SIZE_MAX

/* Tell whether S is a file name: not empty, "." or "..", no '/' or NUL, at most 255 bytes. */
bool req_component_ok(const char *s, size_t len);
/* Tell whether PATH is clean, relative and not empty: file names joined by single '/'. */
bool req_path_ok(const char *path);

#endif
