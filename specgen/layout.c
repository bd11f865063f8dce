/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names that a bundle's directories and its config.json share.
 */
#include "specgen/spec.h"

#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define NAME_BYTES_MAX 255

/* '/' becomes '-'. So '-' itself, and the escape '=', become '=' and two hexadecimal digits. */
char *spec_scratch_name(const char *scratch_path, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(NAME_BYTES_MAX);

	for (const char *p = scratch_path; *p; p++) {
		int rc;
		if (*p == '/')
			rc = buf_addc(&b, '-', e);
		else if (*p == '-' || *p == '=')
			rc = buf_addf(&b, e, "=%02x", (unsigned)*p);
		else
			rc = buf_addc(&b, *p, e);
		if (rc < 0) {
			err_wrap(e, "naming the directory for the scratch path '%.100s'",
				 scratch_path);
			return NULL;
		}
	}
	return buf_steal(&b, e);
}

const char *const spec_dev_nodes[] = {"full", "null", "random", "tty", "urandom", "zero", NULL};

const struct spec_link spec_dev_links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "/dev/pts/ptmx"},    {NULL, NULL},
};

bool spec_has_target(const struct request *r, const char *target)
{
	size_t low = 0, high = r->constraints.n_host_paths;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(r->constraints.host_paths[mid].target, target);
		if (c == 0)
			return true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}
