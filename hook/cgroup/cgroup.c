/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "hook/cgroup/cgroup_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PROC_FILE_MAX (1 << 20)
#define DEPTH_MAX 32 /* levels of groups below the group of a build */
/* A second in all; the first looks are short, since most groups are empty at once. */
#define REMOVE_TRIES 205
#define REMOVE_FIRST_NS 100000L
#define REMOVE_WAIT_NS 5000000L

/* Tell in *RET whether PATH is there, for this user, and on a file system of the type MAGIC. */
static int fs_is(const char *path, long magic, bool *ret, struct err *e)
{
	struct statfs fs = {0};

	if (statfs(path, &fs) < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
		return err_sys(e, "looking for control groups at '%s'", path);
	*ret = (long)fs.f_type == magic;
	return 0;
}

int cgroup_layout_detect(enum cgroup_layout *ret, struct err *e)
{
	static const char *const v1[] = {
		CGROUP_ROOT "/memory", CGROUP_ROOT "/pids",    CGROUP_ROOT "/cpu",
		CGROUP_ROOT "/cpuset", CGROUP_ROOT "/devices", CGROUP_ROOT "/systemd",
	};
	bool v2, unified, is_v1 = false;

	if (fs_is(CGROUP_ROOT, CGROUP2_SUPER_MAGIC, &v2, e) < 0 ||
	    fs_is(CGROUP_ROOT "/unified", CGROUP2_SUPER_MAGIC, &unified, e) < 0)
		return -1;
	for (size_t i = 0; !v2 && !unified && !is_v1 && i < ARRAY_SIZE(v1); i++)
		if (fs_is(v1[i], CGROUP_SUPER_MAGIC, &is_v1, e) < 0)
			return -1;
	*ret = v2 ? CGROUP_V2 : unified ? CGROUP_HYBRID : is_v1 ? CGROUP_V1 : CGROUP_NONE;
	return 0;
}

static const char *line_end(const char *p)
{
	return strchrnul(p, '\n');
}

static const char *next_line(const char *p)
{
	const char *end = line_end(p);

	return *end ? end + 1 : end;
}

/* Return the word at *P, and move *P past it and one blank. */
static struct bytes next_word(const char **p, const char *end)
{
	struct bytes w = {*p, 0};

	while (*p < end && **p != ' ')
		++*p;
	w.len = (size_t)(*p - w.data);
	if (*p < end)
		++*p;
	return w;
}

static bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool bytes_eq_s(struct bytes a, const char *s)
{
	return bytes_eq(a, (struct bytes){s, strlen(s)});
}

/* Tell whether the comma-separated LIST contains every word of the comma-separated WORDS. */
static bool list_has_all(struct bytes list, struct bytes words)
{
	const char *end = words.data + words.len;

	for (const char *p = words.data; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct bytes word = {p, (size_t)((comma ? comma : end) - p)};
		bool found = false;

		for (const char *q = list.data; q < list.data + list.len;) {
			const char *list_end = list.data + list.len;
			const char *c = memchr(q, ',', (size_t)(list_end - q));

			found = found ||
				bytes_eq((struct bytes){q, (size_t)((c ? c : list_end) - q)}, word);
			q = c ? c + 1 : list_end;
		}
		if (!found)
			return false;
		p = comma ? comma + 1 : end;
	}
	return true;
}

struct hierarchy {
	struct bytes controllers; /* "" for cgroup v2 */
	struct bytes path;
};

/* Parse LINE, `N:controllers:/path` (cgroups(7)). False: it is none. */
static bool parse_hierarchy(const char *line, struct hierarchy *ret)
{
	const char *end = line_end(line);
	const char *a = memchr(line, ':', (size_t)(end - line));
	const char *b = a ? memchr(a + 1, ':', (size_t)(end - a - 1)) : NULL;

	if (!b)
		return false;
	ret->controllers = (struct bytes){a + 1, (size_t)(b - a - 1)};
	ret->path = (struct bytes){b + 1, (size_t)(end - b - 1)};
	return true;
}

static bool find_hierarchy(const char *text, struct bytes controllers, struct hierarchy *ret)
{
	for (const char *p = text; *p; p = next_line(p))
		if (parse_hierarchy(p, ret) && bytes_eq(ret->controllers, controllers))
			return true;
	return false;
}

bool cgroup_lists(const char *text, const char *list, const char *controller)
{
	const struct bytes wanted = {controller, strlen(controller)};

	for (const char *p = text; *p; p = next_line(p)) {
		struct hierarchy h;

		if (parse_hierarchy(p, &h) && h.controllers.len &&
		    list_has_all(h.controllers, wanted))
			return true;
	}
	for (const char *p = list, *end = line_end(list); p < end;)
		if (bytes_eq(next_word(&p, end), wanted))
			return true;
	return false;
}

/*
 * Find the mount of the hierarchy that has CONTROLLERS: its mount point, and which cgroup is the
 * root of the mount.
 */
static bool find_mount(const char *mountinfo, struct bytes controllers, struct bytes *ret_root,
		       struct bytes *ret_point)
{
	for (const char *line = mountinfo; *line; line = next_line(line)) {
		const char *p = line, *end = line_end(line);
		struct bytes word;

		/* id parent dev root point options [tags] - type source super; proc(5) */
		for (int i = 0; i < 3; i++)
			next_word(&p, end);
		*ret_root = next_word(&p, end);
		*ret_point = next_word(&p, end);
		do
			word = next_word(&p, end);
		while (p < end && !bytes_eq_s(word, "-"));
		struct bytes type = next_word(&p, end);
		next_word(&p, end);
		struct bytes super = next_word(&p, end);
		if (controllers.len == 0
			    ? bytes_eq_s(type, "cgroup2")
			    : bytes_eq_s(type, "cgroup") && list_has_all(super, controllers))
			return true;
	}
	return false;
}

/*
 * Return the directory of cgroup PATH in the hierarchy that has CONTROLLERS.
 * Heap. NULL with *E: an error; NULL without: no mount shows the cgroup.
 */
static char *cgroup_directory(const char *path, struct bytes controllers, const char *mountinfo,
			      struct err *e)
{
	struct bytes root, point;

	/* The kernel shows a cgroup outside this process's cgroup namespace with "..". */
	if (path[0] != '/' || strstr(path, "/..") ||
	    !find_mount(mountinfo, controllers, &root, &point))
		return NULL;
	if (!bytes_eq_s(root, "/")) {
		if (strncmp(path, root.data, root.len) != 0 || path[root.len] != '/')
			return NULL;
		path += root.len;
	}
	return str_fmt(e, "%.*s%s", (int)point.len, point.data, path);
}

/* Append the directory of cgroup H to RET if its name contains ID and a mount shows it. */
static int add_directory(const struct hierarchy *h, const char *mountinfo, const char *id,
			 struct strv *ret, struct err *e)
{
	scoped_free char *path = str_ndup(h->path.data, h->path.len, e);

	if (!path)
		return -1;
	if (!strstr(str_base(path), id))
		return 0;
	scoped_free char *dir = cgroup_directory(path, h->controllers, mountinfo, e);
	if (!dir)
		return err_is_set(e) ? -1 : 0;
	return strv_has(ret, dir) ? 0 : strv_take(ret, TAKE(dir, NULL), e);
}

int cgroup_match(const char *theirs, const char *ours, const char *mountinfo, const char *id,
		 struct strv *ret, struct err *e)
{
	for (const char *p = theirs; *p; p = next_line(p)) {
		struct hierarchy h, own;

		if (!parse_hierarchy(p, &h))
			continue;
		if (find_hierarchy(ours, h.controllers, &own) && bytes_eq(own.path, h.path))
			continue;
		if (add_directory(&h, mountinfo, id, ret, e) < 0)
			return -1;
	}
	return 0;
}

static int read_proc(const char *path, struct buf *b, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "opening '%s'", path);
	return buf_read_fd(b, fd, path, e) < 0 || buf_addc(b, '\0', e) < 0 ? -1 : 0;
}

int cgroup_texts_read(struct cgroup_texts *ret, struct err *e)
{
	struct buf *const ours = &ret->ours, *const mounts = &ret->mounts;

	*ours = *mounts = (struct buf)BUF_INIT(PROC_FILE_MAX);
	if (read_proc("/proc/self/mountinfo", mounts, e) < 0)
		return -1;
	if (access("/proc/self/cgroup", F_OK) < 0) {
		if (errno != ENOENT)
			return err_sys(e, "looking for '/proc/self/cgroup'");
		return buf_addc(ours, '\0', e); /* a kernel without cgroups */
	}
	return read_proc("/proc/self/cgroup", ours, e);
}

/* Find the hierarchy of v1's CONTROLLER in TEXT, a /proc/self/cgroup; NULL: that of v2. */
static bool find_controller(const char *text, const char *controller, struct hierarchy *ret)
{
	const struct bytes wanted = {controller, controller ? strlen(controller) : 0};

	for (const char *p = text; *p; p = next_line(p))
		if (parse_hierarchy(p, ret) &&
		    (controller ? ret->controllers.len && list_has_all(ret->controllers, wanted)
				: ret->controllers.len == 0))
			return true;
	return false;
}

char *cgroup_own(const struct cgroup_texts *t, const char *controller, bool topmost, struct err *e)
{
	struct hierarchy own;
	struct bytes root, point;

	if (!find_controller(t->ours.data, controller, &own) ||
	    !find_mount(t->mounts.data, own.controllers, &root, &point))
		return NULL;
	if (topmost)
		return str_ndup(point.data, point.len, e);
	/* cgroup_directory() wants something below the mount's root. */
	scoped_free char *path =
		str_fmt(e, "%.*s/.", own.path.len > 1 ? (int)own.path.len : 0, own.path.data);
	char *dir = path ? cgroup_directory(path, own.controllers, t->mounts.data, e) : NULL;
	if (dir)
		dir[strlen(dir) - 2] = '\0';
	return dir;
}

int cgroup_find(pid_t pid, const char *id, struct strv *ret, struct err *e)
{
	scoped_buf struct buf theirs = BUF_INIT(PROC_FILE_MAX), ours = BUF_INIT(PROC_FILE_MAX),
			      mounts = BUF_INIT(PROC_FILE_MAX);
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	if (read_proc(path, &theirs, e) < 0) {
		if (e->sys != ENOENT && e->sys != ESRCH)
			return -1;
		err_clear(e); /* the process has exited, or the kernel has no cgroups */
		return 0;
	}
	if (read_proc("/proc/self/cgroup", &ours, e) < 0 ||
	    read_proc("/proc/self/mountinfo", &mounts, e) < 0)
		return -1;
	return cgroup_match(theirs.data, ours.data, mounts.data, id, ret, e);
}

static int guess_one(const char *base, struct bytes controllers, const char *mountinfo,
		     const char *id, struct strv *ret, struct err *e)
{
	scoped_free char *path = str_fmt(e, "%s/%s", str_eq(base, "/") ? "" : base, id);
	scoped_free char *dir = path ? cgroup_directory(path, controllers, mountinfo, e) : NULL;

	if (!dir)
		return err_is_set(e) ? -1 : 0;
	if (access(dir, F_OK) < 0 || strv_has(ret, dir))
		return 0;
	return strv_take(ret, TAKE(dir, NULL), e);
}

int cgroup_guess(const char *id, struct strv *ret, struct err *e)
{
	scoped_buf struct buf ours = BUF_INIT(PROC_FILE_MAX), mounts = BUF_INIT(PROC_FILE_MAX);

	if (read_proc("/proc/self/cgroup", &ours, e) < 0 ||
	    read_proc("/proc/self/mountinfo", &mounts, e) < 0)
		return -1;
	for (const char *p = ours.data; *p; p = next_line(p)) {
		struct hierarchy h;

		if (!parse_hierarchy(p, &h))
			continue;
		scoped_free char *own = str_ndup(h.path.data, h.path.len, e);
		if (!own || guess_one(own, h.controllers, mounts.data, id, ret, e) < 0 ||
		    guess_one("/", h.controllers, mounts.data, id, ret, e) < 0)
			return -1;
	}
	return 0;
}

/* Remove the cgroups below DIRFD. Their files cannot be removed, and vanish with them. */
static void remove_below(int dirfd, int depth)
{
	scoped_dir DIR *d = io_list(dirfd);

	if (!d)
		return;
	for (const struct dirent *de; (de = readdir(d));) {
		if (de->d_type != DT_DIR || str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		scoped_fd int sub =
			openat(dirfd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0 && depth > 0)
			remove_below(sub, depth - 1);
		unlinkat(dirfd, de->d_name, AT_REMOVEDIR);
	}
}

static int remove_one(const char *dir, struct err *e)
{
	struct timespec wait = {0, REMOVE_FIRST_NS};

	/* A killed process leaves its cgroup some time after it can be waited for. */
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (rmdir(dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			break;
		scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			remove_below(fd, DEPTH_MAX);
		if (rmdir(dir) == 0)
			return 0;
		nanosleep(&wait, NULL);
		wait.tv_nsec =
			wait.tv_nsec * 2 < REMOVE_WAIT_NS ? wait.tv_nsec * 2 : REMOVE_WAIT_NS;
	}
	return err_sys(e, "removing the control group '%s'", dir);
}

int cgroup_remove(const struct strv *dirs, struct err *e)
{
	struct err later = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; i < dirs->n; i++)
		if (remove_one(dirs->items[i], rc ? &later : e) < 0) {
			rc = -1;
			err_clear(&later);
		}
	return rc;
}
