/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/request_internal.h: what the files of the request share, and their tests.
 */
#ifndef SPECGEN_REQUEST_INTERNAL_H
#define SPECGEN_REQUEST_INTERNAL_H

#include "specgen/request.h"

/* In place of a position: the message is on the whole field. */
#define REQ_WHOLE SIZE_MAX

/* A name that a directory can hold: not empty, "." or "..", no '/' or NUL, at most 255 bytes. */
bool req_component_ok(const char *s, size_t len);
/* Such names joined by single '/': clean, relative, not empty. */
bool req_path_ok(const char *path);

#endif
