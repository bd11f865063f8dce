/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/run/record.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/cgroup/group.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[40], bundle[80], runtime[64], witness[64];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_record.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(bundle, sizeof bundle, "%s/x.drv.chroot", dir);
	snprintf(runtime, sizeof runtime, "%s/runtime", dir);
	snprintf(witness, sizeof witness, "%s/witness", dir);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void make_runtime(void)
{
	FILE *f = fopen(runtime, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\necho \"$@\" >>%s\ngrep -c . /proc/self/mountinfo >>%s\n", witness,
		witness);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(runtime, 0755), 0);
}

/* A process that makes a bundle and dies of SIGKILL; gets as far as CUT says. */
static void die_in_a_run(int cut)
{
	struct err e = ERR_INIT;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct record r = RECORD_INIT;
		const struct runtime rt = {.kind = RUNTIME_OTHER, .path = runtime};
		int fd = -1;

		if (record_enter(dir, &r, &e) < 0 || record_appear(&r, &e) < 0 ||
		    mkdir(r.dir, 0700) < 0 || (cut > 0 && record_intend(&r, bundle, &e) < 0) ||
		    (cut > 0 && (fd = io_mkdir(AT_FDCWD, bundle, 0700, &e)) < 0) ||
		    (cut > 0 && record_made(&r, fd, bundle, &e) < 0) ||
		    (cut > 1 && record_runtime(&r, &rt, "the-id", true, &e) < 0) ||
		    (cut == 3 && io_write(r.fd, "bundle=1:2", 10, "record", &e) < 0) ||
		    (cut == 4 && io_write(r.fd, "what=0", 7, "record", &e) < 0))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static unsigned count_entries(void)
{
	scoped_dir DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	return n - 2;
}

static void the_next_run_removes_what_a_killed_one_left(void **state)
{
	for (int cut = 0; cut <= 4; cut++) {
		struct err e = ERR_INIT;

		make_runtime();
		die_in_a_run(cut);
		assert_int_equal(exists(bundle), cut > 0);
		{
			scoped_record struct record r = RECORD_INIT;

			assert_ok(&e, record_enter(dir, &r, &e));
			assert_false(exists(bundle));
			assert_false(exists(r.dir));
			assert_int_equal(exists(witness), cut > 1);
		}
		/* The runtime and what it wrote. */
		assert_int_equal(count_entries(), cut > 1 ? 2 : 1);
	}
}

static void the_runtime_is_told_to_delete(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record r = RECORD_INIT;
	scoped_buf struct buf b = BUF_INIT(4096);

	make_runtime();
	die_in_a_run(2);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_ok(&e, io_read_file(AT_FDCWD, witness, &b, &e));
	assert_non_null(strstr(b.data, "/r delete --force the-id\n"));
}

/* The runtime must find the same mounts as without the key: "what" is not its kind. */
static void a_key_of_another_version_is_passed_over(void **state)
{
	char mounts[2][32];

	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;
		scoped_record struct record r = RECORD_INIT;
		scoped_buf struct buf b = BUF_INIT(4096);

		make_runtime();
		die_in_a_run(i ? 4 : 2);
		assert_ok(&e, record_enter(dir, &r, &e));
		assert_ok(&e, io_read_file(AT_FDCWD, witness, &b, &e));
		assert_int_equal(unlink(witness), 0);
		const char *line = strchr(b.data, '\n');
		assert_non_null(line);
		snprintf(mounts[i], sizeof mounts[i], "%s", line);
	}
	assert_string_equal(mounts[0], mounts[1]);
}

/* Where a group can be made: needs root and cgroup v2. */
static void a_group_goes_with_all_that_is_in_it(void **state)
{
	struct err e = ERR_INIT;
	const struct runtime rt = {.kind = RUNTIME_OTHER, .path = runtime};
	char id[64];
	int status, go[2];

	snprintf(id, sizeof id, CGROUP_BUILD_PREFIX "test-%d", (int)getpid());
	const struct cgroup_limits none = {0};
	const struct cgroup_wish wish = {.name = id, .limits = &none, .v2 = true};
	struct cgroup_group g;
	if (geteuid() != 0 || cgroup_choose(&wish, &g, &e) < 0 ||
	    cgroup_make(&g, &none, &(bool){0}, &e) < 0)
		return;
	const char *group = g.v2;
	make_runtime();
	assert_int_equal(pipe(go), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		struct record r = RECORD_INIT;

		if (record_enter(dir, &r, &e) < 0 || record_appear(&r, &e) < 0 ||
		    record_runtime(&r, &rt, id, true, &e) < 0 ||
		    record_cgroup(&r, "/tmp/another", &e) < 0 || record_cgroup(&r, group, &e) < 0)
			_exit(1);
		/* Its lock is gone, it is not; as something that a build left would be. */
		close(r.fd);
		if (cgroup_enter(group, &e) < 0 || write(go[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	char word;
	close(go[1]);
	assert_int_equal(read(go[0], &word, 1), 1);
	close(go[0]);
	{
		scoped_record struct record r = RECORD_INIT;

		assert_ok(&e, record_enter(dir, &r, &e));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(exists(group));
	cgroup_group_done(&g);
}

static void a_living_run_keeps_all(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record a = RECORD_INIT, b = RECORD_INIT;

	assert_ok(&e, record_enter(dir, &a, &e));
	assert_ok(&e, record_appear(&a, &e));
	assert_int_equal(mkdir(a.dir, 0700), 0);
	scoped_fd int fd = io_mkdir(AT_FDCWD, bundle, 0700, &e);
	assert_ok(&e, record_intend(&a, bundle, &e));
	assert_ok(&e, record_made(&a, fd, bundle, &e));
	assert_ok(&e, record_enter(dir, &b, &e));
	assert_true(exists(a.dir) && exists(a.path) && exists(bundle));
	assert_string_not_equal(a.dir, b.dir);
}

static void another_directory_at_the_path_stays(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record r = RECORD_INIT;

	make_runtime();
	die_in_a_run(1);
	/*
	 * As Nix does it; the number of the inode may well be the same again. Times are of the
	 * last tick of the clock, so it must have ticked: nobody makes a bundle, is killed and has
	 * it replaced between two ticks.
	 */
	assert_int_equal(rmdir(bundle), 0);
	nanosleep(&(struct timespec){0, 30000000}, NULL);
	assert_int_equal(mkdir(bundle, 0700), 0);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_true(exists(bundle));
	assert_int_equal(rmdir(bundle), 0);
	assert_int_equal(symlink("/etc", bundle), 0);
	die_in_a_run(0);
	record_done(&r);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_true(exists(bundle));
}

/* Killed between mkdir(2) and the word that it is made. */
static void an_intended_directory_is_removed_if_it_is_empty(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct err e = ERR_INIT;
		scoped_record struct record r = RECORD_INIT;
		const bool older = i == 2, full = i == 1, none = i == 3;

		assert_true(!older || mkdir(bundle, 0700) == 0);
		nanosleep(&(struct timespec){0, 30000000}, NULL);
		const pid_t pid = fork();
		if (pid == 0)
			_exit(record_enter(dir, &r, &e) < 0 || record_appear(&r, &e) < 0 ||
			      record_intend(&r, bundle, &e) < 0 ||
			      (!older && !none && mkdir(bundle, 0700) < 0));
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		scoped_free char *file = str_fmt(&e, "%s/file", bundle);
		assert_true(!full || io_write_file(AT_FDCWD, file, 0600, "", 0, &e) == 0);
		assert_ok(&e, record_enter(dir, &r, &e));
		assert_int_equal(exists(bundle), older || full);
		assert_int_equal(count_entries(), older || full);
		assert_ok(&e, io_rmtree(AT_FDCWD, bundle, bundle, &e));
	}
}

/* A record whose run could not remove everything is that of a dead run. */
static void what_cannot_be_removed_keeps_the_record(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *closed = str_fmt(&e, "%s/closed", dir);
	const bool root = geteuid() == 0;

	assert_non_null(closed);
	snprintf(bundle, sizeof bundle, "%s/x.drv.chroot", closed);
	assert_int_equal(mkdir(closed, 0755), 0);
	/* The right to write anywhere would be root's. */
	assert_true(!root || (chown(dir, 65534, 65534) == 0 && chown(closed, 65534, 65534) == 0 &&
			      seteuid(65534) == 0));
	die_in_a_run(1);
	assert_int_equal(chmod(closed, 0555), 0);
	scoped_record struct record r = RECORD_INIT;
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_true(exists(bundle));
	/* What the bundle is in, and of the dead run the record and the directory. */
	assert_int_equal(count_entries(), 3);
	record_done(&r);
	assert_int_equal(chmod(closed, 0755), 0);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_false(exists(bundle));
	assert_int_equal(count_entries(), 1);
	assert_true(!root || seteuid(0) == 0);
}

static void what_others_could_write_is_not_believed(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record r = RECORD_INIT;
	char path[80];

	snprintf(path, sizeof path, "%s/1.run", dir);
	assert_ok(&e, io_write_file(AT_FDCWD, path, 0666, "", 0, &e));
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_true(exists(path));
	assert_int_equal(chmod(path, 0600), 0);
	record_done(&r);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_true(exists(path));
	record_done(&r);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_false(exists(path));
}

static void nothing_is_there_before_it_appears(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record r = RECORD_INIT;

	assert_ok(&e, record_enter(dir, &r, &e));
	assert_int_equal(count_entries(), 0);
	assert_ok(&e, record_appear(&r, &e));
	assert_true(exists(r.path));
	assert_int_equal(count_entries(), 1);
	record_done(&r);
	assert_int_equal(count_entries(), 0);
}

static void a_fifo_does_not_block(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record r = RECORD_INIT;
	char path[80];

	snprintf(path, sizeof path, "%s/1.run", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_ok(&e, record_enter(dir, &r, &e));
	assert_true(exists(path));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(the_next_run_removes_what_a_killed_one_left),
		CASE(the_runtime_is_told_to_delete),
		CASE(a_key_of_another_version_is_passed_over),
		CASE(a_group_goes_with_all_that_is_in_it),
		CASE(a_living_run_keeps_all),
		CASE(another_directory_at_the_path_stays),
		CASE(an_intended_directory_is_removed_if_it_is_empty),
		CASE(what_cannot_be_removed_keeps_the_record),
		CASE(what_others_could_write_is_not_believed),
		CASE(nothing_is_there_before_it_appears),
		CASE(a_fifo_does_not_block),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
