/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/runtime/runtime.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <parson.h>

#include "hook/runtime/memdir.h"
#include "hook/runtime/runtime_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define LOG_MAX (1 << 20)
#define CGROUPS "/sys/fs/cgroup"
#define UNIFIED CGROUPS "/unified"

/* The runtimes, in the order in which runtime_find() looks for them. */
static const struct {
	const char *name;
	enum runtime_kind kind;
} known[] = {
	{"crun", RUNTIME_CRUN},
	{"runc", RUNTIME_RUNC},
	{"youki", RUNTIME_YOUKI},
	{"runsc", RUNTIME_RUNSC},
};
static_assert(ARRAY_SIZE(known) == RUNTIME_OTHER, "a runtime is missing");

/* Searched after PATH: Nix's daemon may have no PATH, and a user's PATH may lack sbin. */
static const char usual_dirs[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:"
				 "/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin";

bool runtime_kind_parse(const char *name, enum runtime_kind *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (str_eq(name, known[i].name)) {
			*ret = known[i].kind;
			return true;
		}
	}
	return false;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/*
 * Return the path of the program NAME in the first of DIRS that contains it; relative DIRS are
 * skipped. Heap. NULL with *E: an error; NULL without: no directory contains it.
 */
static char *find_program(const char *name, const struct strv *dirs, struct err *e)
{
	for (size_t i = 0; i < dirs->n; i++) {
		if (dirs->items[i][0] != '/')
			continue;
		scoped_free char *path = str_fmt(e, "%s/%s", dirs->items[i], name);
		if (!path)
			return NULL;
		if (is_program(path))
			return TAKE(path, NULL);
	}
	return NULL;
}

/* Tell the kind from BASE, a program's name: "crun-1.8" and "crun.real" are crun, "crunchy" not. */
static enum runtime_kind kind_of(const char *base)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_starts(base, known[i].name) &&
		    !isalnum((unsigned char)base[strlen(known[i].name)]))
			return known[i].kind;
	return RUNTIME_OTHER;
}

static int find_named(const char *name, const struct strv *dirs, char **ret_path, struct err *e)
{
	if (strchr(name, '/')) {
		if (name[0] != '/' || !is_program(name))
			return err_set(e, ERR_SYSTEM,
				       "the runtime '%s' is not the absolute path of a program",
				       name);
		*ret_path = str_dup(name, e);
		return *ret_path ? 0 : -1;
	}
	*ret_path = find_program(name, dirs, e);
	if (*ret_path || err_is_set(e))
		return *ret_path ? 0 : -1;
	return err_set(
		e, ERR_SYSTEM,
		"the runtime '%s' was not found in PATH: install it, or set 'runtime' in the "
		"configuration to another or to an absolute path",
		name);
}

/*
 * Tell whether this process may mount in a mount namespace of its own, as change_cgroups() does for
 * crun. Without CAP_SYS_ADMIN unshare(2) certainly fails with EPERM.
 */
static bool may_mount(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (geteuid() == 0 || syscall(SYS_capget, &head, caps) < 0)
		return true; /* if it may not, starting the runtime fails and says so */
	return caps[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

/* Tell whether the cgroup2 mount beside those of v1 has controllers. */
static bool unified_has_controllers(void)
{
	scoped_fd int fd = open(UNIFIED "/cgroup.controllers", O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1;
}

static bool is_tmpfs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

const char *runtime_cannot_run(const struct runtime *rt, const struct runtime_here *here)
{
	if (rt->kind == RUNTIME_CRUN && !here->may_mount) {
		if (rt->cgroups == CGROUP_HYBRID && here->unified_has_controllers)
			return "crun refuses control groups of v1 and v2 at once, and to hide "
			       "one kind from it needs root";
		if (rt->cgroups == CGROUP_NONE && !here->tmpfs)
			return "crun refuses a machine without control groups at '" CGROUPS
			       "', and to mount something there needs root";
	}
	return NULL;
}

/* Fill RET, whose path is set, from the configuration and the machine. */
static int describe(const struct conf *c, struct runtime *ret, struct err *e)
{
	ret->kind = kind_of(str_base(ret->path));
	ret->name = str_dup(
		ret->kind == RUNTIME_OTHER ? str_base(ret->path) : known[ret->kind].name, e);
	if (!ret->name || strv_copy(&ret->extra_args, &c->runtime_args, e) < 0 ||
	    cgroup_layout_detect(&ret->cgroups, e) < 0)
		return -1;
	ret->rootless = geteuid() != 0;
	return 0;
}

/*
 * Find the first runtime in DIRS that can run here. Append to WHY why the runtimes found before it
 * cannot.
 */
static int find_any(const struct conf *c, const struct strv *dirs, struct runtime *ret,
		    struct buf *why, struct err *e)
{
	const struct runtime_here here = {
		.may_mount = may_mount(),
		.unified_has_controllers = unified_has_controllers(),
		.tmpfs = is_tmpfs(CGROUPS),
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		scoped_runtime struct runtime rt = {.path = find_program(known[i].name, dirs, e)};

		if (!rt.path && err_is_set(e))
			return -1;
		if (!rt.path)
			continue;
		if (describe(c, &rt, e) < 0)
			return -1;
		const char *reason = runtime_cannot_run(&rt, &here);
		if (!reason) {
			*ret = rt;
			rt = (struct runtime){0};
			return 0;
		}
		if (buf_addf(why, e, "%s%s", why->len ? "; " : "", reason) < 0)
			return -1;
	}
	if (why->len)
		return err_set(e, ERR_SYSTEM,
			       "no OCI runtime in PATH can run on this machine (%s): install "
			       "another of crun, runc, youki and runsc, or let root start the hook",
			       why->data);
	return err_set(e, ERR_SYSTEM,
		       "no OCI runtime was found in PATH: install crun (or runc, youki, runsc), or "
		       "set 'runtime' in the configuration to the path of one");
}

static int find(const struct conf *c, const struct strv *dirs, struct runtime *ret, struct err *e)
{
	scoped_buf struct buf why = BUF_INIT(ERR_MSG_MAX);

	if (c->runtime && *c->runtime && !str_eq(c->runtime, "auto"))
		return find_named(c->runtime, dirs, &ret->path, e) < 0 ? -1 : describe(c, ret, e);
	if (find_any(c, dirs, ret, &why, e) < 0)
		return -1;
	if (why.len && !(ret->passed_over = str_dup(why.data, e)))
		return -1;
	return 0;
}

int runtime_find(const struct conf *c, struct runtime *ret, struct err *e)
{
	scoped_strv struct strv dirs = STRV_INIT;
	scoped_runtime struct runtime rt = {0};
	const char *path = getenv("PATH");

	if ((path && strv_split(&dirs, path, ":", e) < 0) ||
	    strv_split(&dirs, usual_dirs, ":", e) < 0)
		return -1;
	if (find(c, &dirs, &rt, e) < 0)
		return -1;
	*ret = rt;
	rt = (struct runtime){0};
	return 0;
}

void runtime_done(struct runtime *rt)
{
	free(rt->path);
	free(rt->name);
	free(rt->passed_over);
	strv_done(&rt->extra_args);
	*rt = (struct runtime){0};
}

bool runtime_detaches(const struct runtime *rt)
{
	return rt->kind == RUNTIME_RUNC || rt->kind == RUNTIME_YOUKI;
}

static int add_all(struct strv *v, const char *const *args, struct err *e)
{
	for (; *args; args++)
		if (strv_add(v, *args, e) < 0)
			return -1;
	return 0;
}

/* Add the options before the command that only this runtime has. */
static int add_special(const struct runtime *rt, bool network, struct strv *v, struct err *e)
{
	switch (rt->kind) {
	case RUNTIME_CRUN:
		/* Its groups would take 2 ms of a build's 9. */
		return strv_add(v, "--cgroup-manager=disabled", e);
	case RUNTIME_RUNSC:
		/* runsc knows pure v1 and v2 only, and may fail to make its groups even there. */
		if (strv_add(v, "--ignore-cgroups", e) < 0)
			return -1;
		if (rt->rootless && strv_add(v, "--rootless", e) < 0)
			return -1;
		/* Without this option runsc ignores the configuration's system call filter. */
		if (strv_add(v, "--oci-seccomp", e) < 0)
			return -1;
		return strv_add(v, network ? "--network=host" : "--network=none", e);
	case RUNTIME_RUNC:
	case RUNTIME_YOUKI:
	case RUNTIME_OTHER:
		return 0;
	}
	return 0;
}

int runtime_run_argv(const struct runtime *rt, const struct runtime_call *call, struct strv *ret,
		     struct err *e)
{
	/*
	 * crun's log is text. If crun cannot execute the builder, its log is closed already: its
	 * message ends up in the build's log, in the format of crun's log.
	 */
	const char *format = rt->kind == RUNTIME_CRUN ? "text" : "json";
	/* crun takes what precedes the first ':' for a type; other runtimes take a path only. */
	scoped_free char *log =
		str_fmt(e, "%s%s", rt->kind == RUNTIME_CRUN ? "file:" : "", call->log_path);
	const char *const global[] = {rt->path, "--root",       call->state_dir, "--log",
				      log,      "--log-format", format,          NULL};
	const char *const run[] = {"run", "--bundle", call->bundle, NULL};
	const char *const detach[] = {"--detach", "--pid-file", call->pid_file, NULL};

	if (!log || add_all(ret, global, e) < 0 || add_special(rt, call->network, ret, e) < 0 ||
	    (rt->kind == RUNTIME_RUNSC &&
	     strv_addf(ret, e, "--panic-log=%s" RUNTIME_CRASH_SUFFIX, call->log_path) < 0) ||
	    strv_copy(ret, &rt->extra_args, e) < 0 || add_all(ret, run, e) < 0)
		return -1;
	if (runtime_detaches(rt) && add_all(ret, detach, e) < 0)
		return -1;
	return strv_add(ret, call->id, e);
}

int runtime_delete_argv(const struct runtime *rt, const char *state_dir, const char *id,
			struct strv *ret, struct err *e)
{
	const char *const global[] = {rt->path, "--root", state_dir, NULL};
	const char *const delete[] = {"delete", "--force", id, NULL};

	if (add_all(ret, global, e) < 0 || add_special(rt, false, ret, e) < 0 ||
	    strv_copy(ret, &rt->extra_args, e) < 0)
		return -1;
	return add_all(ret, delete, e);
}

/*
 * Mount an empty tmpfs where cgroups are mounted. crun insists on a layout that it knows, even if
 * it uses no cgroups, and accepts this one.
 */
static int mount_empty_cgroups(struct err *e)
{
	struct stat st;

	if (stat(CGROUPS, &st) < 0) {
		if (mount("tmpfs", "/sys", "tmpfs", 0, "mode=755") < 0)
			return err_sys(e, "mounting a tmpfs on /sys for the runtime");
		if (mkdir("/sys/fs", 0755) < 0 || mkdir(CGROUPS, 0755) < 0)
			return err_sys(e, "creating '%s' for the runtime", CGROUPS);
	}
	if (mount("tmpfs", CGROUPS, "tmpfs", 0, "mode=755") < 0)
		return err_sys(e, "mounting a tmpfs on '%s' for the runtime", CGROUPS);
	return 0;
}

/* Change how cgroups are mounted to a layout that crun accepts. */
static int change_cgroups(enum cgroup_layout layout, struct err *e)
{
	if (layout == CGROUP_NONE)
		return mount_empty_cgroups(e);
	/*
	 * crun refuses to start if the cgroup2 mount beside v1 has controllers ("cgroups in hybrid
	 * mode not supported").
	 */
	if (umount2(UNIFIED, MNT_DETACH) == 0)
		return 0;
	/* EINVAL: in a user namespace the machine's mounts are locked to each other. */
	return errno == EINVAL ? mount_empty_cgroups(e)
			       : err_sys(e, "unmounting '%s' for the runtime", UNIFIED);
}

bool runtime_makes_cgroups(const struct runtime *rt)
{
	return rt->kind != RUNTIME_CRUN && rt->kind != RUNTIME_RUNSC;
}

bool runtime_keeps_cgroup(const struct runtime *rt)
{
	/* Where v1 is mounted as well, runtimes make their groups there. */
	return rt->cgroups != CGROUP_V2 || !runtime_makes_cgroups(rt);
}

bool runtime_takes_memory(const struct runtime *rt)
{
	/* Others may hand the work to a process that already ran and does not see the mount. */
	return !rt->rootless &&
	       (rt->kind == RUNTIME_CRUN || rt->kind == RUNTIME_RUNC || rt->kind == RUNTIME_RUNSC);
}

static int mount_bundle(const struct runtime_view *v, struct err *e)
{
	char at[4096];

	if (memdir_attach(v->mount_fd, v->bundle, e) < 0)
		return -1;
	if ((size_t)snprintf(at, sizeof at, "%s/scratch", v->bundle) >= sizeof at)
		return err_set(e, ERR_LIMIT, "the path '%s' is too long", v->bundle);
	if (mount(v->scratch, at, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "mounting '%s' at '%s'", v->scratch, at);
	return 0;
}

/*
 * Mount a null device on root/dev/null of a bundle whose file system allows no devices. The device
 * is made on a tmpfs that covers the bundle's root/proc meanwhile.
 */
static int mount_null(const struct runtime_view *v, struct err *e)
{
	char dir[4096], from[4096], at[4096];

	if ((size_t)snprintf(dir, sizeof dir, "%s/root/proc", v->bundle) >= sizeof dir ||
	    (size_t)snprintf(from, sizeof from, "%s/null", dir) >= sizeof from ||
	    (size_t)snprintf(at, sizeof at, "%s/root/dev/null", v->bundle) >= sizeof at)
		return err_set(e, ERR_LIMIT, "the path '%s' is too long", v->bundle);
	if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755") < 0)
		return err_sys(e, "mounting a tmpfs on '%s' for the runtime", dir);
	/* chmod(2), because the umask applies to the new device. */
	if (io_make_null(AT_FDCWD, from) < 0 || chmod(from, 0666) < 0)
		return err_sys(e, "making a null device for the bundle '%s'", v->bundle);
	if (mount(from, at, NULL, MS_BIND, NULL) < 0 || umount2(dir, MNT_DETACH) < 0)
		return err_sys(e, "mounting a null device on '%s'", at);
	return 0;
}

/*
 * Make all mounts nosuid from which the runtime binds into the container. The configuration asks
 * for nosuid mount by mount, but with a user namespace crun 1.8 ignores it for a writable bind
 * mount: it clones the source by open_tree(2) and changes no flag of the clone.
 *
 * A failure does not matter: where mount_setattr(2) is missing (before Linux 5.12) or forbidden,
 * crun cannot use it either, and mounts by mount(2) with all options.
 */
static void forbid_set_id(void)
{
#ifdef SYS_mount_setattr
	/* As struct mount_attr, which not every C library declares. */
	const struct {
		uint64_t set, clear, propagation, userns_fd;
	} attr = {.set = 2 /* MOUNT_ATTR_NOSUID */};

	(void)syscall(SYS_mount_setattr, AT_FDCWD, "/", 0x8000 /* AT_RECURSIVE */, &attr,
		      sizeof attr);
#endif
}

int runtime_prepare_child(enum runtime_kind kind, const struct runtime_view *v,
			  const char **program, struct err *e)
{
	const bool crun = kind == RUNTIME_CRUN;
	const bool cgroups = crun && (v->layout == CGROUP_HYBRID || v->layout == CGROUP_NONE);

	/* Without root only the caller's id is mapped, so no set-id program of others works. */
	if (geteuid() != 0 && !cgroups && v->mount_fd < 0 && !v->mounts_null)
		return 0;
	if (unshare(CLONE_NEWNS) < 0)
		return errno == EPERM && geteuid() != 0
			       ? 0 /* crun reports that itself, or runs nevertheless */
			       : err_sys(e, "making a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, "keeping mounts to the runtime's namespace");
	if ((cgroups && change_cgroups(v->layout, e) < 0) ||
	    (v->mounts_null && mount_null(v, e) < 0))
		return -1;
	if (v->mount_fd >= 0 && mount_bundle(v, e) < 0)
		return -1;
	/*
	 * runsc's gofer makes the root read-only in a user namespace, by a remount without nosuid.
	 * The kernel refuses it if nosuid is set. runsc's builder is no process of this kernel.
	 */
	if (kind != RUNTIME_RUNSC)
		forbid_set_id();
	if (crun && v->mount_fd >= 0 && memdir_bind_readonly(*program, v->exe))
		*program = v->exe;
	return 0;
}

/*
 * Return the message of LINE, a line of a log: the "msg" of JSON whose level is error or fatal, or
 * the whole of a line that is not JSON. Heap. NULL: the line reports no error.
 */
static char *line_error(const char *line, size_t len)
{
	struct err ignored = ERR_INIT;
	scoped_free char *copy = str_ndup(line, len, &ignored);
	char *found = NULL;

	if (!copy || !*copy)
		return NULL;
	if (*copy != '{')
		return TAKE(copy, NULL);
	JSON_Value *v = json_parse_string(copy);
	const JSON_Object *o = json_value_get_object(v);
	const char *level = json_object_get_string(o, "level");
	const char *msg = json_object_get_string(o, "msg");
	if (msg && level && (str_eq(level, "error") || str_eq(level, "fatal")))
		found = str_dup(msg, &ignored);
	json_value_free(v);
	return found;
}

char *runtime_log_error(int dirfd, const char *name)
{
	scoped_buf struct buf b = BUF_INIT(LOG_MAX);
	struct err ignored = ERR_INIT;
	char *last = NULL;

	if (io_read_file(dirfd, name, &b, &ignored) < 0 || !b.data)
		return NULL;
	for (const char *p = b.data, *end = b.data + b.len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		char *found = line_error(p, (size_t)((nl ? nl : end) - p));

		if (found) {
			free(last);
			last = found;
		}
		p = nl ? nl + 1 : end;
	}
	return last;
}

char *runtime_crash(int dirfd, const char *name)
{
	static const char *const marks[] = {"panic: ", "fatal error: "};
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	char text[1024]; /* what follows are the stacks of all threads */
	const ssize_t n = fd < 0 ? -1 : io_read(fd, text, sizeof text - 1, name, &ignored);

	if (n <= 0)
		return NULL;
	text[n] = '\0';
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
			if (str_starts(p, marks[i]))
				return str_ndup(p, strcspn(p, "\n"), &ignored);
	return NULL;
}

const char *runtime_exec_failure(const char *msg)
{
	/* two of crun, one each of runc, runsc and youki */
	static const char *const marks[] = {
		"executable file `",
		"open executable: ",
		"unable to start container process: exec: ",
		"creating process: failed to load ",
		"executable '",
	};
	static const int reasons[] = {ENOENT, EACCES, EPERM, ENOEXEC, ENOTDIR, ELOOP, EISDIR};
	bool is_exec = false;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		is_exec = is_exec || strstr(msg, marks[i]);
	if (!is_exec)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (strcasestr(msg, strerror(reasons[i])))
			return strerror(reasons[i]);
	return strrchr(msg, ':') ? strrchr(msg, ':') + strspn(strrchr(msg, ':'), ": ") : msg;
}
