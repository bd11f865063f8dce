/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/sink.h: somewhere that bytes go, in order.
 */
#ifndef NAR_SINK_H
#define NAR_SINK_H

#include <stddef.h>

#include "nar/err.h"

struct nar_sink {
	/* Take N bytes, valid during the call only. -1: *E, and nothing more is sent. */
	int (*write)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
};

#endif
