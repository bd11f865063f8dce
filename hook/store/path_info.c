/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/store/path_info.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

int store_err_invalid(const char *path, struct err *e)
{
	return err_set(e, ERR_INPUT, "path '%s' is not valid", path);
}

bool store_regs_have(const struct store_registration *regs, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(regs[i].path, path))
			return true;
	return false;
}

void store_path_info_done(struct store_path_info *i)
{
	strv_done(&i->refs);
	strv_done(&i->sigs);
	free(i->deriver);
	free(i->ca);
	*i = (struct store_path_info){0};
}
