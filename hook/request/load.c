/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/load.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/request/builtin_program.h"
#include "hook/request/make.h"
#include "hook/request/narrow.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

int derivation_from_file(const char *arg, const char *store_dir, struct drv *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(DRV_BYTES_MAX);
	scoped_fd int fd = io_open_input(arg, e);
	scoped_free char *called = fd < 0 ? NULL : str_fmt(e, "%s/%s", store_dir, str_base(arg));
	const char *base;
	struct err not_a_path = ERR_INIT;

	if (!called || buf_read_fd(&text, fd, arg, e) < 0)
		return -1;
	const char *path =
		storepath_check(called, store_dir, &base, &not_a_path) == 0 ? called : NULL;
	if (drv_parse(text.data ? text.data : "", text.len, path, store_dir, ret, e) < 0)
		return err_wrap(e, "reading '%s'", arg);
	if (path)
		return drv_check_own_path(ret, text.data, text.len, store_dir, e);
	ret->path = drv_text_path(ret, store_dir, e);
	return ret->path ? 0 : -1;
}

/* Read the derivation PATH from the store CTX. */
static int read_from_store(void *ctx, const char *path, struct drv *ret, struct err *e)
{
	const struct store *st = ctx;
	scoped_free char *real = store_real_path(st, path, e);

	return real ? drv_read(path, real, st->dir, ret, e) : -1;
}

int derivation_from_argument(const char *arg, struct store *st, struct drv *ret, struct err *e)
{
	const bool has_slash = strchr(arg, '/') != NULL;
	scoped_free char *path = has_slash ? str_dup(arg, e) : str_fmt(e, "%s/%s", st->dir, arg);
	struct err ignored = ERR_INIT;
	const char *base;
	struct stat is;

	if (!path)
		return -1;
	const bool is_file = stat(arg, &is) == 0 && S_ISREG(is.st_mode);
	if (storepath_check(path, st->dir, &base, &ignored) == 0) {
		scoped_free char *real = store_real_path(st, path, e);

		if (!real)
			return -1;
		if (!is_file || access(real, F_OK) == 0)
			return drv_read(path, real, st->dir, ret, e);
	}
	if (derivation_from_file(arg, st->dir, ret, e) < 0)
		return -1;
	return drv_check_invariants(ret, st->dir, read_from_store, st, e);
}

static int from_derivation(const char *arg, struct conf *c, const struct settings *s, bool unbuilt,
			   struct request *ret, struct err *e)
{
	scoped_store struct store store = {0};
	scoped_drv struct drv drv = DRV_INIT;
	scoped_builtin struct builtin_program builtin = BUILTIN_PROGRAM_INIT;
	scoped_strv struct strv inputs = STRV_INIT;

	if (store_open(&store, s, REG_AUTO, e) < 0 ||
	    derivation_from_argument(arg, &store, &drv, e) < 0 || conf_narrow(c, &drv, e) < 0 ||
	    input_closure(&drv, &store, unbuilt, &inputs, e) < 0)
		return -1;
	if (drv_is_builtin(&drv) && builtin_program_find(c, &builtin, e) < 0)
		return -1;
	const struct request_source in = {
		.drv = &drv,
		.settings = s,
		.store = &store,
		.inputs = &inputs,
		.environ = environ,
		.builtin = &builtin,
		.own_shell = conf_has_shell(c),
	};
	return request_make(&in, ret, e);
}

int request_from_file(const char *arg, struct request *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX);
	scoped_fd int fd =
		str_eq(arg, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : io_open_input(arg, e);

	if (fd < 0)
		return err_is_set(e) ? -1 : err_sys(e, "reading standard input");
	if (buf_read_fd(&text, fd, arg, e) < 0)
		return -1;
	if (req_parse(text.data ? text.data : "", text.len, ret, e) < 0)
		return err_wrap(e, "reading '%s'", arg);
	return 0;
}

int request_from_argument(const char *arg, const struct request_args *a, struct conf *c,
			  struct settings *s, struct request *ret, struct err *e)
{
	if (a->store && settings_set(s, "store", a->store, e) < 0)
		return -1;
	return str_ends(arg, ".drv") ? from_derivation(arg, c, s, a->unbuilt, ret, e)
				     : request_from_file(arg, ret, e);
}
