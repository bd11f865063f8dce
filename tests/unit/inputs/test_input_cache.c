/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/inputs/input_cache_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/restore.h"

static char dir[] = "/tmp/test_icache.XXXXXX";

/* PATH below the test's directory. */
static const char *in_dir(const char *path)
{
	static char text[4][256];
	static unsigned next;
	char *s = text[next++ % 4];

	snprintf(s, sizeof text[0], "%s/%s", dir, path);
	return s;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void scope_icache(struct input_cache **c)
{
	input_cache_free(*c);
}
#define scoped_input_cache __attribute__((cleanup(scope_icache)))

static struct input_cache *start(const struct input_cache_options *o)
{
	struct err e = ERR_INIT;
	struct input_cache *c = input_cache_open(o, &e);

	assert_ok(&e, c ? 0 : -1);
	assert_ok(&e, input_cache_start(c, &e));
	return c;
}

static struct input_cache *open_of(uint64_t max_bytes)
{
	const struct input_cache_options o = {in_dir("cache"), max_bytes, false};

	return start(&o);
}

/* Each case has a cache of its own. */
static int setup(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, in_dir("cache"), "cache", &e);
}

static int count_in(const char *sub)
{
	scoped_dir DIR *d = opendir(in_dir(sub));
	int n = 0;

	assert_non_null(d);
	for (const struct dirent *de; (de = readdir(d));)
		n += de->d_name[0] != '.';
	return n;
}

/* ---- what is unpacked: trees that group_setup() has made ---- */

struct source {
	struct input_cache_item item;
	const char *from; /* below the test's directory */
	int calls_fd;     /* gets a byte for each call, or -1 */
	int pause_ms;     /* in the middle */
};

static int fill(const struct input_cache_item *item, int dirfd, const char *name, const char *to,
		struct nar_digest *ret, struct err *e)
{
	const struct source *s = item->ctx;
	const char *from = in_dir(s->from);
	const struct nar_copy c = {{AT_FDCWD, from, from}, dirfd, name, to, NAR_RESTORE_CANONICAL};

	if (nar_copy(&c, NULL, ret, e) < 0)
		return -1;
	if (s->calls_fd >= 0)
		assert_int_equal(write(s->calls_fd, "x", 1), 1);
	nanosleep(&(struct timespec){s->pause_ms / 1000, s->pause_ms % 1000 * 1000000}, NULL);
	return 0;
}

/* A source must stay where it is, as its item points to it. */
static void source_init(struct source *s, const char *from)
{
	struct err e = ERR_INIT;
	struct nar_digest d;

	assert_ok(&e, nar_digest(&(struct nar_tree){AT_FDCWD, in_dir(from), from, NAR_DEPTH_MAX},
				 NULL, &d, &e));
	*s = (struct source){{from, d.sha256, d.size_bytes, fill, s}, from, -1, 0};
}

static void pin(struct input_cache *c, const struct source *s, size_t n)
{
	struct err e = ERR_INIT;
	const struct hash *hashes[8];

	assert_true(n <= ARRAY_SIZE(hashes));
	for (size_t i = 0; i < n; i++)
		hashes[i] = &s[i].item.sha256;
	assert_ok(&e, input_cache_pin(c, hashes, n, &e));
}

static void get(struct input_cache *c, const struct source *s)
{
	struct err e = ERR_INIT;

	assert_ok(&e, input_cache_get(c, &s->item, true, &e));
}

static char *path_of(const struct input_cache *c, const struct source *s)
{
	struct err e = ERR_INIT;
	char *path = input_cache_path(c, &s->item.sha256, &e);

	assert_non_null(path);
	return path;
}

static bool is_there(const struct input_cache *c, const struct source *s)
{
	scoped_free char *path = path_of(c, s);

	return exists(path);
}

static int group_setup(void **state)
{
	if (!mkdtemp(dir) || mkdir(in_dir("tree"), 0755) < 0 || mkdir(in_dir("tree/sub"), 0700) < 0)
		return -1;
	for (const char *const *name = (const char *const[]){"file", "other", "third", "tree/run",
							     "tree/sub/data", NULL};
	     *name; name++) {
		struct err e = ERR_INIT;
		bool run = strstr(*name, "run") != NULL;

		assert_ok(&e, io_write_file(AT_FDCWD, in_dir(*name), run ? 0755 : 0644, *name,
					    strlen(*name), &e));
	}
	return symlink("/no/where", in_dir("link")) < 0 || symlink("sub", in_dir("tree/link")) < 0;
}

static int group_teardown(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

/* ---- entries ---- */

static void unpacks_once_and_finds_it_again(void **state)
{
	scoped_fd int calls = open(in_dir("calls"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (int i = 0; i < 2; i++) {
		scoped_input_cache struct input_cache *c = open_of(1000000);
		struct source s;

		source_init(&s, "tree");
		s.calls_fd = calls;
		pin(c, &s, 1);
		get(c, &s);
		assert_true(is_there(c, &s));
		assert_int_equal(input_cache_grew(c), i == 0);
	}
	assert_int_equal(lseek(calls, 0, SEEK_END), 1);
	assert_int_equal(count_in("cache/entries"), 1);
	assert_int_equal(count_in("cache/making"), 0);
	assert_int_equal(count_in("cache/runs"), 0);
}

static void has_trees_files_and_links_as_a_store_has_them(void **state)
{
	static const char *const names[] = {"tree", "file", "link"};
	static const mode_t modes[] = {S_IFDIR | 0555, S_IFREG | 0444, S_IFLNK | 0777};
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s[3];

	for (size_t i = 0; i < 3; i++)
		source_init(&s[i], names[i]);
	pin(c, s, 3);
	for (size_t i = 0; i < 3; i++) {
		struct err e = ERR_INIT;
		struct nar_digest is;
		struct stat st;

		get(c, &s[i]);
		scoped_free char *path = path_of(c, &s[i]);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode, modes[i]);
		assert_int_equal(st.st_mtim.tv_sec, 1);
		assert_ok(&e, nar_digest(&(struct nar_tree){AT_FDCWD, path, path, NAR_DEPTH_MAX},
					 NULL, &is, &e));
		assert_true(hash_equal(&is.sha256, &s[i].item.sha256));
	}
}

static void refuses_other_contents_and_leaves_nothing(void **state)
{
	struct err e = ERR_INIT;
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s;

	source_init(&s, "tree");
	s.item.sha256.bytes[0] ^= 1;
	pin(c, &s, 1);
	assert_err(&e, input_cache_get(c, &s.item, true, &e),
		   "unpacking 'tree': the contents of 'tree' are not what they should be");
	assert_false(is_there(c, &s));
	assert_int_equal(count_in("cache/entries"), 0);
	assert_int_equal(count_in("cache/making"), 0);
	scoped_dir DIR *d = opendir(input_cache_run_dir(c));
	for (const struct dirent *de; (de = readdir(d));)
		assert_true(de->d_name[0] == '.' || str_eq(de->d_name, "uses"));
}

static void refuses_another_size(void **state)
{
	struct err e = ERR_INIT;
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s;

	source_init(&s, "file");
	s.item.size_bytes++;
	pin(c, &s, 1);
	assert_err(&e, input_cache_get(c, &s.item, true, &e), "not what they should be");
	assert_int_equal(count_in("cache/entries"), 0);
}

static void a_failed_write_leaves_nothing(void **state)
{
	const struct rlimit none = {4, RLIM_INFINITY};
	struct err e = ERR_INIT;
	struct rlimit before;
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s;

	source_init(&s, "tree");
	pin(c, &s, 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int rc = input_cache_get(c, &s.item, true, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_err(&e, rc, "unpacking 'tree': writing to");
	assert_int_equal(count_in("cache/entries"), 0);
	get(c, &s);
	assert_true(is_there(c, &s));
}

static void spoil_remove(const char *path)
{
	struct err e = ERR_INIT;

	assert_ok(&e, io_rmtree(AT_FDCWD, path, path, &e));
}

static void spoil_top(const char *path)
{
	scoped_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(fchmod(fd, 0755), 0);
	assert_int_equal(unlinkat(fd, "run", 0), 0);
	assert_int_equal(fchmod(fd, 0555), 0);
}

static void spoil_size(const char *path)
{
	char size[256];

	snprintf(size, sizeof size, "%.*s/size", (int)(strrchr(path, '/') - path), path);
	assert_int_equal(unlink(size), 0);
}

static void makes_a_damaged_entry_anew(void **state)
{
	void (*const spoil[])(const char *) = {spoil_remove, spoil_top, spoil_size};

	for (size_t i = 0; i < ARRAY_SIZE(spoil); i++) {
		scoped_input_cache struct input_cache *c = open_of(1000000);
		struct err e = ERR_INIT;
		struct nar_digest is;
		struct source s;

		source_init(&s, "tree");
		pin(c, &s, 1);
		get(c, &s);
		scoped_free char *path = path_of(c, &s);
		spoil[i](path);
		get(c, &s);
		assert_ok(&e, nar_digest(&(struct nar_tree){AT_FDCWD, path, path, NAR_DEPTH_MAX},
					 NULL, &is, &e));
		assert_true(hash_equal(&is.sha256, &s.item.sha256));
	}
}

/* The entry of CONTENTS was made in BOOT. */
static void set_boot(const char *contents, const char *boot)
{
	scoped_free char *entry = strndup(contents, (size_t)(strrchr(contents, '/') - contents));
	scoped_fd int fd = open(entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlinkat(fd, INPUT_CACHE_BOOT, 0), 0);
	assert_int_equal(symlinkat(boot, fd, INPUT_CACHE_BOOT), 0);
}

static bool names_boot(const char *contents)
{
	scoped_free char *link = NULL;

	assert_true(asprintf(&link, "%.*s/" INPUT_CACHE_BOOT,
			     (int)(strrchr(contents, '/') - contents), contents) > 0);
	return exists(link);
}

/* What a power cut does: the top is as it was. */
static void empty_file(const char *contents)
{
	scoped_free char *file = NULL;

	assert_true(asprintf(&file, "%s/sub/data", contents) > 0);
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(truncate(file, 0), 0);
	assert_int_equal(chmod(file, 0444), 0);
}

static struct nar_digest digest_of(const char *path)
{
	struct err e = ERR_INIT;
	struct nar_digest is;

	assert_ok(&e, nar_digest(&(struct nar_tree){AT_FDCWD, path, path, NAR_DEPTH_MAX}, NULL, &is,
				 &e));
	return is;
}

static void what_another_boot_has_lost_is_made_anew(void **state)
{
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct err e = ERR_INIT;
	struct source s;

	source_init(&s, "tree");
	pin(c, &s, 1);
	get(c, &s);
	scoped_free char *path = path_of(c, &s);
	empty_file(path);
	/* Within one boot what was written is there, and not read again. */
	assert_int_equal(input_cache_has(c, &s.item.sha256, &e), 1);
	assert_true(names_boot(path));
	set_boot(path, "another");
	assert_int_equal(input_cache_has(c, &s.item.sha256, &e), 0);
	get(c, &s);
	const struct nar_digest is = digest_of(path);
	assert_true(hash_equal(&is.sha256, &s.item.sha256));
	assert_int_equal(input_cache_has(c, &s.item.sha256, &e), 1);
	assert_true(names_boot(path));
}

static void what_another_boot_has_left_whole_is_compared_once(void **state)
{
	scoped_fd int calls = open(in_dir("calls"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct err e = ERR_INIT;
	struct source s;

	source_init(&s, "tree");
	s.calls_fd = calls;
	pin(c, &s, 1);
	get(c, &s);
	scoped_free char *path = path_of(c, &s);
	set_boot(path, "another");
	get(c, &s);
	assert_false(names_boot(path));
	/* Not again. */
	empty_file(path);
	get(c, &s);
	assert_int_equal(input_cache_has(c, &s.item.sha256, &e), 1);
	assert_int_equal(lseek(calls, 0, SEEK_END), 1);
}

static void what_is_written_at_once_names_no_boot(void **state)
{
	const struct input_cache_options o = {in_dir("cache"), 1000000, true};
	scoped_input_cache struct input_cache *c = start(&o);
	struct source s;

	source_init(&s, "tree");
	pin(c, &s, 1);
	get(c, &s);
	scoped_free char *path = path_of(c, &s);
	assert_false(names_boot(path));
}

static void truncated_files_are_seen(void **state)
{
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s;
	struct stat st;

	source_init(&s, "file");
	pin(c, &s, 1);
	get(c, &s);
	scoped_free char *path = path_of(c, &s);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(chmod(path, 0444), 0);
	get(c, &s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, strlen("file"));
}

/* ---- many ---- */

static void many_processes_unpack_an_entry_once(void **state)
{
	scoped_fd int calls = open(in_dir("calls"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	pid_t pids[8];

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		struct err e = ERR_INIT;
		const struct input_cache_options o = {in_dir("cache"), 1000000, false};
		struct input_cache *c = input_cache_open(&o, &e);
		struct source s;
		source_init(&s, "tree");
		s.calls_fd = calls;
		s.pause_ms = 100;
		const struct hash *h = &s.item.sha256;
		if (!c || input_cache_start(c, &e) < 0 || input_cache_pin(c, &h, 1, &e) < 0 ||
		    input_cache_get(c, &s.item, true, &e) != 1)
			_exit(1);
		_exit(is_there(c, &s) ? 0 : 2);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(lseek(calls, 0, SEEK_END), 1);
	assert_int_equal(count_in("cache/making"), 0);
}

/* In a child: unpack the tree, which takes forever, and say so. Its pid. */
static pid_t start_to_unpack(void)
{
	char byte;
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		struct err e = ERR_INIT;
		const struct input_cache_options o = {in_dir("cache"), 1000000, false};
		struct input_cache *c = input_cache_open(&o, &e);
		struct source s;
		source_init(&s, "tree");
		s.calls_fd = ready[1];
		s.pause_ms = 60000;
		const struct hash *h = &s.item.sha256;
		_exit(c && input_cache_start(c, &e) == 0 && input_cache_pin(c, &h, 1, &e) == 0 &&
		      input_cache_get(c, &s.item, true, &e) == 1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_killed_process_leaves_what_the_next_removes(void **state)
{
	kill_and_reap(start_to_unpack());
	assert_int_equal(count_in("cache/runs"), 1);
	assert_int_equal(count_in("cache/entries"), 0);

	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s;
	assert_int_equal(count_in("cache/runs"), 1); /* our own */
	assert_int_equal(count_in("cache/making"), 0);
	source_init(&s, "tree");
	pin(c, &s, 1);
	get(c, &s);
	assert_true(is_there(c, &s));
	assert_int_equal(count_in("cache/making"), 0);
}

static void waits_only_if_asked_to(void **state)
{
	struct err e = ERR_INIT;
	const pid_t pid = start_to_unpack();
	scoped_input_cache struct input_cache *c = open_of(1000000);
	struct source s;

	assert_int_equal(count_in("cache/runs"), 2); /* the living one stays */
	source_init(&s, "tree");
	pin(c, &s, 1);
	assert_int_equal(input_cache_get(c, &s.item, false, &e), 0);
	assert_false(is_there(c, &s));
	kill_and_reap(pid);
	assert_int_equal(input_cache_get(c, &s.item, false, &e), 1);
}

/* ---- removing ---- */

/* A run that has these, in this order, and ends. */
static void use(const char *const *names, uint64_t max_bytes)
{
	for (; *names; names++) {
		scoped_input_cache struct input_cache *c = open_of(max_bytes);
		struct source s;

		source_init(&s, *names);
		pin(c, &s, 1);
		get(c, &s);
		nanosleep(&(struct timespec){0, 5000000}, NULL); /* file systems count in jiffies */
	}
}

static void trim(struct input_cache *c)
{
	struct err e = ERR_INIT;

	assert_ok(&e, input_cache_trim(c, &e));
}

static void removes_what_was_not_used_for_longest(void **state)
{
	struct source s[3];
	uint64_t two;

	use((const char *const[]){"file", "other", "third", "file", NULL}, 1000000);
	source_init(&s[0], "file");
	source_init(&s[1], "other");
	source_init(&s[2], "third");
	two = s[0].item.size_bytes + s[2].item.size_bytes;

	scoped_input_cache struct input_cache *c = open_of(two);
	trim(c);
	assert_true(is_there(c, &s[0]));
	assert_false(is_there(c, &s[1]));
	assert_true(is_there(c, &s[2]));
	trim(c);
	assert_int_equal(count_in("cache/entries"), 2);
}

static void never_removes_what_a_living_run_has_pinned(void **state)
{
	struct err e = ERR_INIT;
	struct input_cache *user = open_of(0);
	struct source s;

	source_init(&s, "tree");
	pin(user, &s, 1);
	get(user, &s);
	trim(user);
	assert_true(is_there(user, &s));

	scoped_input_cache struct input_cache *c = open_of(0);
	trim(c);
	assert_true(is_there(c, &s));

	/* Who holds the descriptor keeps it, though the process that pinned it has gone. */
	scoped_fd int held = dup(input_cache_fd(user));
	input_cache_leave_run_dir(user);
	scoped_free char *run_dir = str_dup(input_cache_run_dir(user), &e);
	input_cache_free(user);
	trim(c);
	assert_true(is_there(c, &s));
	close(TAKE(held, -1));
	assert_true(exists(run_dir));
	trim(c);
	assert_false(is_there(c, &s));
}

static void removes_what_is_no_entry(void **state)
{
	scoped_input_cache struct input_cache *c = open_of(1000000);

	assert_int_equal(mkdir(in_dir("cache/entries/rubbish"), 0755), 0);
	use((const char *const[]){"file", NULL}, 1000000);
	trim(c);
	assert_false(exists(in_dir("cache/entries/rubbish")));
	assert_int_equal(count_in("cache/entries"), 1);
}

/* ---- the directory ---- */

/* So that a run's directory can be on its supervisor's list before it exists. */
static void makes_nothing_for_a_run_that_is_not_started(void **state)
{
	struct err e = ERR_INIT;
	const struct input_cache_options o = {in_dir("cache"), 0, false};
	scoped_input_cache struct input_cache *c = input_cache_open(&o, &e);

	assert_ok(&e, c ? 0 : -1);
	assert_int_equal(count_in("cache/runs"), 0);
	assert_int_equal(input_cache_fd(c), -1);
	assert_ok(&e, input_cache_start(c, &e));
	assert_true(exists(input_cache_run_dir(c)));
	assert_true(input_cache_fd(c) >= 0);
}

static void refuses_a_cache_that_others_may_write_to(void **state)
{
	struct err e = ERR_INIT;
	const struct input_cache_options o = {in_dir("cache"), 0, false};

	input_cache_free(open_of(0));
	assert_int_equal(chmod(in_dir("cache"), 0777), 0);
	assert_err(&e, input_cache_open(&o, &e) ? 0 : -1, "nobody else may write to it");
	assert_int_equal(chmod(in_dir("cache"), 0755), 0);
	assert_int_equal(chmod(in_dir("cache/entries"), 0775), 0);
	assert_err(&e, input_cache_open(&o, &e) ? 0 : -1, "nobody else may write to it");
}

static void refuses_a_link_in_the_place_of_a_part(void **state)
{
	struct err e = ERR_INIT;
	const struct input_cache_options o = {in_dir("cache"), 0, false};

	input_cache_free(open_of(0));
	assert_int_equal(rmdir(in_dir("cache/entries")), 0);
	assert_int_equal(symlink(dir, in_dir("cache/entries")), 0);
	assert_err(&e, input_cache_open(&o, &e) ? 0 : -1, "entries");
}

static void others_may_look_whatever_umask_is(void **state)
{
	const mode_t mask = umask(077);
	struct source s;
	struct stat st;

	scoped_input_cache struct input_cache *c = open_of(1000000);
	source_init(&s, "tree");
	pin(c, &s, 1);
	get(c, &s);
	umask(mask);
	scoped_free char *path = path_of(c, &s);
	for (char *slash; strlen(path) > strlen(dir); *slash = '\0') {
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0555, 0555);
		slash = strrchr(path, '/');
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(unpacks_once_and_finds_it_again, setup),
		cmocka_unit_test_setup(has_trees_files_and_links_as_a_store_has_them, setup),
		cmocka_unit_test_setup(refuses_other_contents_and_leaves_nothing, setup),
		cmocka_unit_test_setup(refuses_another_size, setup),
		cmocka_unit_test_setup(a_failed_write_leaves_nothing, setup),
		cmocka_unit_test_setup(makes_a_damaged_entry_anew, setup),
		cmocka_unit_test_setup(what_another_boot_has_lost_is_made_anew, setup),
		cmocka_unit_test_setup(what_another_boot_has_left_whole_is_compared_once, setup),
		cmocka_unit_test_setup(what_is_written_at_once_names_no_boot, setup),
		cmocka_unit_test_setup(truncated_files_are_seen, setup),
		cmocka_unit_test_setup(many_processes_unpack_an_entry_once, setup),
		cmocka_unit_test_setup(a_killed_process_leaves_what_the_next_removes, setup),
		cmocka_unit_test_setup(waits_only_if_asked_to, setup),
		cmocka_unit_test_setup(removes_what_was_not_used_for_longest, setup),
		cmocka_unit_test_setup(never_removes_what_a_living_run_has_pinned, setup),
		cmocka_unit_test_setup(removes_what_is_no_entry, setup),
		cmocka_unit_test_setup(makes_nothing_for_a_run_that_is_not_started, setup),
		cmocka_unit_test_setup(refuses_a_cache_that_others_may_write_to, setup),
		cmocka_unit_test_setup(refuses_a_link_in_the_place_of_a_part, setup),
		cmocka_unit_test_setup(others_may_look_whatever_umask_is, setup),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
