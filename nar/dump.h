/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/dump.h: write a file system tree as a NAR, in constant memory.
 *
 * Byte-equal to `nix-store --dump`. Files are read with read(2), never mapped. Symbolic links are
 * never followed; entries that change kind or size while they are read, and entries that are
 * neither file, directory nor link, are refused ("file '%s' has an unsupported type"), as is
 * nesting deeper than NAR_DEPTH_MAX (Nix 2.34.7 reads no deeper NAR). No recursion.
 */
#ifndef NAR_DUMP_H
#define NAR_DUMP_H

#include <stdint.h>

#include "nar/err.h"
#include "nar/hash.h"
#include "nar/refscan.h"
#include "nar/sink.h"

#define NAR_DEPTH_MAX 64
#define NAR_NAME_MAX 255
#define NAR_TARGET_MAX 4095

/* Send the NAR of DIRFD/NAME to SINK. WHAT is the path for messages. */
int nar_dump(int dirfd, const char *name, const char *what, const struct nar_sink *sink,
	     struct err *e) MUST_CHECK;

struct nar_digest {
	struct hash sha256;
	uint64_t size_bytes;
};

/* Dump, SHA-256, count and scan in one pass. SCAN may be NULL; it is fed, not reset. */
int nar_digest(int dirfd, const char *name, const char *what, struct refscan *scan,
	       struct nar_digest *ret, struct err *e) MUST_CHECK;

#endif
