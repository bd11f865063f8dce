/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/tmpdir.h: an empty directory for all cases of one test program, `dir`, opened as
 * `dirfd_`, and what cmocka's group setup and teardown have to do for it. What is created has the
 * modes that a umask of 022 leaves.
 */
#ifndef TESTS_UNIT_TMPDIR_H
#define TESTS_UNIT_TMPDIR_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[] = "/tmp/nih-unit.XXXXXX";
static int dirfd_ = -1;

/* The tree NAME in the directory, for nar_dump() and others. WHAT is its path in messages. */
#define NAR_TREE_AT(name, what) (&(struct nar_tree){dirfd_, name, what, NAR_DEPTH_MAX})
#define NAR_TREE(name) NAR_TREE_AT(name, name)
#define NAR_TREE_DEEP(name) (&(struct nar_tree){dirfd_, name, name, NAR_DEPTH_ANY})

static int setup(void **state)
{
	struct err e = ERR_INIT;

	umask(022);
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = io_opendir(AT_FDCWD, dir, &e);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	close(dirfd_);
	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static inline void make_file(const char *name, mode_t mode, const char *text)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(dirfd_, name, mode, text, strlen(text), &e));
}

/* SIZE bytes that repeat only after a long while. */
static inline void make_big_file(const char *name, size_t size)
{
	struct err e = ERR_INIT;
	scoped_free uint32_t *data = malloc(size + 4);
	uint32_t x = 1;

	assert_non_null(data);
	for (size_t i = 0; i <= size / 4; i++)
		data[i] = x = x * 1664525 + 1013904223;
	assert_ok(&e, io_write_file(dirfd_, name, 0644, data, size, &e));
}

#endif
