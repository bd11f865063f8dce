/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "hook/bundle/bundle.h"
#include "hook/runtime/fit.h"
#include "hook/runtime/memdir.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#define DIGITS "00000000000000000000000000000000"

static char dir[] = "/tmp/test_bundle.XXXXXX";

struct fixture {
	struct request r;
	struct spec_host h;
	char path[64]; /* of the bundle */
	struct bundle b;
	struct bundle_job job;
};

/* PATH below the test's directory. */
static const char *in_dir(const char *path)
{
	static char text[4][256];
	static unsigned next;
	char *s = text[next++ % 4];

	snprintf(s, sizeof text[0], "%s/%s", dir, path);
	return s;
}

static void add_inputs(struct request *r)
{
	struct err e = ERR_INIT;
	const struct timespec old[2] = {{1, 0}, {1, 0}};

	mkdir(in_dir("a"), 0755);
	close(open(in_dir("f"), O_CREAT | O_WRONLY, 0444));
	if (symlink("/some/where", in_dir("l")) == 0)
		utimensat(AT_FDCWD, in_dir("l"), old, AT_SYMLINK_NOFOLLOW);
	assert_ok(&e, req_add_input(r, DIGITS "-a", in_dir("a"), NULL, &e));
	assert_ok(&e, req_add_input(r, DIGITS "-f", in_dir("f"), NULL, &e));
	assert_ok(&e, req_add_input(r, DIGITS "-l", in_dir("l"), NULL, &e));
}

static int setup(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = calloc(1, sizeof *f);
	struct request *r = &f->r;

	*state = f;
	f->b = (struct bundle)BUNDLE_INIT;
	snprintf(f->path, sizeof f->path, "%s/x.chroot", dir);
	f->job = (struct bundle_job){.path = f->path,
				     .mem_dirfd = -1,
				     .request = &f->r,
				     .profile = SPEC_NIX,
				     .host = &f->h};
	spec_host_init(&f->h);
	r->name = str_dup("x", &e);
	r->working_dir = str_dup("build", &e);
	r->inputs_dir = str_dup("nix/store", &e);
	r->constraints.system = str_dup("x86_64-linux", &e);
	assert_ok(&e, strv_add(&r->args, "/bin/sh", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "build", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "nix/store", &e));
	assert_ok(&e, req_add_output(r, "out", "nix/store/" DIGITS "-x", &e));
	add_inputs(r);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	bundle_done(&f->b);
	assert_ok(&e, bundle_remove(f->path, &e));
	req_done(&f->r);
	free(f);
	return 0;
}

static void create(struct fixture *f)
{
	struct err e = ERR_INIT;

	bundle_done(&f->b);
	assert_ok(&e, bundle_create(&f->job, &f->b, &e));
}

static struct stat stat_of(const struct fixture *f, const char *path)
{
	struct stat st;

	if (fstatat(f->b.dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s is not there", path);
	return st;
}

static void assert_mode(const struct fixture *f, const char *path, mode_t mode)
{
	mode_t is = stat_of(f, path).st_mode;

	if (is != mode)
		fail_msg("%s has mode %o, not %o", path, is, mode);
}

static void assert_link(const struct fixture *f, const char *path, const char *target)
{
	char text[256];
	ssize_t n = readlinkat(f->b.dirfd, path, text, sizeof text - 1);

	if (n < 0)
		fail_msg("%s is no link", path);
	text[n] = '\0';
	assert_string_equal(text, target);
}

static void assert_content(const struct fixture *f, const char *path, const char *content)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);

	assert_ok(&e, io_read_file(f->b.dirfd, path, &b, &e));
	assert_string_equal(b.data ? b.data : "", content);
}

static bool is_there(const struct fixture *f, const char *path)
{
	return faccessat(f->b.dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool config_has(const struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 20);

	assert_ok(&e, io_read_file(f->b.dirfd, "config.json", &b, &e));
	return strstr(b.data, text) != NULL;
}

static void modes_are_those_of_nix(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *path;
		mode_t mode;
	} want[] = {
		{".", S_IFDIR | 0700},
		{"root", S_IFDIR | 0750},
		{"root/etc", S_IFDIR | 0555},
		{"root/etc/passwd", S_IFREG | 0644},
		{"root/etc/group", S_IFREG | 0644},
		{"root/etc/hosts", S_IFREG | 0644},
		{"root/tmp", S_IFDIR | 01777},
		{"root/build", S_IFDIR | 0755},
		{"root/nix", S_IFDIR | 0755},
		{"root/nix/store", S_IFDIR | 0755},
		{"root/proc", S_IFDIR | 0755},
		{"root/dev", S_IFDIR | 0755},
		{"root/dev/zero", S_IFREG | 0644},
		{"root/dev/shm", S_IFDIR | 01777},
		{"root/dev/pts", S_IFDIR | 0755},
		{"scratch/build", S_IFDIR | 0700},
		{"scratch/nix-store", S_IFDIR | 01775},
		{"scratch/nix-store/" DIGITS "-a", S_IFDIR | 0755},
		{"scratch/nix-store/" DIGITS "-f", S_IFREG | 0644},
	};
	mode_t before = umask(027), after;

	create(f);
	after = umask(before);
	assert_int_equal(after, 027);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_mode(f, want[i].path, want[i].mode);
	assert_false(is_there(f, "root/sys"));
	assert_false(is_there(f, "root/dev/core"));
	assert_false(is_there(f, "root/etc/nsswitch.conf"));
}

static void etc_and_dev_are_those_of_nix(void **state)
{
	struct fixture *f = *state;

	create(f);
	assert_content(f, "root/etc/passwd",
		       "root:x:0:0:Nix build user:/build:/noshell\n"
		       "nixbld:x:1000:100:Nix build user:/build:/noshell\n"
		       "nobody:x:65534:65534:Nobody:/:/noshell\n");
	assert_content(f, "root/etc/group", "root:x:0:\nnixbld:!:100:\nnogroup:x:65534:\n");
	assert_content(f, "root/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
	assert_link(f, "root/dev/fd", "/proc/self/fd");
	assert_link(f, "root/dev/stdin", "/proc/self/fd/0");
	assert_link(f, "root/dev/stdout", "/proc/self/fd/1");
	assert_link(f, "root/dev/stderr", "/proc/self/fd/2");
	assert_link(f, "root/dev/ptmx", "/dev/pts/ptmx");
}

static void a_build_with_network_gets_the_machines_files(void **state)
{
	struct fixture *f = *state;

	f->r.constraints.network = true;
	f->h.has_resolv_conf = true;
	f->h.ca_bundle = "/etc/passwd";
	create(f);
	assert_content(f, "root/etc/nsswitch.conf", "hosts: files dns\nservices: files\n");
	assert_false(is_there(f, "root/etc/hosts"));
	assert_mode(f, "root/etc/resolv.conf", S_IFREG | 0644);
	assert_mode(f, "root/etc/ssl/certs", S_IFDIR | 0755);
	assert_mode(f, "root/etc/ssl/certs/ca-certificates.crt", S_IFREG | 0644);
}

static void links_are_made_again_with_their_time_and_not_mounted(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_host_path(&f->r, "/opt/l", in_dir("l"), false, false, &e));
	create(f);
	assert_link(f, "scratch/nix-store/" DIGITS "-l", "/some/where");
	assert_int_equal(stat_of(f, "scratch/nix-store/" DIGITS "-l").st_mtime, 1);
	assert_link(f, "root/opt/l", "/some/where");
	assert_int_equal(stat_of(f, "root/opt/l").st_mtime, 1);
	assert_true(config_has(f, DIGITS "-a"));
	assert_false(config_has(f, DIGITS "-l"));
	assert_false(config_has(f, "/opt/l"));
}

static void inputs_that_are_files_are_mounted_on_one_file(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_input(&f->r, DIGITS "-g", in_dir("f"), NULL, &e));
	assert_ok(&e, req_add_input(&f->r, DIGITS "-h", in_dir("f"), NULL, &e));
	create(f);
	assert_int_equal(stat_of(f, "scratch/nix-store/" DIGITS "-f").st_nlink, 3);
	assert_int_equal(stat_of(f, "scratch/nix-store/" DIGITS "-f").st_ino,
			 stat_of(f, "scratch/nix-store/" DIGITS "-h").st_ino);
	assert_true(config_has(f, DIGITS "-g"));
}

static void host_paths_get_mount_points_where_they_will_be_seen(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_host_path(&f->r, "/usr/a", in_dir("a"), false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/build/in/f", in_dir("f"), false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/nix/store/z", in_dir("a"), false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/gone", in_dir("gone"), true, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/p", "/proc", false, false, &e));
	create(f);
	assert_mode(f, "root/usr/a", S_IFDIR | 0755);
	assert_mode(f, "scratch/build/in/f", S_IFREG | 0644);
	assert_mode(f, "scratch/nix-store/z", S_IFDIR | 0755);
	assert_false(is_there(f, "root/gone"));
	assert_false(is_there(f, "root/p"));
	assert_false(config_has(f, "/gone"));
	assert_true(config_has(f, "\"/usr/a\""));
}

static void mount_points_behind_a_link_are_left_to_the_runtime(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	if (symlink(dir, in_dir("out")) < 0)
		assert_int_equal(errno, EEXIST);
	assert_ok(&e, req_add_host_path(&f->r, "/lib", in_dir("out"), false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/lib/made/f", in_dir("f"), false, false, &e));
	create(f);
	assert_link(f, "root/lib", dir);
	assert_int_equal(access(in_dir("made"), F_OK), -1);
	assert_true(config_has(f, "\"/lib/made/f\""));
}

static void files_are_laid_out_with_their_modes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_file(&f->r, "build/.attrs.sh", 0644, "a\0b", 3, &e));
	assert_ok(&e, req_add_file(&f->r, "build/sub/dir/x", 0700, "x", 1, &e));
	assert_ok(&e, req_add_file(&f->r, "bin/sh", 0555, "#!", 2, &e));
	create(f);
	assert_mode(f, "scratch/build/.attrs.sh", S_IFREG | 0644);
	assert_int_equal(stat_of(f, "scratch/build/.attrs.sh").st_size, 3);
	assert_mode(f, "scratch/build/sub/dir/x", S_IFREG | 0700);
	assert_mode(f, "root/bin/sh", S_IFREG | 0555);
}

static void a_file_cannot_be_laid_out_twice_or_behind_a_link(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_file(&f->r, "etc/passwd", 0644, "root::0:0:::\n", 13, &e));
	assert_err(&e, bundle_create(&f->job, &f->b, &e), "laying out the file 'etc/passwd'");
	assert_int_equal(access(f->path, F_OK), -1);
	free(f->r.files[0].path);
	free(f->r.files[0].contents);
	f->r.n_files = 0;
	assert_ok(&e, req_add_host_path(&f->r, "/lib", in_dir("l"), false, false, &e));
	assert_ok(&e, req_add_file(&f->r, "lib/x", 0644, "", 0, &e));
	assert_err(&e, bundle_create(&f->job, &f->b, &e), "'lib/x' lies behind a file or a link");
	assert_int_equal(access(f->path, F_OK), -1);
}

static void what_is_missing_is_named_and_nothing_is_left(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_add_host_path(&f->r, "/gone", in_dir("gone"), false, false, &e));
	assert_err(&e, bundle_create(&f->job, &f->b, &e), "/gone': No such file");
	assert_int_equal(access(f->path, F_OK), -1);
	assert_ok(&e, req_add_host_path(&f->r, "/gone", in_dir("gone"), true, false, &e));
	assert_ok(&e, req_add_input(&f->r, DIGITS "-z", in_dir("gone"), NULL, &e));
	assert_err(&e, bundle_create(&f->job, &f->b, &e), "getting attributes of path '");
	assert_ok(&e, req_add_input(&f->r, DIGITS "-z", NULL, NULL, &e));
	assert_err(&e, bundle_create(&f->job, &f->b, &e), "where the input '" DIGITS "-z' is");
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_configuration_that_cannot_be_said_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(&e, req_set_env(&f->r, "A", "\xff", 1, &e));
	assert_err(&e, bundle_create(&f->job, &f->b, &e), "variable 'A' is not UTF-8");
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_stale_bundle_is_replaced_and_links_are_not_followed(void **state)
{
	struct fixture *f = *state;

	create(f);
	close(openat(f->b.dirfd, "scratch/build/old", O_CREAT | O_WRONLY, 0600));
	create(f);
	assert_false(is_there(f, "scratch/build/old"));
	bundle_done(&f->b);
	struct err e = ERR_INIT;
	assert_ok(&e, bundle_remove(f->path, &e));
	assert_int_equal(symlink(in_dir("a"), f->path), 0);
	create(f);
	assert_int_equal(rmdir(in_dir("a")), 0);
	assert_int_equal(mkdir(in_dir("a"), 0755), 0);
}

static void paths_of_build_and_outputs_are_told(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct stat a, b;

	free(f->r.working_dir);
	f->r.working_dir = str_dup("build/sub", &e);
	create(f);
	assert_string_equal(f->b.path, f->path);
	assert_string_equal(f->b.build_dir, in_dir("x.chroot/scratch/build/sub"));
	assert_string_equal(f->b.output_dir, in_dir("x.chroot/scratch/nix-store"));
	assert_int_equal(fstat(f->b.output_dirfd, &a), 0);
	b = stat_of(f, "scratch/nix-store");
	assert_true(a.st_ino == b.st_ino);
}

static void owners_are_those_of_nix(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const struct build_user user = {12345, 23456, 1, -1};

	/* Only root can give files away; the CI runs as root. */
	if (geteuid() != 0)
		return;
	assert_ok(&e, req_add_file(&f->r, "build/sub/x", 0644, "", 0, &e));
	f->h.uid_map[0] = (struct spec_idmap){1000, 12345, 1};
	f->h.n_uid_map = 1;
	f->job.user = &user;
	assert_ok(&e, bundle_create(&f->job, &f->b, &e));
	/* crun looks in as the build's user then. */
	assert_int_equal(stat_of(f, ".").st_uid, 12345);
	assert_int_equal(stat_of(f, "root").st_uid, 0);
	assert_int_equal(stat_of(f, "root").st_gid, 23456);
	assert_int_equal(stat_of(f, "root/etc").st_uid, 0);
	assert_int_equal(stat_of(f, "root/etc").st_gid, 0);
	assert_int_equal(stat_of(f, "scratch/build").st_uid, 12345);
	assert_int_equal(stat_of(f, "scratch/build").st_gid, 23456);
	assert_int_equal(stat_of(f, "scratch/build/sub").st_uid, 12345);
	assert_int_equal(stat_of(f, "scratch/build/sub/x").st_uid, 12345);
	assert_int_equal(stat_of(f, "scratch/nix-store").st_uid, 0);
	assert_int_equal(stat_of(f, "scratch/nix-store").st_gid, 23456);
	assert_mode(f, "scratch/nix-store", S_IFDIR | 01775);
	assert_int_equal(stat_of(f, "scratch/nix-store/" DIGITS "-a").st_uid, 0);

	spec_host_init(&f->h);
	bundle_done(&f->b);
	f->job.user = &user;
	assert_ok(&e, bundle_create(&f->job, &f->b, &e));
	assert_int_equal(stat_of(f, ".").st_uid, 0);
}

/* Where the tests run as root in a container, making a device may be forbidden. */
static bool can_make_devices(void)
{
	bool can = mknod(in_dir("null"), S_IFCHR | 0666, makedev(1, 3)) == 0 &&
		   access(in_dir("null"), R_OK) == 0;
	scoped_fd int fd = can ? open(in_dir("null"), O_RDWR | O_CLOEXEC) : -1;

	unlink(in_dir("null"));
	return fd >= 0;
}

static void a_runtime_with_roots_power_gets_a_null_device_of_its_own(void **state)
{
	struct fixture *f = *state;
	const struct spec_idmap build = {1000, 12345, 1};

	create(f);
	assert_int_equal(S_ISCHR(stat_of(f, "root/dev/null").st_mode), can_make_devices());
	assert_int_equal(config_has(f, "\"/dev/null\""), !can_make_devices());
	f->h.uid_map[0] = build;
	f->h.n_uid_map = 1;
	create(f);
	assert_mode(f, "root/dev/null", S_IFREG | 0644);
	assert_true(config_has(f, "\"/dev/null\""));
	f->h.userns = false;
	create(f);
	assert_int_equal(S_ISCHR(stat_of(f, "root/dev/null").st_mode), can_make_devices());
}

static void a_range_of_ids_owns_root_and_etc(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const struct build_user user = {1u << 20, 1u << 20, 65536, -1};

	f->r.constraints.uid_range = true;
	f->h.uid_map[0] = f->h.gid_map[0] = (struct spec_idmap){0, 1u << 20, 65536};
	f->h.n_uid_map = f->h.n_gid_map = 1;
	f->h.uid = f->h.gid = 0;
	f->job.user = geteuid() == 0 ? &user : NULL;
	assert_ok(&e, bundle_create(&f->job, &f->b, &e));
	assert_mode(f, "root", S_IFDIR | 0755);
	assert_mode(f, "root/etc", S_IFDIR | 0755);
	assert_mode(f, "root/sys", S_IFDIR | 0755);
	assert_content(f, "root/etc/group", "root:x:0:\nnixbld:!:0:\nnogroup:x:65534:\n");
	/* crun would give the machine's to the range's first user. */
	assert_int_equal(S_ISCHR(stat_of(f, "root/dev/null").st_mode), can_make_devices());
	if (geteuid() != 0)
		return;
	assert_int_equal(stat_of(f, "root").st_uid, 1u << 20);
	assert_int_equal(stat_of(f, "root/etc").st_uid, 1u << 20);
}

static void tvix_has_an_empty_etc(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	f->job.profile = SPEC_TVIX;
	assert_ok(&e, bundle_create(&f->job, &f->b, &e));
	assert_false(is_there(f, "root/etc/passwd"));
	assert_false(is_there(f, "root/dev/null"));
	assert_mode(f, "root/sys", S_IFDIR | 0755);
	assert_true(config_has(f, "\"readonly\": true"));
}

static void what_a_build_can_fill_is_on_the_disk(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct stat st;
	char path[sizeof f->path + 32];
	scoped_memdir struct memdir mem = MEMDIR_INIT;

	if (!memdir_new(&mem))
		skip(); /* needs root and Linux 5.2 */
	struct statvfs fs;
	assert_int_equal(fstatvfs(mem.dirfd, &fs), 0);
	assert_int_equal(fs.f_blocks * fs.f_frsize, 256 << 20);
	assert_true(bundle_fits_memory(&f->r, SPEC_NIX));
	f->job.mem_dirfd = mem.dirfd;
	assert_ok(&e, bundle_create(&f->job, &f->b, &e));
	assert_mode(f, "root/etc/passwd", S_IFREG | 0644);
	assert_mode(f, "scratch", S_IFDIR | 0755);
	assert_false(is_there(f, "scratch/build"));
	assert_true(config_has(f, "\"source\": \"scratch/tmp\""));
	snprintf(path, sizeof path, "%s/scratch/tmp", f->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_string_equal(f->b.build_dir + strlen(f->path), "/scratch/build");
	snprintf(path, sizeof path, "%s/root", f->path);
	assert_int_equal(stat(path, &st), -1);
}

static void not_all_bundles_fit_in_memory(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	f->r.constraints.uid_range = true;
	assert_false(bundle_fits_memory(&f->r, SPEC_NIX));
	f->r.constraints.uid_range = false;
	assert_ok(&e, strv_add(&f->r.scratch_paths, "tmp/build", &e));
	assert_false(bundle_fits_memory(&f->r, SPEC_NIX));
}

/* A machine as the hook describes it: the build's ids only. */
static void map_build_only(struct spec_host *h)
{
	spec_host_init(h);
	h->uid_map[0] = h->uid_map[1];
	h->gid_map[0] = h->gid_map[1];
	h->n_uid_map = h->n_gid_map = 1;
}

static void only_crun_does_without_root_in_the_namespace(void **state)
{
	struct spec_host h;

	map_build_only(&h);
	runtime_fit_host(&h, RUNTIME_CRUN, "/usr/x.chroot");
	assert_int_equal(h.n_uid_map, 1);
	assert_int_equal(h.uid_map[0].inside, 1000);
	assert_true(h.ram_bytes > 0);
	runtime_fit_host(&h, RUNTIME_RUNC, "/usr/x.chroot");
	assert_int_equal(h.n_uid_map, 2);
	assert_int_equal(h.uid_map[0].inside, 0);
	assert_int_equal(h.uid_map[0].outside, 0);
	assert_int_equal(h.uid_map[1].inside, 1000);
	assert_int_equal(h.gid_map[1].inside, 100);
	runtime_fit_host(&h, RUNTIME_RUNSC, "/usr/x.chroot");
	assert_int_equal(h.n_uid_map, 2);
	assert_int_equal(h.last_cap, SPEC_CAP_PORTABLE);
}

static void crun_needs_root_where_not_everybody_may_go(void **state)
{
	struct spec_host h;

	/* The test's directory is 0700. */
	map_build_only(&h);
	runtime_fit_host(&h, RUNTIME_CRUN, in_dir("x.chroot"));
	assert_int_equal(h.n_uid_map, 2);
}

static void without_root_there_is_one_id(void **state)
{
	struct spec_host h;

	map_build_only(&h);
	h.rootless = true;
	runtime_fit_host(&h, RUNTIME_CRUN, in_dir("x.chroot"));
	assert_int_equal(h.n_uid_map, 1);
	assert_int_equal(h.uid, 1000);
	runtime_fit_host(&h, RUNTIME_RUNC, in_dir("x.chroot"));
	assert_int_equal(h.n_uid_map, 1);
	assert_int_equal(h.uid_map[0].inside, 0);
	assert_int_equal(h.uid, 0);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct err e = ERR_INIT;

	return io_rmtree(AT_FDCWD, dir, dir, &e);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(modes_are_those_of_nix),
		CASE(etc_and_dev_are_those_of_nix),
		CASE(a_build_with_network_gets_the_machines_files),
		CASE(links_are_made_again_with_their_time_and_not_mounted),
		CASE(inputs_that_are_files_are_mounted_on_one_file),
		CASE(host_paths_get_mount_points_where_they_will_be_seen),
		CASE(mount_points_behind_a_link_are_left_to_the_runtime),
		CASE(files_are_laid_out_with_their_modes),
		CASE(a_file_cannot_be_laid_out_twice_or_behind_a_link),
		CASE(what_is_missing_is_named_and_nothing_is_left),
		CASE(a_configuration_that_cannot_be_said_leaves_nothing),
		CASE(a_stale_bundle_is_replaced_and_links_are_not_followed),
		CASE(paths_of_build_and_outputs_are_told),
		CASE(owners_are_those_of_nix),
		CASE(a_runtime_with_roots_power_gets_a_null_device_of_its_own),
		CASE(a_range_of_ids_owns_root_and_etc),
		CASE(tvix_has_an_empty_etc),
		CASE(what_a_build_can_fill_is_on_the_disk),
		CASE(not_all_bundles_fit_in_memory),
		CASE(only_crun_does_without_root_in_the_namespace),
		CASE(crun_needs_root_where_not_everybody_may_go),
		CASE(without_root_there_is_one_id),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("bundle", tests, make_dir, remove_dir);
}
