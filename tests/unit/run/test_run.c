/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With a shell script in the runtime's place, so that it runs anywhere; real runtimes have
 * tests/hostile/containers.sh.
 */
#include "hook/keep/keep_failed.h"
#include "hook/run/run.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/run/children.h"
#include "hook/run/record.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

static char dir[32];

static int setup(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/test_run.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

static char *in_dir(const char *name)
{
	struct err e = ERR_INIT;
	char *path = str_fmt(&e, "%s/%s", dir, name);

	assert_non_null(path);
	return path;
}

static struct run *start(void)
{
	struct err e = ERR_INIT;
	struct run *r = run_start((const int[]){-1}, &e);

	assert_ok(&e, r ? 0 : -1);
	return r;
}

/* A container that the tests run: RT is a program that takes the part of a runtime. */
static struct run_job job_of(const struct runtime *rt, const struct run_place *at,
			     const struct run_limits *lim, int log_fd)
{
	return (struct run_job){
		.runtime = rt,
		.at = at,
		.id = "id",
		.uid = geteuid(),
		.limits = lim,
		.log_fd = log_fd,
	};
}

static void make_tree(const char *path)
{
	struct err e = ERR_INIT;
	int fd = io_mkdir(AT_FDCWD, path, 0700, &e);

	assert_ok(&e, fd);
	assert_ok(&e, io_write_file(fd, "file", 0600, "x", 1, &e));
	close(fd);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool gone_within_2s(const char *path)
{
	for (int i = 0; i < 200 && exists(path); i++)
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	return !exists(path);
}

static void removes_what_is_on_its_list(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *a = in_dir("a"), *b = in_dir("b"), *c = in_dir("c");
	struct run *r = start();

	assert_ok(&e, run_own_tree(r, a, &e));
	assert_ok(&e, run_own_tree(r, b, &e));
	assert_ok(&e, run_own_tree(r, c, &e)); /* never made */
	make_tree(a);
	make_tree(b);
	assert_ok(&e, run_disown(r, b, &e));
	assert_ok(&e, run_finish(r, &e));
	assert_false(exists(a));
	assert_true(exists(b));
}

static void says_what_it_cannot_remove(void **state)
{
	struct err e = ERR_INIT;
	struct run *r = start();

	assert_ok(&e, run_own_tree(r, "/proc/self/status", &e));
	assert_err(&e, run_finish(r, &e), "/proc/self/status");
}

static void start_record(struct record *r)
{
	struct err e = ERR_INIT;
	scoped_free char *run_dir = in_dir("run");

	assert_true(mkdir(run_dir, 0700) == 0 || errno == EEXIST);
	assert_ok(&e, record_enter(run_dir, r, &e));
}

static void the_record_goes_when_all_has_gone(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record record = RECORD_INIT;
	scoped_free char *a = in_dir("a");

	start_record(&record);
	struct run *r = run_start((const int[]){record.fd, -1}, &e);
	assert_non_null(r);
	assert_ok(&e, run_keep_record(r, &record, &e));
	make_tree(a); /* stale */
	scoped_fd int fd = run_make_dir(r, a, &e);
	assert_ok(&e, fd);
	assert_ok(&e, io_write_file(fd, "file2", 0600, "x", 1, &e));
	assert_int_equal(faccessat(fd, "file", F_OK, 0), -1);
	assert_true(exists(record.path));
	assert_ok(&e, run_finish(r, &e));
	assert_false(exists(a));
	assert_false(exists(record.path));
}

/*
 * Killed while something is unread: the supervisor hears "connection reset" before it hears the
 * end.
 */
static void a_hook_that_is_killed_deaf_leaves_no_record(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *a = in_dir("a"), *run_dir = in_dir("run"), *path = in_dir("runtime");
	int status;

	const pid_t pid = fork();
	if (pid == 0) {
		struct record record = RECORD_INIT;
		const struct runtime rt = {.kind = RUNTIME_OTHER, .path = path, .name = path};
		const struct run_limits lim = {0};
		struct run_result result;
		/* The hook is stopped when the end of its container is told. */
		scoped_free char *script = str_fmt(&e, "#!/bin/sh\nkill -STOP %d\n", (int)getpid());

		if (io_write_file(AT_FDCWD, path, 0755, script, strlen(script), &e) < 0)
			_exit(1);
		start_record(&record);
		struct run *r = run_start((const int[]){record.fd, -1}, &e);
		const struct run_place at = {dir, dir, open(dir, O_RDONLY | O_CLOEXEC), -1, NULL};
		const struct run_job job = job_of(&rt, &at, &lim, STDOUT_FILENO);
		if (r && run_keep_record(r, &record, &e) == 0 && run_make_dir(r, a, &e) >= 0 &&
		    run_container(r, &job, &result, &e) == 0)
			_exit(2);
		_exit(3);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	nanosleep(&(struct timespec){0, 500000000}, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(gone_within_2s(a));
	/* Only an empty directory can be removed. */
	for (int i = 0; i < 200 && rmdir(run_dir) < 0; i++)
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	assert_false(exists(run_dir));
}

static void the_record_stays_when_something_does(void **state)
{
	struct err e = ERR_INIT;
	scoped_record struct record record = RECORD_INIT, next = RECORD_INIT;
	scoped_free char *a = in_dir("a");

	start_record(&record);
	struct run *r = run_start((const int[]){record.fd, -1}, &e);
	assert_non_null(r);
	assert_ok(&e, run_keep_record(r, &record, &e));
	assert_ok(&e, run_own_tree(r, "/proc/self/status", &e));
	scoped_fd int fd = run_make_dir(r, a, &e);
	assert_ok(&e, fd);
	assert_err(&e, run_finish(r, &e), "the next build will go on");
	assert_false(exists(a)); /* all else is removed */
	scoped_free char *path = str_dup(record.path, &e);
	record_done(&record);
	assert_true(exists(path));
	start_record(&next);
	assert_false(exists(path));
}

/*
 * Have CALL fail with ERR, with this value of its argument ARG. For this process and its children.
 */
static void let_fail(unsigned call, unsigned arg, unsigned value, unsigned err)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[arg])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {ARRAY_SIZE(f), f};

	if (__BYTE_ORDER != __LITTLE_ENDIAN || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(3);
}

/* In a process of its own: 0 if BODY(a path that it shall own) returns that. */
static int in_a_child(int (*body)(const char *path))
{
	scoped_free char *a = in_dir("a");
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		alarm(20);
		_exit(body(a));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* One that cannot send anything for want of memory. */
static int start_with_a_mute(const char *path)
{
	struct err e = ERR_INIT;

	let_fail(SYS_sendmsg, 2, MSG_NOSIGNAL | MSG_DONTWAIT, ENOMEM);
	struct run *r = run_start((const int[]){-1}, &e);
	return !r || run_own_tree(r, path, &e) == 0;
}

static int finish_with_a_deaf(const char *path)
{
	struct err e = ERR_INIT;
	struct run *r = run_start((const int[]){-1}, &e);

	if (!r || run_own_tree(r, path, &e) < 0 || mkdir(path, 0700) < 0)
		return 1;
	let_fail(SYS_shutdown, 1, SHUT_WR, ENOBUFS);
	return run_finish(r, &e) == 0 || exists(path);
}

static int finish_without_hearing(const char *path)
{
	struct err e = ERR_INIT;
	struct run *r = run_start((const int[]){-1}, &e);

	if (!r || run_own_tree(r, path, &e) < 0 || mkdir(path, 0700) < 0)
		return 1;
	let_fail(SYS_recvfrom, 3, MSG_DONTWAIT, ENOMEM);
	if (run_finish(r, &e) < 0)
		err_clear(&e);
	return exists(path);
}

static void nobody_waits_for_a_supervisor_that_cannot_speak_or_hear(void **state)
{
	assert_int_equal(in_a_child(start_with_a_mute), 0);
	assert_int_equal(in_a_child(finish_with_a_deaf), 0);
	assert_int_equal(in_a_child(finish_without_hearing), 0);
}

static void removes_it_when_the_hook_is_killed(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *a = in_dir("a");
	int p[2], status;
	char c;

	assert_int_equal(pipe(p), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		struct run *r = run_start((const int[]){-1}, &e);
		if (!r || run_own_tree(r, a, &e) < 0 || mkdir(a, 0700) < 0 ||
		    write(p[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_true(exists(a));
	assert_int_equal(kill(-pid, SIGKILL), 0); /* as Nix does: the process group */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* The supervisor has no copy of our descriptors: this does not wait for it. */
	assert_int_equal(read(p[0], &c, 1), 0);
	close(p[0]);
	assert_true(gone_within_2s(a));
}

static bool there_within_10s(const char *path)
{
	for (int i = 0; i < 1000 && !exists(path); i++)
		usleep(10000);
	return exists(path);
}

static void keeps_the_build_directory_of_a_killed_hook(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *a = in_dir("a");
	scoped_free char *places = in_dir("places");
	scoped_free char *kept = in_dir("places/x-0");
	char prefix[] = "x-";

	assert_int_equal(mkdir(places, 0700), 0);
	for (int forgets = 1; forgets >= 0; forgets--) {
		const struct keep_plan p = {places, prefix, false, false, geteuid(), geteuid()};
		const pid_t pid = fork();

		if (pid == 0) {
			struct run *r = run_start((const int[]){-1}, &e);
			if (!r || run_own_tree(r, a, &e) < 0 || mkdir(a, 02700) < 0 ||
			    run_keep_failed(r, &p, a, &e) < 0 ||
			    (forgets && run_forget_failed(r, &e) < 0))
				_exit(1);
			kill(getpid(), SIGKILL);
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_true(forgets ? gone_within_2s(a) : there_within_10s(kept));
		assert_true(gone_within_2s(a) && exists(kept) == !forgets);
	}
}

/* The supervisor is a child of this process, and the only one that does not end by itself. */
static pid_t supervisor_pid(void)
{
	const struct children_watch w = {.sigfd = -1};
	pid_t pids[2];

	while (children_list(getpid(), pids, 2) > 1)
		assert_true(children_reap(&w));
	return pids[0];
}

static void does_itself_what_a_killed_supervisor_should_have(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *a = in_dir("a"), *b = in_dir("b");
	struct run *r = start();

	assert_ok(&e, run_own_tree(r, a, &e));
	assert_ok(&e, run_own_tree(r, b, &e));
	make_tree(a);
	make_tree(b);
	assert_ok(&e, run_disown(r, b, &e));
	assert_int_equal(kill(supervisor_pid(), SIGKILL), 0);
	assert_err(&e, run_finish(r, &e), "supervisor process has died");
	assert_false(exists(a));
	assert_true(exists(b));
}

static void holds_locks_until_all_is_removed(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *lock = in_dir("lock");
	const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const int other = open(lock, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0 && other >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	struct run *r = run_start((const int[]){fd, -1}, &e);
	assert_non_null(r);
	assert_ok(&e, run_own_tree(r, "/nonexistent/x", &e));
	close(fd);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_ok(&e, run_finish(r, &e));
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
}

struct outcome {
	int rc;
	struct run_result result;
	char log[4096];
};

/*
 * Run SCRIPT as the runtime of this KIND; "$log" is its --log. FLAT: the log goes to a file, else
 * to a pipe whose reader has gone.
 */
static void run_script_as(enum runtime_kind kind, const char *script, const struct run_limits *lim,
			  bool flat, struct outcome *ret, struct err *e)
{
	scoped_free char *path = in_dir("runtime"), *state_dir = in_dir("state"),
			 *log = in_dir("out");
	const struct runtime rt = {.kind = kind, .path = path, .name = path};
	int p[2], fd;

	FILE *f = fopen(path, "w");
	assert_non_null(f);
	/* runtime --root R --log L --log-format json run --bundle B ID */
	fprintf(f, "#!/bin/sh\nlog=$4\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
	fd = open(log, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	if (!flat) {
		close(fd);
		assert_int_equal(pipe(p), 0);
		close(p[0]);
		fd = p[1];
	}
	struct run *r = start();
	assert_ok(e, run_own_tree(r, state_dir, e));
	assert_int_equal(mkdir(state_dir, 0700), 0);
	scoped_fd int state_fd = io_opendir(AT_FDCWD, state_dir, e);
	const struct run_place at = {dir, state_dir, state_fd, -1, NULL};
	const struct run_job job = job_of(&rt, &at, lim, fd);
	ret->rc = run_container(r, &job, &ret->result, e);
	struct err cleanup = ERR_INIT;
	if (run_finish(r, &cleanup) < 0)
		assert_string_equal(cleanup.msg, e->msg); /* its supervisor is dead */
	assert_false(exists(state_dir));
	if (flat) {
		const ssize_t n = pread(fd, ret->log, sizeof ret->log - 1, 0);
		assert_true(n >= 0);
		ret->log[n] = '\0';
	}
	close(fd);
}

static void run_script(const char *script, const struct run_limits *lim, bool flat,
		       struct outcome *ret, struct err *e)
{
	run_script_as(RUNTIME_OTHER, script, lim, flat, ret, e);
}

static void tells_exit_codes_and_faults(void **state)
{
	static const struct {
		const char *script;
		enum run_end end;
		int status;
	} cases[] = {
		{"exit 0", RUN_EXITED, 0},
		{": >$log; exit 7", RUN_EXITED, 7},
		{": >$log; exit 137", RUN_EXITED, 137},
		{": >$log; exit 139", RUN_SIGNALED, SIGSEGV},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		const struct run_limits lim = {0};
		struct outcome o;

		run_script(cases[i].script, &lim, true, &o, &e);
		assert_ok(&e, o.rc);
		assert_int_equal(o.result.end, cases[i].end);
		assert_int_equal(o.result.status, cases[i].status);
	}
}

static void log_is_raw_and_whole(void **state)
{
	struct err e = ERR_INIT;
	const struct run_limits lim = {0};
	struct outcome o;

	/* Descriptors of ls: 0, 1, 2 and the directory. */
	run_script("printf 'a\\nb\\tc'; echo err >&2; [ -t 1 ] && [ -t 2 ] && printf 'tty\\r\\n'\n"
		   "ls /proc/self/fd | wc -l",
		   &lim, true, &o, &e);
	assert_ok(&e, o.rc);
	assert_string_equal(o.log, "a\nb\tcerr\ntty\r\n4\n");
}

/* As gVisor does: it makes one non-blocking, and then looks whether the other one is. */
static void runsc_has_two_descriptions_of_its_output(void **state)
{
	struct err e = ERR_INIT;
	const struct run_limits lim = {0};
	struct outcome o;

	run_script_as(RUNTIME_RUNSC,
		      "dd if=/dev/null oflag=nonblock 2>/dev/null\n"
		      "for fd in 1 2; do\n"
		      "  while read -r key flags; do\n"
		      "    [ $key != flags: ] || echo $fd: $((flags & 04000))\n"
		      "  done </proc/$$/fdinfo/$fd\n"
		      "done\n"
		      "echo err >&2",
		      &lim, true, &o, &e);
	assert_ok(&e, o.rc);
	assert_string_equal(o.log, "1: 2048\n2: 0\nerr\n");
}

static void runtime_failures_have_its_words(void **state)
{
	static const struct {
		const char *script, *says;
	} cases[] = {
		{"echo no such option; exit 1", "no such option"},
		{"echo '{\"level\":\"error\",\"msg\":\"too tired\"}' >$log; exit 1", "too tired"},
		{"exit 3", "exit code 3"},
		{"kill -KILL $$", "killed by signal 9"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		const struct run_limits lim = {0};
		struct outcome o;

		run_script(cases[i].script, &lim, true, &o, &e);
		assert_err(&e, o.rc, cases[i].says);
	}
}

static void a_runtime_that_dies_is_not_the_builder_that_dies(void **state)
{
	struct err e = ERR_INIT;
	const struct run_limits lim = {0};
	struct outcome o;

	/* The only child is another program than the runtime: it is taken for the builder. */
	run_script_as(
		RUNTIME_CRUN,
		"find / -maxdepth 0 -exec sh -c 'sleep 0.3; kill -KILL $1; sleep 9' sh $$ \\;\n"
		"exit 1",
		&lim, true, &o, &e);
	assert_err(&e, o.rc, "was killed by signal 9");
}

static void builder_that_cannot_be_executed_ends_as_with_nix(void **state)
{
	struct err e = ERR_INIT;
	const struct run_limits lim = {.builder = "/no/such"};
	struct outcome o;

	run_script("echo 'executable file `/no/such` not found in $PATH: No such file or directory'"
		   " >$log; exit 1",
		   &lim, true, &o, &e);
	assert_ok(&e, o.rc);
	assert_int_equal(o.result.end, RUN_EXITED);
	assert_int_equal(o.result.status, 1);
	assert_string_equal(o.log, "error: executing '/no/such': No such file or directory\n");
}

static void time_limits_kill_everything(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *alive = in_dir("alive");
	struct run_limits lim = {.timeout_s = 1};
	struct outcome o;
	char script[256];

	snprintf(script, sizeof script,
		 "(setsid sh -c 'while :; do : >%s; sleep 0.05; done' &)\necho begin; sleep 1000",
		 alive);
	run_script(script, &lim, true, &o, &e);
	assert_ok(&e, o.rc);
	assert_int_equal(o.result.end, RUN_TIMED_OUT);
	assert_string_equal(o.log, "begin\n");
	unlink(alive);
	nanosleep(&(struct timespec){0, 300000000}, NULL);
	assert_false(exists(alive)); /* nobody there to make it again */

	lim = (struct run_limits){.max_silent_s = 1};
	run_script("exec >&- 2>&-; sleep 1000", &lim, true, &o, &e);
	assert_ok(&e, o.rc);
	assert_int_equal(o.result.end, RUN_SILENT);
}

static void a_log_that_nobody_reads_stops_it(void **state)
{
	struct err e = ERR_INIT;
	const struct run_limits lim = {0};
	struct outcome o;

	run_script("sleep 1000", &lim, false, &o, &e);
	assert_int_equal(o.rc, -1);
	assert_int_equal(e.kind, ERR_STOPPED);
}

static void kills_the_build_of_a_killed_supervisor(void **state)
{
	struct err e = ERR_INIT;
	const struct run_limits lim = {.timeout_s = 20};
	struct outcome o;
	pid_t pids[2];

	/* What the build starts outlives its parent, and holds on to the log. */
	run_script("(trap '' TERM HUP; sleep 1000 & sleep 1000) & kill -KILL $PPID; sleep 1000",
		   &lim, true, &o, &e);
	assert_err(&e, o.rc, "supervisor process has died");
	assert_int_equal(children_list(getpid(), pids, 2), 0);
}

static void stops_when_told(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *state_dir = in_dir("state");
	char sleep_path[] = "/bin/sleep";
	const struct runtime rt = {.kind = RUNTIME_OTHER, .path = sleep_path, .name = sleep_path};
	const struct run_limits lim = {0};
	struct run_result result;
	struct run *r = start();
	int p[2];

	assert_int_equal(mkdir(state_dir, 0700), 0);
	scoped_fd int state_fd = io_opendir(AT_FDCWD, state_dir, &e);
	const struct run_place at = {dir, state_dir, state_fd, -1, NULL};
	assert_int_equal(pipe(p), 0);
	close(p[1]);
	run_stop_on(r, p[0]);
	const struct run_job job = job_of(&rt, &at, &lim, STDOUT_FILENO);
	assert_int_equal(run_container(r, &job, &result, &e), -1);
	assert_int_equal(e.kind, ERR_STOPPED);
	err_clear(&e);
	assert_ok(&e, run_finish(r, &e));
	close(p[0]);
}

static void missing_runtime_is_told(void **state)
{
	struct err e = ERR_INIT;
	scoped_free char *state_dir = in_dir("state"), *none = in_dir("none");
	const struct runtime rt = {.kind = RUNTIME_OTHER, .path = none, .name = none};
	const struct run_limits lim = {0};
	struct run_result result;
	struct run *r = start();

	assert_int_equal(mkdir(state_dir, 0700), 0);
	scoped_fd int state_fd = io_opendir(AT_FDCWD, state_dir, &e);
	const struct run_place at = {dir, state_dir, state_fd, -1, NULL};
	const struct run_job job = job_of(&rt, &at, &lim, STDOUT_FILENO);
	assert_err(&e, run_container(r, &job, &result, &e), "executing");
	assert_ok(&e, run_finish(r, &e));
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(removes_what_is_on_its_list),
		CASE(says_what_it_cannot_remove),
		CASE(the_record_goes_when_all_has_gone),
		CASE(a_hook_that_is_killed_deaf_leaves_no_record),
		CASE(the_record_stays_when_something_does),
		CASE(nobody_waits_for_a_supervisor_that_cannot_speak_or_hear),
		CASE(removes_it_when_the_hook_is_killed),
		CASE(keeps_the_build_directory_of_a_killed_hook),
		CASE(does_itself_what_a_killed_supervisor_should_have),
		CASE(kills_the_build_of_a_killed_supervisor),
		CASE(holds_locks_until_all_is_removed),
		CASE(tells_exit_codes_and_faults),
		CASE(log_is_raw_and_whole),
		CASE(runsc_has_two_descriptions_of_its_output),
		CASE(runtime_failures_have_its_words),
		CASE(a_runtime_that_dies_is_not_the_builder_that_dies),
		CASE(builder_that_cannot_be_executed_ends_as_with_nix),
		CASE(time_limits_kill_everything),
		CASE(a_log_that_nobody_reads_stops_it),
		CASE(stops_when_told),
		CASE(missing_runtime_is_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
