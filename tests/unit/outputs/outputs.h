/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/outputs/outputs.h: for tests of hook/outputs/outputs.h. Each case instantiates a
 * derivation by the real Nix, writes what a build would have left, and registers it.
 */
#ifndef TESTS_OUTPUTS_H
#define TESTS_OUTPUTS_H

#include "hook/outputs/outputs_internal.h"
#include "nar/storepath.h"
#include "tests/unit/nixstore.h"

struct fixture {
	struct store store;
	struct settings settings;
	struct drv drv;
	struct strv inputs, wanted;
	char *scratch;    /* ours alone */
	char *output_dir; /* scratch/store */
	int output_dirfd;
	struct outputs_job job;
};

static inline void fixture_done(struct fixture *f)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_rmtree(AT_FDCWD, f->scratch, f->scratch, &e));
	close(f->output_dirfd);
	store_done(&f->store);
	settings_done(&f->settings);
	drv_done(&f->drv);
	strv_done(&f->inputs);
	strv_done(&f->wanted);
	free(f->scratch);
	free(f->output_dir);
}
#define scoped_fixture __attribute__((cleanup(fixture_done)))

static inline void fixture_init(struct fixture *f, enum conf_registration how, const char *expr)
{
	struct err e = ERR_INIT;
	scoped_free char *path = nixstore_instantiate(expr);

	*f = (struct fixture){0};
	nixstore_open(&f->store, how);
	scoped_free char *real = store_real_path(&f->store, path, &e);
	assert_non_null(real);
	assert_ok(&e, drv_read(path, real, "/nix/store", &f->drv, &e));
	for (size_t i = 0; i < f->drv.n_outputs; i++)
		assert_ok(&e, strv_add(&f->wanted, f->drv.outputs[i].name, &e));
	assert_ok(&e, strv_copy(&f->inputs, &f->drv.srcs, &e));
	f->scratch = str_fmt(&e, "%s/nix/store/scratch", nixstore_root);
	f->output_dir = str_fmt(&e, "%s/store", f->scratch);
	/* Of a case that failed before. */
	assert_ok(&e, io_rmtree(AT_FDCWD, f->scratch, f->scratch, &e));
	int fd = io_mkdir(AT_FDCWD, f->scratch, 0700, &e);
	assert_ok(&e, fd);
	close(fd);
	f->output_dirfd = io_mkdir(AT_FDCWD, f->output_dir, 0755, &e);
	assert_ok(&e, f->output_dirfd);
	f->job = (struct outputs_job){
		.drv = &f->drv,
		.wanted = &f->wanted,
		.inputs = &f->inputs,
		.store = &f->store,
		.settings = &f->settings,
		.output_dir = f->output_dir,
		.output_dirfd = f->output_dirfd,
	};
}

static inline const char *path_of(const struct fixture *f, const char *output)
{
	const struct drv_output *o = drv_output(&f->drv, output);

	assert_non_null(o);
	return o->path;
}

static inline const char *base_of(const struct fixture *f, const char *output)
{
	return str_base(path_of(f, output));
}

/* What the build left for OUTPUT: a file. */
static inline void leave_file(const struct fixture *f, const char *output, const char *contents)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_write_file(f->output_dirfd, base_of(f, output), 0644, contents,
				    strlen(contents), &e));
}

/* ... or a directory with one file in it. */
static inline int leave_dir(const struct fixture *f, const char *output, const char *name,
			    const char *contents)
{
	struct err e = ERR_INIT;
	int fd = io_mkdir(f->output_dirfd, base_of(f, output), 0755, &e);

	assert_ok(&e, fd);
	assert_ok(&e, io_write_file(fd, name, 0755, contents, strlen(contents), &e));
	return fd;
}

static inline char *real_of(struct fixture *f, const char *output)
{
	struct err e = ERR_INIT;
	char *p = store_real_path(&f->store, path_of(f, output), &e);

	assert_non_null(p);
	return p;
}

/* Neither valid nor there, and nobody's leavings in the store. */
static inline void assert_absent(struct fixture *f)
{
	struct err e = ERR_INIT;
	scoped_free char *copies = str_fmt(&e, "%s/copies", f->scratch);

	for (size_t i = 0; i < f->drv.n_outputs; i++) {
		scoped_free char *real = real_of(f, f->drv.outputs[i].name);

		assert_int_equal(store_is_valid(&f->store, f->drv.outputs[i].path, &e), 0);
		assert_int_equal(access(real, F_OK), -1);
	}
	assert_int_equal(access(copies, F_OK), -1);
}

static inline void assert_refused(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	int rc = outputs_register(&f->job, &e);

	assert_int_equal(rc, -1);
	assert_int_equal(e.kind, ERR_BUILD);
	assert_err(&e, rc, text);
	assert_absent(f);
}

static inline void verify_store(void)
{
	free(NIXSTORE("--verify", "--check-contents"));
}

/* A derivation of NAME, with MORE attributes. */
#define DRV(name, more)               \
	"derivation { name = \"" name \
	"\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; " more "}"

#endif
