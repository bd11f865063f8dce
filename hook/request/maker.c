/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/maker_internal.h"

#include <stdlib.h>

#include "nar/base/path.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

void maker_done(struct maker *m)
{
	attrs_done(&m->attrs);
	rewrites_done(&m->rewrites);
	strv_done(&m->own_outputs);
	free(m->build_dir);
}

char *clean_absolute(const char *path, struct err *e)
{
	if (path[0] != '/') {
		err_set(e, ERR_INPUT, "'%s' is not an absolute path", path);
		return NULL;
	}
	return path_clean(path, e);
}
