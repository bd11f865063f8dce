/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/fds.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include <config.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

int fds_close(unsigned first, unsigned last, struct err *e)
{
	if (first > last)
		return 0;
#ifdef HAVE_CLOSE_RANGE
	if (close_range(first, last, 0) == 0)
		return 0;
#endif
	scoped_dir DIR *d = opendir("/proc/self/fd");
	if (!d)
		return err_sys(e, "opening '/proc/self/fd' to close open descriptors");
	for (const struct dirent *de; (de = readdir(d));) {
		uint64_t fd;

		if (num_parse_u64(de->d_name, strlen(de->d_name), last, &fd) && fd >= first &&
		    (int)fd != dirfd(d))
			close((int)fd);
	}
	return 0;
}
