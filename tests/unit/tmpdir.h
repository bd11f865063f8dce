/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/tmpdir.h: an empty directory for all cases of one test program, `dir`, opened as
 * `dirfd_`, and what cmocka's group setup and teardown have to do for it. What is created has the
 * modes that a umask of 022 leaves.
 */
#ifndef TESTS_UNIT_TMPDIR_H
#define TESTS_UNIT_TMPDIR_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/io.h"

static char dir[] = "/tmp/nih-unit.XXXXXX";
static int dirfd_ = -1;

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

#endif
