/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch/launch.h: what is appended to the launcher (launch/launch.c) for one build.
 *
 *	<the program> <payload> <struct launch_trailer>
 *
 * The payload is the builder's path, its argument vector and its environment ("NAME=value"), each
 * string ended by a NUL. Numbers are this machine's own: writer and reader are of one build.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdint.h>

#define LAUNCH_MAGIC UINT64_C(0x48434e55414c494e)

enum {
	LAUNCH_IGNORE_SIGPIPE = 1 << 0,
	LAUNCH_DIE_WITH_PARENT = 1 << 1, /* SIGKILL for the builder when its parent ends */
	LAUNCH_RELAY = 1 << 2, /* stay as the builder's parent, and pass on what it writes */
};

struct launch_trailer {
	uint64_t payload_bytes;
	uint32_t argc, envc;
	uint32_t flags, unused;
	uint64_t magic;
};

#endif
