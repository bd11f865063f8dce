/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/sink.h: where a stream of bytes goes to (sink), and where it comes from (source).
 */
#ifndef NAR_BASE_SINK_H
#define NAR_BASE_SINK_H

#include <stddef.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct nar_sink {
	/* Take N bytes, valid during the call only. -1: *E; the sender then stops. */
	int (*write)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
};

struct nar_source {
	/* Put 1 to N bytes at DATA. Returns their number; 0: the end; -1: *E. */
	ssize_t (*read)(void *ctx, void *data, size_t n, struct err *e);
	void *ctx;
};

#endif
