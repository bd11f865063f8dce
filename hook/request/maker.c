/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/maker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define PATH_BYTES_MAX 4096

void maker_done(struct maker *m)
{
	attrs_done(&m->attrs);
	rewrites_done(&m->rewrites);
	strv_done(&m->own_outputs);
	free(m->build_dir);
}

char *path_clean(const char *path, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(PATH_BYTES_MAX);
	const char *p = path;

	if (*p != '/') {
		err_set(e, ERR_INPUT, "'%s' is not an absolute path", path);
		return NULL;
	}
	if (buf_reserve(&b, 0, e) < 0)
		return NULL;
	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (b.len && b.data[--b.len] != '/')
				;
			b.data[b.len] = '\0';
		} else if (n && !(n == 1 && p[0] == '.')) {
			if (buf_addc(&b, '/', e) < 0 || buf_add(&b, p, n, e) < 0)
				return NULL;
		}
		p += n + (p[n] == '/');
	}
	if (b.len == 0 && buf_addc(&b, '/', e) < 0)
		return NULL;
	return buf_steal(&b, e);
}
