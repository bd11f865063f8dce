/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/path.h"

#include <string.h>

#include "nar/base/buf.h"

#include "nar/base/banned.h"

char *path_clean(const char *path, struct err *e)
{
	size_t len = strlen(path), n = 0;
	char *out = mem_new(len + 2, 1, e);

	if (!out)
		return NULL;
	for (const char *p = path; *p;) {
		size_t part = strcspn(p, "/");
		if (part == 2 && p[0] == '.' && p[1] == '.') {
			while (n && out[--n] != '/')
				;
		} else if (part && !(part == 1 && p[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, p, part);
			n += part;
		}
		p += part;
		while (*p == '/')
			p++;
	}
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}
