/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * out_register auto|sqlite|load-db UID OUTPUT_DIR DRV [SETTING VALUE]...: register what a build
 * that ran as UID (-: whoever) left in OUTPUT_DIR. Prints each path before it is created, and
 * before it becomes valid. With OUT_REGISTER_KILL=N in the environment the Nth time is its end.
 * For tests/e2e/outputs.sh.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/outputs/outputs.h"
#include "hook/request/make.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static int tell(struct run *run, const char *path, struct err *e)
{
	static uint64_t told;
	const char *kill_at = getenv("OUT_REGISTER_KILL");
	uint64_t n;

	printf("%s\n", path);
	if (kill_at && num_parse_u64(kill_at, strlen(kill_at), 100, &n) && ++told == n)
		raise(SIGKILL);
	return 0;
}

static int run(int argc, char **argv, struct err *e)
{
	scoped_settings struct settings settings = SETTINGS_INIT;
	scoped_store struct store store = {0};
	scoped_drv struct drv drv = DRV_INIT;
	scoped_strv struct strv inputs = STRV_INIT, wanted = STRV_INIT;
	struct build_user user = BUILD_USER_INIT;
	enum conf_registration how = str_eq(argv[1], "sqlite")    ? REG_SQLITE
				     : str_eq(argv[1], "load-db") ? REG_LOAD_DB
								  : REG_AUTO;
	uint64_t uid = 0;

	for (int i = 5; i + 1 < argc; i += 2)
		if (settings_set(&settings, argv[i], argv[i + 1], e) < 0)
			return -1;
	if (store_open(&store, &settings, how, e) < 0)
		return -1;
	scoped_free char *real = store_real_path(&store, argv[4], e);
	if (!real || drv_read(argv[4], real, store.dir, &drv, e) < 0 ||
	    input_closure(&drv, &store, false, &inputs, e) < 0)
		return -1;
	for (size_t i = 0; i < drv.n_outputs; i++)
		if (strv_add(&wanted, drv.outputs[i].name, e) < 0)
			return -1;
	bool check_user = num_parse_u64(argv[2], strlen(argv[2]), UINT32_MAX, &uid);
	user.uid = (uid_t)uid;
	user.count = 1;
	scoped_fd int output_dirfd = io_opendir(AT_FDCWD, argv[3], e);
	if (output_dirfd < 0)
		return -1;
	const struct outputs_job job = {
		.drv = &drv,
		.wanted = &wanted,
		.inputs = &inputs,
		.store = &store,
		.settings = &settings,
		.user = check_user ? &user : NULL,
		.output_dir = argv[3],
		.output_dirfd = output_dirfd,
		.own = tell,
		.disown = tell,
	};
	return outputs_register(&job, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;

	if (argc < 5) {
		fprintf(stderr, "usage: out_register auto|sqlite|load-db UID OUTPUT_DIR DRV ...\n");
		return 2;
	}
	if (run(argc, argv, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		return 1;
	}
	return 0;
}
