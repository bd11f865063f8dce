/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/builtin_program.h"

#include <stdlib.h>
#include <string.h>

#include "hook/base/program.h"
#include "hook/base/subprocess.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define PROGRAM "nix-oci-hook-builtin"
#define LIST_MAX (1u << 20)

const char *builtin_name(const struct drv *d)
{
	static const char *const names[] = {"buildenv", "fetchurl", "unpack-channel"};

	if (!drv_is_builtin(d))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(d->builder + strlen("builtin:"), names[i]))
			return names[i];
	return NULL;
}

int builtin_program_find(const struct conf *c, struct builtin_program *ret, struct err *e)
{
	scoped_free char *found = NULL;

	if (c->builtin_program && c->builtin_program[0])
		return builtin_describe(c->builtin_program, ret, e);
	found = program_path(PROGRAM, e);
	return found ? builtin_describe(found, ret, e) : -1;
}

/* Parse a LINE that the program has printed: "loader PATH" or "lib PATH". */
static int add_line(struct builtin_program *p, const char *line, struct err *e)
{
	if (str_starts(line, "loader /") && !p->loader) {
		p->loader = str_dup(line + strlen("loader "), e);
		return p->loader ? 0 : -1;
	}
	if (str_starts(line, "lib /"))
		return strv_add(&p->libs, line + strlen("lib "), e);
	return err_set(e, ERR_INPUT,
		       "'%s --libs' printed '%s' instead of 'loader <path>' or 'lib <path>'",
		       p->path, line);
}

int builtin_describe(const char *path, struct builtin_program *ret, struct err *e)
{
	scoped_builtin struct builtin_program p = BUILTIN_PROGRAM_INIT;
	scoped_buf struct buf text = BUF_INIT(LIST_MAX);
	scoped_strv struct strv lines = STRV_INIT;
	const char *const argv[] = {path, "--libs", NULL};

	p.path = str_dup(path, e);
	if (!p.path || buf_reserve(&text, 0, e) < 0)
		return -1;
	if (subprocess_run((char *const *)(uintptr_t)argv, NULL, 0, &text, e) < 0)
		return err_wrap(e, "the program for builtin builders (see 'builtin-program')");
	if (strv_split(&lines, text.data, "\n", e) < 0)
		return -1;
	for (size_t i = 0; i < lines.n; i++)
		if (add_line(&p, lines.items[i], e) < 0)
			return -1;
	*ret = p;
	p = (struct builtin_program)BUILTIN_PROGRAM_INIT;
	return 0;
}

void builtin_done(struct builtin_program *p)
{
	free(p->path);
	free(p->loader);
	strv_done(&p->libs);
	*p = (struct builtin_program)BUILTIN_PROGRAM_INIT;
}
