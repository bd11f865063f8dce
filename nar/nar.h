/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/nar.h: a NAR as a series of events, and the limits of the format.
 *
 * The events of a tree come depth first. Reading a NAR (nar/reader.h) and walking a file system
 * (nar/walk.h) give the same events. They can be written as a NAR (nar/writer.h) or made into files
 * (nar/restore.h):
 *
 *	NAR_FILE, then NAR_DATA until size_bytes have come
 *	NAR_LINK
 *	NAR_DIR, then each entry in order of its name, then NAR_DIR_END
 *
 * Format: Nix manual, "Nix Archive (NAR) format". The limits are those of Nix 2.34.7, for reading
 * and for writing, so that a newer Nix can read all that is written. An older Nix does not limit
 * the depth: a tree in its store can be deeper, until an entry's path is too long for the kernel.
 */
#ifndef NAR_NAR_H
#define NAR_NAR_H

#include <stdbool.h>
#include <stdint.h>

#define NAR_DEPTH_MAX 64   /* nodes from the root to a leaf, both counted */
#define NAR_DEPTH_ANY 2048 /* PATH_MAX, a name of one byte and a '/' each */
#define NAR_NAME_MAX 255
#define NAR_TARGET_MAX 4095

struct nar_event {
	enum { NAR_DIR, NAR_DIR_END, NAR_FILE, NAR_DATA, NAR_LINK } type;
	const char *name;    /* of the entry, "" for the root; unused: NAR_DATA, NAR_DIR_END */
	const void *data;    /* NAR_DATA: contents; NAR_LINK: target; no NUL need follow */
	uint64_t size_bytes; /* NAR_FILE: of the whole file; NAR_DATA, NAR_LINK: of data */
	uint64_t offset;     /* NAR_FILE of nar/reader.h: where in the NAR the contents begin */
	bool executable;     /* NAR_FILE */
};

/* A tree in the file system. Its root is dirfd/name, which may also be a file or a link. */
struct nar_tree {
	int dirfd;
	const char *name;
	const char *what;   /* path of the root, for messages */
	unsigned depth_max; /* refuse a deeper tree; 0: NAR_DEPTH_MAX */
};

#endif
