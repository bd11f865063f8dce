/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch/launch.h: the launcher's file (launch/launch.c) as the hook writes it for one build.
 *
 *	<the program> <payload> <struct launch_trailer>
 *
 * The payload is the builder's path, its argument vector and its environment ("NAME=value"), each
 * string ended by a NUL. Numbers have this machine's byte order: hook and launcher run on it.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdint.h>

#define LAUNCH_MAGIC UINT64_C(0x48434e55414c494e)

enum {
	LAUNCH_IGNORE_SIGPIPE = 1 << 0,
	LAUNCH_DIE_WITH_PARENT = 1 << 1, /* the builder gets SIGKILL when its parent ends */
	LAUNCH_RELAY = 1 << 2,           /* stay as the builder's parent, and pass on its output */
};

struct launch_trailer {
	uint64_t payload_bytes;
	uint32_t argc, envc;
	uint32_t flags, unused;
	uint64_t magic;
};

#endif
