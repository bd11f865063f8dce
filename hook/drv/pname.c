/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/drv/pname.h"

#include <string.h>

#include "nar/base/banned.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

size_t drv_pname_len(const char *name)
{
	for (const char *p = name; (p = strchr(p, '-')); p++)
		if (p[1] && !is_letter(p[1]))
			return (size_t)(p - name);
	return strlen(name);
}

char *drv_pname(const struct attrs *a, struct err *e)
{
	const char *pname = attrs_text(a, "pname");

	if (pname && *pname)
		return str_dup(pname, e);
	return str_ndup(a->drv->name, drv_pname_len(a->drv->name), e);
}
