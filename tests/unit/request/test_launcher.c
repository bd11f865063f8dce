/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The launcher itself runs here; tests/e2e/launch.sh has it in containers. */
#include "hook/request/launcher.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[40];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_launch.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

/* A request for `BUILDER ARG...`; ARGS is ended by NULL. */
static void make_request(struct request *r, const char *builder, const char *const *args)
{
	struct err e = ERR_INIT;

	r->name = str_dup("x", &e);
	r->working_dir = str_dup("build", &e);
	r->inputs_dir = str_dup("nix/store", &e);
	r->constraints.system = str_dup("x86_64-linux", &e);
	r->argv0 = str_dup("zero", &e);
	assert_ok(&e, strv_add(&r->scratch_paths, "build", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "nix/store", &e));
	assert_ok(&e, strv_add(&r->args, builder, &e));
	for (; *args; args++)
		assert_ok(&e, strv_add(&r->args, *args, &e));
	assert_ok(&e, req_add_output(r, "out", "nix/store/00000000000000000000000000000000-x", &e));
	assert_ok(&e, req_set_env(r, "LATIN", "\xff=\n", 3, &e));
	assert_ok(&e, req_set_env(r, "EMPTY", "", 0, &e));
	req_sort(r);
}

/* Run PATH as a runtime does; what it says is in OUT, its status as of waitpid(2) is returned. */
static int run_file(const char *path, char *out, size_t n)
{
	int p[2], status;
	ssize_t got, at = 0;

	assert_int_equal(pipe(p), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		char *const env[] = {(char *)(uintptr_t) "HOME=/root", NULL};
		char *const argv[] = {(char *)(uintptr_t)path, NULL};

		dup2(p[1], 1);
		dup2(p[1], 2);
		execve(path, argv, env);
		_exit(126);
	}
	close(p[1]);
	while ((got = read(p[0], out + at, n - 1 - (size_t)at)) > 0)
		at += got;
	out[at] = '\0';
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Wrap R and run what it has become; CUT bytes less of its file. */
static int run_wrapped(struct request *r, size_t cut, char *out, size_t n)
{
	struct err e = ERR_INIT;
	scoped_free char *path = str_fmt(&e, "%s/launch", dir);

	assert_ok(&e, launcher_wrap(r, 0, &e));
	assert_int_equal(r->args.n, 1);
	assert_int_equal(r->n_env, 0);
	assert_null(r->argv0);
	assert_int_equal(r->n_files, 1);
	assert_string_equal(r->args.items[0] + 1, r->files[0].path);
	assert_int_equal(r->files[0].mode, 0755);
	assert_ok(&e, io_write_file(AT_FDCWD, path, 0755, r->files[0].contents,
				    r->files[0].len - cut, &e));
	const int status = run_file(path, out, n);
	assert_int_equal(access(path, F_OK), -1); /* it removes itself */
	return status;
}

static void gives_every_byte(void **state)
{
	const char *const args[] = {"-c", "cat /proc/$$/cmdline; tr '\\n' N </proc/$$/environ",
				    "\xc3", "", NULL};
	scoped_request struct request r = {0};
	char out[4096];
	static const char wanted[] =
		"zero\0-c\0cat /proc/$$/cmdline; tr '\\n' N </proc/$$/environ\0"
		"\xc3\0\0EMPTY=\0LATIN=\xff=N";

	make_request(&r, "/bin/sh", args);
	assert_int_equal(run_wrapped(&r, 0, out, sizeof out), 0);
	assert_memory_equal(out, wanted, sizeof wanted);
}

static void says_why_it_cannot_execute(void **state)
{
	static const struct {
		const char *builder, *why;
	} cases[] = {
		{"/no/such", "No such file or directory"},  {"/etc", "Permission denied"},
		{"/etc/passwd", "Permission denied"},       {"/etc/passwd/x", "Not a directory"},
		{"no-search", "No such file or directory"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		scoped_request struct request r = {0};
		scoped_free char *wanted =
			str_fmt(&e, "error: executing '%s': %s\n", cases[i].builder, cases[i].why);
		char out[4096];

		make_request(&r, cases[i].builder, (const char *const[]){NULL});
		assert_int_equal(WEXITSTATUS(run_wrapped(&r, 0, out, sizeof out)), 1);
		assert_string_equal(out, wanted);
	}
}

static void says_that_a_string_is_too_long(void **state)
{
	scoped_free char *big = malloc(200001);
	scoped_request struct request r = {0};
	char out[4096];

	assert_non_null(big);
	memset(big, 'x', 200000);
	big[200000] = '\0';
	make_request(&r, "/bin/sh", (const char *const[]){big, NULL});
	assert_int_equal(WEXITSTATUS(run_wrapped(&r, 0, out, sizeof out)), 1);
	assert_string_equal(out, "error: executing '/bin/sh': Argument list too long\n");
}

static void passes_on_an_ignored_sigpipe(void **state)
{
	for (int ignored = 0; ignored < 2; ignored++) {
		const char *const args[] = {"-c", "grep SigIgn /proc/self/status", NULL};
		scoped_request struct request r = {0};
		char out[4096];

		make_request(&r, "/bin/sh", args);
		const uint32_t bit = 1u << (SIGPIPE - 1);
		signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
		assert_int_equal(run_wrapped(&r, 0, out, sizeof out), 0);
		signal(SIGPIPE, SIG_DFL);
		assert_int_equal(strtoul(out + strcspn(out, "0"), NULL, 16) & bit,
				 ignored ? bit : 0);
	}
}

/* Its parent ends as soon as the builder has said something: then, nobody holds the pipe. */
static void dies_with_its_parent(void **state)
{
	const char *const args[] = {"-c", "echo started; exec sleep 60", NULL};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_free char *path = str_fmt(&e, "%s/launch", dir);
	char out[64];
	int p[2], status;

	make_request(&r, "/bin/sh", args);
	assert_ok(&e, launcher_wrap(&r, LAUNCH_DIE_WITH_PARENT, &e));
	assert_ok(&e, io_write_file(AT_FDCWD, path, 0755, r.files[0].contents, r.files[0].len, &e));
	assert_int_equal(pipe(p), 0);
	const pid_t parent = fork();
	if (parent == 0) {
		if (fork() > 0)
			_exit(read(p[0], out, sizeof out) > 0 ? 0 : 1);
		close(p[0]);
		dup2(p[1], 1);
		close(p[1]);
		execve(path, (char *[]){path, NULL}, (char *[]){NULL});
		_exit(126);
	}
	close(p[1]);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(status, 0);
	assert_int_equal(poll(&(struct pollfd){p[0], POLLIN, 0}, 1, 20000), 1);
	assert_int_equal(read(p[0], out, sizeof out), 0);
	close(p[0]);
}

/* Run SCRIPT by a relaying launcher whose output, P, is non-blocking. Returns its pid. */
static pid_t start_relay(const char *script, const int p[2])
{
	const char *const args[] = {"-c", script, NULL};
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};
	scoped_free char *path = str_fmt(&e, "%s/launch", dir);

	make_request(&r, "/bin/sh", args);
	assert_ok(&e, launcher_wrap(&r, LAUNCH_RELAY, &e));
	assert_ok(&e, io_write_file(AT_FDCWD, path, 0755, r.files[0].contents, r.files[0].len, &e));
	assert_int_equal(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		close(p[0]);
		dup2(p[1], 1);
		dup2(p[1], 2);
		close(p[1]);
		execve(path, (char *[]){path, NULL}, (char *[]){NULL});
		_exit(126);
	}
	return pid;
}

static void relays_all_of_the_output_to_a_log_that_is_full(void **state)
{
	char part[4096];
	size_t all = 0;
	ssize_t n;
	int p[2], status;

	assert_int_equal(pipe(p), 0);
	/* Each is one write(2), and dd says on standard error if one is not whole. */
	const pid_t pid =
		start_relay("dd if=/dev/zero bs=1000000 count=3 iflag=fullblock 2>/dev/null; "
			    "printf end >&2; exit 7",
			    p);
	close(p[1]);
	usleep(300000); /* the builder, its pipe and this one are full long before */
	while ((n = read(p[0], part, sizeof part)) > 0)
		all += (size_t)n;
	assert_int_equal(all, 3000003);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

/* A process that has the pipe open does not hold the end up, nor does one that closed it. */
static void relays_until_the_builder_ends(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{"sleep 60 & echo $!; exit 3", 3},
		{"echo 0; exec >&- 2>&-; sleep 0.2; exit 4", 4},
		{"echo 0; kill -SEGV $$", 128 + SIGSEGV},
		{"(sleep 0.1 & ); sleep 0.3; echo 0; exit 5", 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[64] = "";
		int p[2], status;

		assert_int_equal(pipe(p), 0);
		const pid_t pid = start_relay(cases[i].script, p);
		close(p[1]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].code);
		assert_true(read(p[0], out, sizeof out - 1) > 0);
		close(p[0]);
		const long sleeper = strtol(out, NULL, 10);
		if (sleeper > 1)
			kill((pid_t)sleeper, SIGKILL);
	}
}

static void a_damaged_file_does_nothing(void **state)
{
	for (size_t cut = 1; cut < 300; cut += cut < 40 ? 1 : 37) {
		const char *const args[] = {"-c", "echo ran", NULL};
		scoped_request struct request r = {0};
		char out[4096];

		make_request(&r, "/bin/sh", args);
		const int status = run_wrapped(&r, cut, out, sizeof out);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		assert_string_equal(out, "error: the launcher of this build is damaged\n");
	}
}

/* On a machine without a launcher a request stays what it is. */
static void leaves_the_request_alone(void **state)
{
	struct err e = ERR_INIT;
	scoped_request struct request r = {0};

	make_request(&r, "/bin/sh", (const char *const[]){NULL});
	assert_ok(&e, launcher_wrap(&r, 0, &e));
	assert_string_equal(r.args.items[0], "/bin/sh");
	assert_int_equal(r.n_env, 2);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest with[] = {
		CASE(gives_every_byte),
		CASE(says_why_it_cannot_execute),
		CASE(says_that_a_string_is_too_long),
		CASE(passes_on_an_ignored_sigpipe),
		CASE(dies_with_its_parent),
		CASE(relays_all_of_the_output_to_a_log_that_is_full),
		CASE(relays_until_the_builder_ends),
		CASE(a_damaged_file_does_nothing),
	};
	const struct CMUnitTest without[] = {CASE(leaves_the_request_alone)};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return launch_available() ? cmocka_run_group_tests_name("launch", with, NULL, NULL)
				  : cmocka_run_group_tests_name("launch", without, NULL, NULL);
}
