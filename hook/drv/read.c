/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Read a derivation from its file or its text: its grammar (aterm_parse.c), its meaning
 * (output_kinds.c), and whether the path of the file is its own (own_path.c).
 */
#include "hook/drv/derivation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "hook/drv/attrs.h"
#include "hook/drv/derivation_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define DRV_SUFFIX ".drv"

/* Return the attribute "name", which is the name of a derivation whose path is not known. Heap. */
static char *name_from_env(const struct drv *d, struct err *e)
{
	scoped_attrs struct attrs a = ATTRS_INIT;
	const char *name;

	if (attrs_open(&a, d, e) < 0)
		return NULL;
	name = attrs_text(&a, "name");
	if (!name) {
		err_set(e, ERR_INPUT, "it has neither a store path nor an attribute 'name'");
		return NULL;
	}
	if (storepath_check_name(name, strlen(name), e) < 0)
		return NULL;
	return str_dup(name, e);
}

static char *name_from_path(const char *path, const char *store_dir, struct err *e)
{
	const char *base, *name;

	if (storepath_check(path, store_dir, &base, e) < 0)
		return NULL;
	name = storepath_name(base);
	if (!str_ends(name, DRV_SUFFIX) || str_eq(name, DRV_SUFFIX)) {
		err_set(e, ERR_INPUT, "its name does not end in '%s'", DRV_SUFFIX);
		return NULL;
	}
	return str_ndup(name, strlen(name) - strlen(DRV_SUFFIX), e);
}

static int parse(const char *text, size_t len, const char *path, const char *store_dir,
		 struct drv *ret, struct err *e)
{
	scoped_drv struct drv d = DRV_INIT;

	if (drv_parse_aterm(text, len, &d, e) < 0)
		return -1;
	d.name = path ? name_from_path(path, store_dir, e) : name_from_env(&d, e);
	if (!d.name)
		return -1;
	if (path && !(d.path = str_dup(path, e)))
		return -1;
	if (drv_check(&d, store_dir, e) < 0)
		return -1;
	*ret = TAKE(d, (struct drv)DRV_INIT);
	return 0;
}

int drv_parse(const char *text, size_t len, const char *path, const char *store_dir,
	      struct drv *ret, struct err *e)
{
	if (parse(text, len, path, store_dir, ret, e) == 0)
		return 0;
	if (path)
		return err_wrap(e, "error parsing derivation '%s'", path);
	return err_wrap(e, "error parsing derivation");
}

int drv_read(const char *path, const char *real_path, const char *store_dir, struct drv *ret,
	     struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(DRV_BYTES_MAX);
	scoped_drv struct drv d = DRV_INIT;

	if (io_read_file(AT_FDCWD, real_path ? real_path : path, &b, e) < 0)
		return err_wrap(e, "reading derivation '%s'", path);
	if (drv_parse(b.data, b.len, path, store_dir, &d, e) < 0 ||
	    drv_check_own_path(&d, b.data, b.len, store_dir, e) < 0)
		return -1;
	*ret = TAKE(d, (struct drv)DRV_INIT);
	return 0;
}
