/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/sink.h: somewhere that bytes go, and somewhere that bytes come from, in order.
 */
#ifndef NAR_BASE_SINK_H
#define NAR_BASE_SINK_H

#include <stddef.h>
#include <sys/types.h>

#include "nar/base/err.h"

struct nar_sink {
	/* Take N bytes, valid during the call only. -1: *E, and nothing more is sent. */
	int (*write)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
};

struct nar_source {
	/* Put 1 to N bytes at DATA and return their number; 0: the end; -1: *E. */
	ssize_t (*read)(void *ctx, void *data, size_t n, struct err *e);
	void *ctx;
};

#endif
