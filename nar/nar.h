/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/nar.h: a NAR as a series of events, and the limits of the format.
 *
 * A tree is told depth first. What is read from a NAR (nar/reader.h) and what is found in a file
 * system (nar/walk.h) comes as the same events, and they can be written as a NAR (nar/writer.h) or
 * made into files (nar/restore.h):
 *
 *	NAR_FILE, then NAR_DATA until size_bytes have come
 *	NAR_LINK
 *	NAR_DIR, then each entry in order of its name, then NAR_DIR_END
 *
 * Format: Nix manual, "Nix Archive (NAR) format". The limits are those that Nix has set in 2.34.7,
 * in both directions, so that nothing is written that a newer Nix would not read. An older Nix
 * knows no limit of depth: what is in its store can be deeper, until the path of an entry is too
 * long for the kernel.
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
	const char *name;    /* of the entry, "" for the root; not for NAR_DATA, NAR_DIR_END */
	const void *data;    /* NAR_DATA: contents; NAR_LINK: target; no NUL is promised after it */
	uint64_t size_bytes; /* NAR_FILE: of the whole file; NAR_DATA, NAR_LINK: of data */
	uint64_t offset;     /* NAR_FILE, read from a NAR: where in it the contents begin */
	bool executable;     /* NAR_FILE */
};

#endif
