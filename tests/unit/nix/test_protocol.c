/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook/nix/protocol.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "tests/unit/capture.h"

#define DRV "/nix/store/0hm2f1psjpcwg8fijsmr4wwxrx59s092-bar.drv"
#define IN_A "/nix/store/00000000000000000000000000000000-a"
#define IN_B "/nix/store/00000000000000000000000000000000-b"

/* Nix's side: puts numbers and strings into a file that the reader then reads. */
struct wire {
	struct buf b;
	struct err e;
};
#define WIRE_INIT                           \
	{                                   \
		BUF_INIT(1 << 20), ERR_INIT \
	}

static void put_u64(struct wire *w, uint64_t v)
{
	unsigned char raw[8];

	for (int i = 0; i < 8; i++)
		raw[i] = (unsigned char)(v >> 8 * i);
	assert_ok(&w->e, buf_add(&w->b, raw, 8, &w->e));
}

static void put_bytes(struct wire *w, const char *s, size_t len)
{
	put_u64(w, len);
	assert_ok(&w->e, buf_add(&w->b, s, len, &w->e));
	while (w->b.len % 8)
		assert_ok(&w->e, buf_addc(&w->b, '\0', &w->e));
}

static void put_str(struct wire *w, const char *s)
{
	put_bytes(w, s, strlen(s));
}

static void put_settings(struct wire *w)
{
	put_u64(w, 1);
	put_str(w, "cores");
	put_str(w, "2");
	put_u64(w, 1);
	put_str(w, "system");
	put_str(w, "x86_64-linux");
	put_u64(w, 0);
}

static void put_try(struct wire *w, bool willing)
{
	put_str(w, "try");
	put_u64(w, willing);
	put_str(w, "x86_64-linux");
	put_str(w, DRV);
	put_u64(w, 2);
	put_str(w, "big-parallel");
	put_str(w, "kvm");
}

static void put_job(struct wire *w)
{
	put_u64(w, 2);
	put_str(w, IN_B);
	put_str(w, IN_A);
	put_u64(w, 1);
	put_str(w, "out");
}

/* A reader over the first LEN bytes of W. */
static struct proto reader(const struct wire *w, size_t len, int *ret_fd)
{
	struct err e = ERR_INIT;
	struct proto p;

	*ret_fd = memfd_create("wire", MFD_CLOEXEC);
	assert_true(*ret_fd >= 0);
	assert_ok(&e, io_write(*ret_fd, w->b.data, len, "wire", &e));
	assert_int_equal(lseek(*ret_fd, 0, SEEK_SET), 0);
	assert_ok(&e, proto_init(&p, *ret_fd, &e));
	return p;
}

/* Read a whole conversation: settings, two requests, the job of the second. */
static int read_all(struct proto *p, struct err *e)
{
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_try struct proto_try first = PROTO_TRY_INIT;
	scoped_try struct proto_try second = PROTO_TRY_INIT;
	scoped_job struct proto_job job = PROTO_JOB_INIT;
	int rc;

	if (proto_read_settings(p, &s, e) < 0)
		return -1;
	assert_string_equal(settings_get(&s, "cores"), "2");
	rc = proto_read_try(p, &first, e);
	if (rc <= 0)
		return rc;
	assert_true(first.local_possible);
	assert_string_equal(first.system, "x86_64-linux");
	assert_string_equal(first.drv_path, DRV);
	assert_int_equal(first.features.n, 2);
	assert_string_equal(first.features.items[1], "kvm");
	rc = proto_read_try(p, &second, e);
	if (rc <= 0)
		return rc;
	assert_false(second.local_possible);
	if (proto_read_job(p, &job, e) < 0)
		return -1;
	assert_int_equal(job.inputs.n, 2);
	assert_string_equal(job.inputs.items[0], IN_A);
	assert_int_equal(job.outputs.n, 1);
	assert_string_equal(job.outputs.items[0], "out");
	return 1;
}

static void put_all(struct wire *w, size_t ret_clean[2])
{
	put_settings(w);
	ret_clean[0] = w->b.len;
	put_try(w, true);
	ret_clean[1] = w->b.len;
	put_try(w, false);
	put_job(w);
}

static void reads_a_whole_conversation(void **state)
{
	struct wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	size_t clean[2];
	int fd;

	put_all(&w, clean);
	scoped_proto struct proto p = reader(&w, w.b.len, &fd);
	assert_int_equal(read_all(&p, &e), 1);
	close(fd);
	buf_done(&w.b);
}

static void an_end_is_clean_between_requests_only(void **state)
{
	struct wire w = WIRE_INIT;
	size_t clean[2];

	put_all(&w, clean);
	for (size_t len = 0; len < w.b.len; len++) {
		struct err e = ERR_INIT;
		int fd, rc;
		scoped_proto struct proto p = reader(&w, len, &fd);

		rc = read_all(&p, &e);
		if (len == clean[0] || len == clean[1])
			assert_int_equal(rc, 0);
		else
			assert_err(&e, rc, "ended before it was complete");
		close(fd);
	}
	buf_done(&w.b);
}

static void reads_what_comes_byte_by_byte(void **state)
{
	struct wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	size_t clean[2];
	int fds[2], status;
	pid_t child;

	put_all(&w, clean);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(fds[0]);
		for (size_t i = 0; i < w.b.len; i++)
			if (write(fds[1], w.b.data + i, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(fds[1]);
	scoped_proto struct proto p = {.fd = -1};
	assert_ok(&e, proto_init(&p, fds[0], &e));
	assert_int_equal(read_all(&p, &e), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fds[0]);
	buf_done(&w.b);
}

/* Read the request in W and expect the refusal TEXT. */
static void refuse_try(struct wire *w, const char *text)
{
	struct err e = ERR_INIT;
	struct proto_try t = PROTO_TRY_INIT;
	int fd;
	scoped_proto struct proto p = reader(w, w->b.len, &fd);

	assert_err(&e, proto_read_try(&p, &t, &e), text);
	assert_null(t.system);
	close(fd);
	buf_done(&w->b);
}

static void refuses_padding_that_is_not_zero(void **state)
{
	struct wire w = WIRE_INIT;

	put_str(&w, "try");
	for (size_t at = 11; at < 16; at++) {
		struct wire bad = WIRE_INIT;

		assert_ok(&w.e, buf_add(&bad.b, w.b.data, w.b.len, &w.e));
		bad.b.data[at] = 1;
		refuse_try(&bad, "padding that is not zero");
	}
	buf_done(&w.b);
}

static void refuses_strings_over_the_limit_before_they_come(void **state)
{
	static const uint64_t sizes[] = {PROTO_STRING_MAX + 1ull, UINT64_MAX, UINT64_MAX - 7,
					 1ull << 63};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct wire w = WIRE_INIT;

		put_u64(&w, sizes[i]);
		refuse_try(&w, "the limit is");
	}
}

static void refuses_lists_over_the_limit_before_they_come(void **state)
{
	struct wire w = WIRE_INIT;

	put_str(&w, "try");
	put_u64(&w, 1);
	put_str(&w, "x");
	put_str(&w, DRV);
	put_u64(&w, PROTO_COUNT_MAX + 1ull);
	refuse_try(&w, "a list of");
}

static void a_long_list_that_never_comes_costs_nothing(void **state)
{
	struct wire w = WIRE_INIT;

	put_str(&w, "try");
	put_u64(&w, 1);
	put_str(&w, "x");
	put_str(&w, DRV);
	put_u64(&w, PROTO_COUNT_MAX);
	put_u64(&w, PROTO_STRING_MAX);
	refuse_try(&w, "ended before it was complete");
}

static void refuses_nul_bytes(void **state)
{
	struct wire w = WIRE_INIT;

	put_str(&w, "try");
	put_u64(&w, 1);
	put_bytes(&w, "x86\0_64", 7);
	refuse_try(&w, "NUL");
}

static void refuses_other_verbs_and_booleans(void **state)
{
	struct wire verb = WIRE_INIT, boolean = WIRE_INIT;

	put_str(&verb, "build");
	refuse_try(&verb, "Nix asked for 'build'");
	put_str(&boolean, "try");
	put_u64(&boolean, 2);
	refuse_try(&boolean, "amWilling = 2");
}

static void refuses_endless_settings(void **state)
{
	struct wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	struct settings s = SETTINGS_INIT;
	int fd;

	for (unsigned i = 0; i <= PROTO_SETTINGS_MAX; i++) {
		put_u64(&w, 1);
		put_str(&w, "a");
		put_str(&w, "b");
	}
	scoped_proto struct proto p = reader(&w, w.b.len, &fd);
	assert_err(&e, proto_read_settings(&p, &s, &e), "more than 10000 entries");
	assert_int_equal(s.n, 0);
	close(fd);
	buf_done(&w.b);
}

static void replies_are_lines_as_nix_wants_them(void **state)
{
	struct err e = ERR_INIT;
	struct capture c = capture_start();
	int rc = proto_decline(&e) | proto_postpone(&e) | proto_accept("oci:crun", &e);

	capture_end(&c);
	assert_int_equal(rc, 0);
	assert_string_equal(c.text, "# decline\n# postpone\n# accept\noci:crun\n");
	assert_err(&e, proto_accept("a\nb", &e), "line feed");
}

/* In a child: descriptors 3 to 9 are open as Nix leaves them; what stays open is the exit code. */
static int open_after_fix(bool with_log)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct err e = ERR_INIT;
		int open = 0;

		for (int fd = 3; fd < 10; fd++)
			dup2(0, fd);
		if (!with_log)
			close(PROTO_LOG_FD);
		if (proto_fix_fds(&e) < 0)
			_exit(strstr(e.msg, "build-hook") ? 100 : 101);
		for (int fd = 0; fd < 64; fd++)
			open += fcntl(fd, F_GETFD) >= 0;
		if (!(fcntl(PROTO_LOG_FD, F_GETFD) & FD_CLOEXEC))
			_exit(102);
		_exit(open);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void keeps_only_the_log_of_what_nix_left_open(void **state)
{
	assert_int_equal(open_after_fix(true), 4);
	assert_int_equal(open_after_fix(false), 100);
}

static void waits_for_who_reads_the_log(void **state)
{
	char c[100];
	int fds[2], status;
	int64_t before = clock_now_ms();

	assert_int_equal(pipe(fds), 0);
	proto_await_reader(fds[1], 100000); /* nothing to read */
	assert_int_equal(write(fds[1], c, sizeof c), (ssize_t)sizeof c);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		usleep(50000);
		_exit(read(fds[0], c, sizeof c) == sizeof c ? 0 : 1);
	}
	proto_await_reader(fds[1], 100000);
	int left;
	assert_int_equal(ioctl(fds[1], FIONREAD, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(clock_now_ms() - before >= 50 && clock_now_ms() - before < 50000);
	/* Somebody who does not read does not matter for ever, and one who has gone not at all. */
	assert_int_equal(write(fds[1], c, sizeof c), (ssize_t)sizeof c);
	proto_await_reader(fds[1], 20);
	close(fds[0]);
	proto_await_reader(fds[1], 100000);
	assert_true(clock_now_ms() - before < 50000);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_whole_conversation),
		cmocka_unit_test(an_end_is_clean_between_requests_only),
		cmocka_unit_test(reads_what_comes_byte_by_byte),
		cmocka_unit_test(refuses_padding_that_is_not_zero),
		cmocka_unit_test(refuses_strings_over_the_limit_before_they_come),
		cmocka_unit_test(refuses_lists_over_the_limit_before_they_come),
		cmocka_unit_test(a_long_list_that_never_comes_costs_nothing),
		cmocka_unit_test(refuses_nul_bytes),
		cmocka_unit_test(refuses_other_verbs_and_booleans),
		cmocka_unit_test(refuses_endless_settings),
		cmocka_unit_test(replies_are_lines_as_nix_wants_them),
		cmocka_unit_test(keeps_only_the_log_of_what_nix_left_open),
		cmocka_unit_test(waits_for_who_reads_the_log),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
