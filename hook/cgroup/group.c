/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/group.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hook/cgroup/cgroup.h"
#include "hook/cgroup/cgroup_internal.h"
#include "hook/cgroup/processes.h"
#include "hook/cgroup/systemd.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define FILE_MAX (1 << 20)
/* Where the processes of a delegated group go; systemd's DelegateSubgroup= has the same example. */
#define LEAF "supervisor"
#define MOVE_TRIES 20
/* The number of groups that a build may put into each other; who removes them walks down. */
#define DEPTH_MAX_TEXT "32"

void cgroup_group_done(struct cgroup_group *g)
{
	strv_done(&g->dirs);
	free(g->v2);
	*g = CGROUP_GROUP_INIT;
}

/* ---- v2: a group that may have the build's below it ---- */

/* Tell whether systemd leaves the group DIR and all below to us (its CGROUP_DELEGATION). */
static bool is_delegated(const char *dir)
{
	static const char *const names[] = {"user.delegate", "trusted.delegate"};
	char value[8];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (getxattr(dir, names[i], value, sizeof value) == 1 && value[0] == '1')
			return true;
	return false;
}

static bool may_use(const char *dir)
{
	return systemd_runs() ? is_delegated(dir) : access(dir, W_OK) == 0;
}

/* Tell whether the file DIR/NAME, a list of controllers, has WORD. */
static bool file_lists(const char *dir, const char *name, const char *word)
{
	scoped_buf struct buf b = BUF_INIT(FILE_MAX);
	struct err ignored = ERR_INIT;
	scoped_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && io_read_file(fd, name, &b, &ignored) == 0 &&
	       buf_addc(&b, '\0', &ignored) == 0 && cgroup_lists("", b.data, word);
}

static int write_file(const char *dir, const char *name, const char *text, struct err *e)
{
	scoped_free char *path = str_fmt(e, "%s/%s", dir, name);

	if (!path)
		return -1;
	scoped_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, "writing '%s' to '%s'", text, path);
	return 0;
}

/* CTX: the directory that it moves to. One that cannot be moved is still there at the next look. */
static void move_one(void *ctx, pid_t pid)
{
	struct err ignored = ERR_INIT;
	char text[16];

	snprintf(text, sizeof text, "%d", (int)pid);
	if (write_file(ctx, "cgroup.procs", text, &ignored) < 0)
		return;
}

/*
 * Move the processes of DIR to a leaf, unless it is the hierarchy's root, which may have some. They
 * are also in the way of the controllers (cpu, pids) that the kernel takes in spite of them: the
 * groups below could not be entered then (EOPNOTSUPP).
 */
static int make_way(const char *dir, struct err *e)
{
	scoped_free char *type = str_fmt(e, "%s/cgroup.type", dir);
	scoped_free char *leaf = type ? str_fmt(e, "%s/" LEAF, dir) : NULL;

	if (!leaf)
		return -1;
	if (access(type, F_OK) < 0)
		return 0;
	for (int i = 0; i < MOVE_TRIES && cgroup_each_process(dir, false, move_one, leaf) > 0; i++)
		if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "creating the control group '%s'", leaf);
	return 0;
}

/* Give the controller NAME to the groups below DIR; with MOVES the processes of DIR make way. */
static int enable_one(const char *dir, const char *name, bool moves, struct err *e)
{
	scoped_free char *text = str_fmt(e, "+%s", name);

	if (!text)
		return -1;
	for (int i = 0; write_file(dir, "cgroup.subtree_control", text, e) < 0; i++) {
		if (e->sys != EBUSY || !moves || i == MOVE_TRIES)
			return -1;
		err_clear(e);
		if (make_way(dir, e) < 0)
			return -1;
	}
	return 0;
}

/* Have all of the set CONTROLLERS in the groups below DIR. */
static int enable(const char *dir, unsigned controllers, bool moves, struct err *e)
{
	if (moves && make_way(dir, e) < 0)
		return -1;
	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_name(controllers & 1u << i, false);

		if (!name || file_lists(dir, "cgroup.subtree_control", name))
			continue;
		if (!file_lists(dir, "cgroup.controllers", name))
			return err_set(e, ERR_SYSTEM,
				       "the control group '%s' has no controller '%s'%s", dir, name,
				       geteuid() != 0 && systemd_runs()
					       ? " (root gives it to users by 'Delegate=' of "
						 "user@.service)"
					       : "");
		if (enable_one(dir, name, moves, e) < 0)
			return -1;
	}
	return 0;
}

/* What is known of the v2 hierarchy. */
struct v2 {
	char *top; /* its mount point */
	char *own; /* the group of this process, or NULL: the mount does not show it */
};

static void v2_done(struct v2 *v)
{
	free(v->top);
	free(v->own);
}
#define scoped_v2 __attribute__((cleanup(v2_done)))

static void do_nothing(void *ctx, pid_t pid)
{
}

/*
 * Tell whether DIR is a service of systemd's with processes, which would have to make way. It could
 * not be started again while a build goes on: systemd puts the new process into DIR, which then
 * must have none. With DelegateSubgroup= (systemd 254) there are none in DIR.
 */
static bool must_stay(const char *dir)
{
	static const char suffix[] = ".service";
	const size_t len = strlen(dir), n = sizeof suffix - 1;

	return systemd_runs() && len > n && str_eq(dir + len - n, suffix) &&
	       cgroup_each_process(dir, false, do_nothing, NULL) > 0;
}

/* Have CONTROLLERS in the groups below one of the N DIRS that may be used. Heap; NULL: none. */
static char *first_of(const char *const *dirs, size_t n, unsigned controllers, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (!dirs[i] || !may_use(dirs[i]) || must_stay(dirs[i]))
			continue;
		err_clear(e);
		if (enable(dirs[i], controllers, true, e) == 0)
			return str_dup(dirs[i], e);
	}
	return NULL;
}

/*
 * Have CONTROLLERS in the groups below one that is not delegated yet: a scope that systemd is asked
 * for, or, without systemd, the topmost group. Heap; NULL: *E.
 */
static char *elsewhere(const struct cgroup_wish *w, const struct v2 *v, unsigned controllers,
		       struct err *e)
{
	const bool asks = w->keeper > 0 && systemd_runs();
	scoped_free char *dir =
		asks ? systemd_make_scope(w->scope, w->keeper, e) : str_dup(v->top, e);

	/* The root of the hierarchy may have processes; a scope or a container's root may not. */
	if (!dir || enable(dir, controllers, asks || str_eq(dir, v->own ? v->own : ""), e) < 0)
		return NULL;
	return TAKE(dir, NULL);
}

/* The group above this process's own; the topmost one has none but itself. Heap; NULL: *E. */
static char *group_above(const struct v2 *v, struct err *e)
{
	char *above = str_dup(v->own, e);

	if (above && strlen(above) > strlen(v->top))
		*strrchr(above, '/') = '\0';
	return above;
}

/*
 * The parent of a group that nothing needs: one that systemd has left to us and that has
 * CONTROLLERS, else this process's own, with those that it has. Heap. NULL: *E.
 */
static char *optional_parent(const struct v2 *v, unsigned controllers, struct err *e)
{
	scoped_free char *above = group_above(v, e);
	const char *const candidates[] = {v->own, above};

	for (size_t i = 0; above && i < ARRAY_SIZE(candidates); i++) {
		const char *dir = candidates[i];
		struct err why = ERR_INIT;

		if (is_delegated(dir) && enable(dir, controllers, i == 0, &why) == 0)
			return str_dup(dir, e);
	}
	return above ? str_dup(v->own, e) : NULL;
}

/* The parent of a group with CONTROLLERS. NULL: *E says why none can be. Heap. */
static char *limited_parent(const struct cgroup_wish *w, const struct v2 *v, unsigned controllers,
			    struct err *e)
{
	scoped_free char *above = v->own ? group_above(v, e) : NULL;

	if (v->own && !above)
		return NULL;
	/* What an earlier build has moved to a leaf is below the group that was delegated. */
	const bool moved = v->own && str_eq(str_base(v->own), LEAF);
	const char *const dirs[] = {moved ? above : v->own, moved ? v->own : above};
	char *parent = first_of(dirs, ARRAY_SIZE(dirs), controllers, e);
	if (parent)
		return parent;
	err_clear(e);
	return elsewhere(w, v, controllers, e);
}

/* Refuse what is no path below a hierarchy's root. */
static int check_parent(const char *path, struct err *e)
{
	scoped_strv struct strv words = STRV_INIT;

	if (strv_split(&words, path, "/", e) < 0)
		return -1;
	for (size_t i = 0; i < words.n; i++)
		if (str_eq(words.items[i], "..") || str_eq(words.items[i], "."))
			return err_set(
				e, ERR_INPUT,
				"'cgroup-parent' is '%s', which is no control group below the "
				"root of a hierarchy",
				path);
	return 0;
}

/* Tell whether the group PATH below TOP, which need not exist, or one above it is delegated. */
static bool is_below_delegated(const char *top, const char *path)
{
	struct err ignored = ERR_INIT;
	scoped_free char *dir = str_fmt(&ignored, "%s/%s", top, path);
	const size_t top_len = strlen(top);

	for (; dir && strlen(dir) > top_len; *strrchr(dir, '/') = '\0')
		if (is_delegated(dir))
			return true;
	return false;
}

/* Refuse PATH where systemd would take the controllers away. */
static int check_delegated(const char *top, const char *path, struct err *e)
{
	if (!systemd_runs() || is_below_delegated(top, path))
		return 0;
	return err_set(e, ERR_INPUT,
		       "'cgroup-parent' is '%s', which is not below a unit that systemd delegates, "
		       "so systemd would lift the limits there; leave it empty, or set "
		       "'Delegate=yes' for a unit",
		       path);
}

/*
 * Make the groups of PATH below TOP, each with CONTROLLERS (v2). Heap; NULL: *E.
 */
static char *named_parent(const char *top, const char *path, unsigned controllers, struct err *e)
{
	scoped_strv struct strv words = STRV_INIT;
	scoped_free char *dir = str_dup(top, e);

	if (!dir || (controllers && check_delegated(top, path, e) < 0) ||
	    strv_split(&words, path, "/", e) < 0)
		return NULL;
	for (size_t i = 0; i < words.n; i++) {
		if (enable(dir, controllers, false, e) < 0)
			return NULL;
		char *next = str_fmt(e, "%s/%s", dir, words.items[i]);
		if (!next)
			return NULL;
		free(dir);
		dir = next;
		if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
			err_sys(e, "creating the control group '%s' (see 'cgroup-parent')", dir);
			return NULL;
		}
	}
	return enable(dir, controllers, false, e) < 0 ? NULL : TAKE(dir, NULL);
}

/* Add the v2 directory of a group whose limits need CONTROLLERS; COUNTERS count if they can. */
static int add_v2(const struct cgroup_wish *w, const struct v2 *v, unsigned controllers,
		  unsigned counters, struct cgroup_group *ret, struct err *e)
{
	const char *key = cgroup_limits_key(w->limits, controllers);
	scoped_free char *parent = NULL;
	struct err why = ERR_INIT;

	if (!v->own && !key)
		return err_set(e, ERR_SYSTEM,
			       "this process's own control group cannot be seen in '%s'", v->top);
	if (w->parent && *w->parent) {
		parent = named_parent(v->top, w->parent, controllers, &why);
		if (!parent && !key)
			return err_set(e, why.kind, "%s", why.msg);
	} else if (w->optional && !key)
		parent = optional_parent(v, counters & CGROUP_MEMORY, &why);
	else if (key || w->counts) /* to count memory is worth a group elsewhere */
		parent = limited_parent(
			w, v, key ? controllers : controllers | (counters & CGROUP_MEMORY), &why);
	if (!parent && key)
		return err_set(e, ERR_SYSTEM, "the limit '%s' cannot be kept: %s", key, why.msg);
	if (!parent && !(parent = str_dup(v->own, e)))
		return -1;
	if (w->optional && !key && access(parent, W_OK) < 0)
		return 0;
	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		err_clear(&why);
		if (counters & 1u << i && enable(parent, 1u << i, false, &why) < 0)
			continue; /* then it is not counted */
	}
	if (controllers & CGROUP_MEMORY || counters & CGROUP_MEMORY)
		ret->memory = ret->dirs.n;
	ret->v2 = str_fmt(e, "%s/%s", parent, w->name);
	ret->v2_top_len = strlen(v->top);
	ret->keys[ret->dirs.n] = key;
	return ret->v2 ? strv_add(&ret->dirs, ret->v2, e) : -1;
}

/* ---- v1 ---- */

/* Add the directory of controller C where v1 has it; *REST loses C then. */
static int add_v1(const struct cgroup_wish *w, const struct cgroup_texts *t,
		  enum cgroup_controller c, unsigned *rest, struct cgroup_group *ret, struct err *e)
{
	const char *key = cgroup_limits_key(w->limits, c);
	const bool named = w->parent && *w->parent;
	scoped_free char *parent = cgroup_own(t, cgroup_controller_name(c, true), named, e);

	if (!parent)
		return err_is_set(e) ? -1 : 0;
	if (named) {
		char *below = named_parent(parent, w->parent, 0, e);
		if (!below)
			return key ? err_wrap(e, "the limit '%s' cannot be kept", key) : -1;
		free(parent);
		parent = below;
	}
	*rest &= ~(unsigned)c;
	/* What is only counted is not worth an error. */
	if (!key && access(parent, W_OK) < 0)
		return 0;
	scoped_free char *dir = str_fmt(e, "%s/%s", parent, w->name);
	if (!dir)
		return -1;
	if (strv_has(&ret->dirs, dir))
		return 0;
	if (c == CGROUP_MEMORY)
		ret->memory = ret->dirs.n;
	ret->keys[ret->dirs.n] = key;
	return strv_take(&ret->dirs, TAKE(dir, NULL), e);
}

/* ---- all of it ---- */

static int choose(const struct cgroup_wish *w, const struct cgroup_texts *t,
		  struct cgroup_group *ret, struct err *e)
{
	const unsigned needed = cgroup_limits_controllers(w->limits);
	unsigned rest = needed | (w->counts ? CGROUP_COUNTERS : 0u);
	scoped_v2 struct v2 v = {NULL, NULL};

	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
		if (rest & 1u << i && add_v1(w, t, 1u << i, &rest, ret, e) < 0)
			return -1;
	/* That v2 counts pressure as well is not worth one more directory. */
	if (!(needed & rest) && !w->v2 && (!w->counts || (w->optional && !rest)))
		return 0;
	v.top = cgroup_own(t, NULL, true, e);
	v.own = v.top ? cgroup_own(t, NULL, false, e) : NULL;
	if (err_is_set(e))
		return -1;
	if (v.top && (v.own || needed & rest || w->v2))
		return add_v2(w, &v, needed & rest, w->counts ? rest : 0, ret, e);
	if (needed & rest)
		return err_set(e, ERR_SYSTEM,
			       "the limit '%s' cannot be kept: this machine has no such control "
			       "group",
			       cgroup_limits_key(w->limits, needed & rest));
	if (w->v2)
		return err_set(e, ERR_SYSTEM,
			       "no file system of cgroup v2 is mounted on this machine");
	return 0;
}

int cgroup_choose(const struct cgroup_wish *w, struct cgroup_group *ret, struct err *e)
{
	scoped_texts struct cgroup_texts t = CGROUP_TEXTS_INIT;
	struct cgroup_group g = CGROUP_GROUP_INIT;

	if ((w->parent && check_parent(w->parent, e) < 0) || cgroup_texts_read(&t, e) < 0 ||
	    choose(w, &t, &g, e) < 0) {
		cgroup_group_done(&g);
		return -1;
	}
	*ret = g;
	return 0;
}

/* ---- making it ---- */

static int make_directory(const struct cgroup_group *g, size_t i, struct err *e)
{
	const char *dir = g->dirs.items[i];

	if (mkdir(dir, 0755) == 0)
		return 0;
	err_sys(e, "creating the control group '%s'", dir);
	return g->keys[i] ? err_wrap(e, "the limit '%s' cannot be kept", g->keys[i]) : -1;
}

int cgroup_make(const struct cgroup_group *g, const struct cgroup_limits *l,
		bool *ret_swap_unbounded, struct err *e)
{
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i < g->dirs.n; i++)
		if (make_directory(g, i, e) < 0)
			return -1;
	/* Linux 4.19; before, and with v1, the supervisor kills the rest. */
	if (g->v2 && write_file(g->v2, "memory.oom.group", "1", &ignored) < 0)
		err_clear(&ignored);
	return cgroup_limits_write(l, &g->dirs, ret_swap_unbounded, e);
}

int cgroup_hand_over(const char *dir, uid_t uid, gid_t gid, struct err *e)
{
	/* No file that sets a limit: Nix gives none either, and the build could lift ours. */
	static const char *const theirs[] = {"", "cgroup.procs", "cgroup.threads"};
	scoped_fd int fd = io_opendir(AT_FDCWD, dir, e);

	if (fd < 0)
		return -1;
	/* mkdir(2) has applied the umask. */
	if (fchmod(fd, 0755) < 0)
		return err_sys(e, "setting the mode of the control group '%s'", dir);
	/* cgroup_remove() walks down the tree, so its depth needs a bound. */
	if (write_file(dir, "cgroup.max.depth", DEPTH_MAX_TEXT, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		if (fchownat(fd, theirs[i], uid, gid, AT_EMPTY_PATH) < 0)
			return err_sys(e, "giving the control group '%s' to the build's user", dir);
	return 0;
}

int cgroup_enter(const char *dir, struct err *e)
{
	/*
	 * A move by cgroup.procs waits for all processors (cgroup_threadgroup_rwsem in the kernel),
	 * which takes up to some milliseconds. That of the calling thread by v1's `tasks` does not,
	 * since Linux 5.5; and this process has one thread.
	 */
	static const char *const files[] = {"tasks", "cgroup.procs"};
	scoped_fd int fd = -1;
	char path[4096];

	/* Without the heap, which after vfork(2) is the parent's. */
	for (size_t i = 0; fd < 0 && i < ARRAY_SIZE(files); i++) {
		if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, files[i]) >= sizeof path)
			return err_set(e, ERR_LIMIT, "the path '%s' is too long", dir);
		fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (fd < 0 || write(fd, "0", 1) < 0)
		return err_sys(e, "entering the control group '%s'", dir);
	return 0;
}
