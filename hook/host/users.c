/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/users.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "hook/base/account.h"
#include "hook/host/users_internal.h"
#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Nix's defaults (src/libstore/include/nix/store/globals.hh), for a Nix that does not send them. */
#define DEFAULT_GROUP "nixbld"
#define DEFAULT_START_ID 872415232
#define DEFAULT_ID_COUNT 8388608
#define IDS_PER_SLOT 65536
#define SLOTS_MAX 65536
#define HOST_USER 1000
/* (uid_t)-1 and (uid_t)-2 have a special meaning. */
#define LAST_ID ((uint64_t)UINT32_MAX - 2)
/* Nix tries again every 5 s. To try a lock costs 3 us. */
#define RETRY_MS 100
#define MAP_MAX 65536 /* the kernel allows 340 lines of 33 bytes */

/* The ids at one place of a pool, and the name of their lock. */
struct user_slot {
	uid_t uid;
	gid_t gid;
	char lock[32];
};

void user_pool_done(struct user_pool *p)
{
	strv_done(&p->members);
	free(p->group);
	*p = (struct user_pool){0};
}

int user_pool_from_group(struct user_pool *p, const struct group *g, uid_t self, struct err *e)
{
	p->dir = "userpool";
	p->count = 1;
	p->gid = g->gr_gid;
	p->self = self;
	if (!g->gr_mem[0])
		return err_set(e, ERR_SYSTEM, "the build users group '%s' has no members",
			       g->gr_name);
	p->group = str_dup(g->gr_name, e);
	if (!p->group)
		return -1;
	for (char **name = g->gr_mem; *name; name++)
		if (strv_add(&p->members, *name, e) < 0)
			return -1;
	p->n = p->members.n;
	return 0;
}

int user_pool_from_range(struct user_pool *p, uint64_t start_id, uint64_t id_count, struct err *e)
{
	const uint64_t n = id_count / IDS_PER_SLOT;

	p->dir = "userpool2";
	p->count = IDS_PER_SLOT;
	if (n == 0 || n > SLOTS_MAX)
		return err_set(e, ERR_SYSTEM,
			       "the setting 'id-count' is %llu, allowed is %d to %llu",
			       (unsigned long long)id_count, IDS_PER_SLOT,
			       (unsigned long long)SLOTS_MAX * IDS_PER_SLOT);
	if (start_id <= HOST_USER || start_id > LAST_ID ||
	    n * IDS_PER_SLOT > LAST_ID - start_id + 1)
		return err_set(
			e, ERR_SYSTEM,
			"the settings 'start-id' and 'id-count' give builds %llu ids from %llu on; "
			"allowed are ids from %d to %llu",
			(unsigned long long)n * IDS_PER_SLOT, (unsigned long long)start_id,
			HOST_USER + 1, (unsigned long long)LAST_ID);
	p->start = start_id;
	p->n = (size_t)n;
	return 0;
}

/*
 * Look up the user NAME, a member of the group of P.
 * Returns 1: RET is filled; 0: builds never use this uid; -1: *E.
 */
static int member(const struct user_pool *p, const char *name, struct user_slot *ret, struct err *e)
{
	const struct passwd *pw;

	if (account_user(name, &pw, e) < 0)
		return -1;
	if (!pw)
		return err_set(e, ERR_SYSTEM, "the user '%s' in the group '%s' does not exist",
			       name, p->group);
	if (pw->pw_uid == p->self || pw->pw_uid == 0)
		return err_set(e, ERR_SYSTEM, "the Nix user should not be a member of '%s'",
			       p->group);
	*ret = (struct user_slot){pw->pw_uid, p->gid, ""};
	snprintf(ret->lock, sizeof ret->lock, "%u", (unsigned)pw->pw_uid);
	return pw->pw_uid != HOST_USER;
}

/*
 * Look up the ids at place I of P.
 * Returns 1: RET is filled; 0: builds never use them; -1: *E.
 */
static int slot_at(const struct user_pool *p, size_t i, struct user_slot *ret, struct err *e)
{
	if (p->group)
		return member(p, p->members.items[i], ret, e);
	ret->uid = ret->gid = (uid_t)(p->start + i * p->count);
	snprintf(ret->lock, sizeof ret->lock, "slot-%u", (unsigned)i);
	return 1;
}

/* Refuse a range whose first id is a user's. Nix looks up the first id only, too. */
static int check_clash(const struct user_pool *p, uid_t uid, struct err *e)
{
	const struct passwd *pw = NULL;

	if (p->count > 1 && account_user_of(uid, &pw, e) < 0)
		return -1;
	if (!pw)
		return 0;
	return err_set(e, ERR_SYSTEM,
		       "auto-allocated UID %u clashes with existing user account '%s'",
		       (unsigned)uid, pw->pw_name);
}

/*
 * Try to take the lock NAME in DIRFD. Returns the descriptor that holds it.
 * -1 with *E: an error; -1 without: another process has the lock.
 */
static int try_lock(int dirfd, const char *dir, const char *name, struct err *e)
{
	scoped_fd int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "opening '%s/%s'", dir, name);
	const int locked = io_lock(fd, LOCK_EX | LOCK_NB);
	if (locked < 0)
		err_sys(e, "locking '%s/%s'", dir, name);
	return locked > 0 ? TAKE(fd, -1) : -1;
}

int user_pool_try(const struct user_pool *p, const char *state_dir, struct build_user *ret,
		  struct err *e)
{
	scoped_free char *dir = str_fmt(e, "%s/%s", state_dir, p->dir);
	bool usable = false;

	if (!dir)
		return -1;
	scoped_fd int dirfd = io_mkdir_p(dir, 0755, e);
	if (dirfd < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		struct user_slot slot;
		int r = slot_at(p, i, &slot, e);

		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		usable = true;
		scoped_fd int fd = try_lock(dirfd, dir, slot.lock, e);
		if (err_is_set(e))
			return -1;
		if (fd < 0)
			continue;
		if (check_clash(p, slot.uid, e) < 0)
			return -1;
		*ret = (struct build_user){slot.uid, slot.gid, p->count, TAKE(fd, -1)};
		return 1;
	}
	if (usable)
		return 0;
	return err_set(e, ERR_SYSTEM,
		       "every member of the build users group '%s' has uid %d, which builds never "
		       "get",
		       p->group, HOST_USER);
}

bool user_map_has(const char *map, uint64_t first, uint64_t n)
{
	unsigned long long inside, outside, count;

	for (const char *p = map;
	     n && sscanf(p, "%llu %llu %llu", &inside, &outside, &count) == 3;) {
		if (first >= inside && first - inside < count) {
			uint64_t here = count - (first - inside);
			first += here;
			n -= here < n ? here : n;
			p = map;
			continue;
		}
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return n == 0;
}

/* Read PATH, a file of /proc about user namespaces. RET stays empty if the kernel has none. */
static int read_proc(const char *path, struct buf *ret, struct err *e)
{
	scoped_fd int fd = io_open_input(path, e);

	if (fd >= 0)
		return buf_read_fd(ret, fd, path, e);
	if (e->kind != ERR_SYSTEM || e->sys != ENOENT)
		return -1;
	err_clear(e);
	return 0;
}

/* Put into *RET whether this process's user namespace maps all ids of P, which is ranges. */
static int range_is_mapped(const struct user_pool *p, bool *ret, struct err *e)
{
	static const char *const files[] = {"/proc/self/uid_map", "/proc/self/gid_map"};

	*ret = true;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_buf struct buf map = BUF_INIT(MAP_MAX);
		if (read_proc(files[i], &map, e) < 0)
			return -1;
		if (map.data)
			*ret = *ret && user_map_has(map.data, p->start, p->n * p->count);
	}
	return 0;
}

/* Fill P with the ids that Nix would choose from; with the ranges where Nix would choose none. */
static int choose_pool(const struct settings *s, bool uid_range, struct user_pool *p, struct err *e)
{
	const char *name = settings_get(s, "build-users-group");
	const struct group *g = NULL;
	uint64_t start_id, id_count;
	bool automatic;

	if (settings_bool(s, "auto-allocate-uids", false, &automatic, e) < 0 ||
	    settings_u64(s, "start-id", DEFAULT_START_ID, &start_id, e) < 0 ||
	    settings_u64(s, "id-count", DEFAULT_ID_COUNT, &id_count, e) < 0)
		return -1;
	if (!name)
		name = DEFAULT_GROUP;
	if (!automatic && !uid_range && *name && account_group(name, &g, e) < 0)
		return -1;
	p->asked = g || automatic || uid_range;
	if (g)
		return user_pool_from_group(p, g, getuid(), e);
	return user_pool_from_range(p, start_id, id_count, e);
}

static int wait_a_little(int stop_fd, struct err *e)
{
	struct pollfd p = {.fd = stop_fd, .events = POLLIN};

	if (poll(&p, 1, RETRY_MS) < 0 && errno != EINTR)
		return err_sys(e, "waiting for a free build user ID");
	if (p.revents)
		return err_set(e, ERR_STOPPED, "stopped while waiting for a free build user ID");
	return 0;
}

/*
 * Put into *RET whether the build has to run with this process's own ids: P is ranges that neither
 * the settings nor the build asked for, and this user namespace does not map them.
 */
static int is_out_of_reach(const struct settings *s, bool uid_range, const struct user_pool *p,
			   bool *ret, struct err *e)
{
	bool automatic, mapped;

	*ret = false;
	if (p->group || uid_range)
		return 0;
	if (settings_bool(s, "auto-allocate-uids", false, &automatic, e) < 0)
		return -1;
	if (automatic)
		return 0;
	if (range_is_mapped(p, &mapped, e) < 0)
		return -1;
	*ret = !mapped;
	return 0;
}

/*
 * Refuse to build with this process's own ids if its supplementary groups cannot be dropped. A
 * build would keep them. Nix also refuses that by default, if it runs as root.
 */
static int check_groups(const struct settings *s, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(16);
	bool required;

	if (settings_bool(s, "require-drop-supplementary-groups", false, &required, e) < 0)
		return -1;
	if (!required)
		return 0;
	if (read_proc("/proc/self/setgroups", &text, e) < 0)
		return -1;
	if (text.data && strncmp(text.data, "deny", 4) == 0)
		return err_set(e, ERR_SYSTEM,
			       "setgroups failed. Set the require-drop-supplementary-groups option "
			       "to false to skip this step.");
	return 0;
}

/*
 * Kill the processes that have an id of U before its build starts: such a process could change this
 * build, or live on and change the next one. Ids that neither the settings nor the build asked for
 * are left alone: a build for another store, whose locks lie elsewhere, may have the same ids.
 */
static int clear_user(const struct user_pool *p, bool uid_range, struct build_user *u,
		      struct err *e)
{
	if (!p->asked)
		return 0;
	if (user_kill_all(u->uid, e) == 0 &&
	    (!uid_range || user_kill_range(u->uid, u->count, e) == 0))
		return 0;
	build_user_done(u);
	return -1;
}

int build_user_acquire(const struct settings *s, const char *nix_state_dir, bool uid_range,
		       int stop_fd, struct build_user *ret, struct err *e)
{
	scoped_user_pool struct user_pool p = {0};
	bool own;

	if (geteuid() != 0) {
		if (uid_range)
			return err_set(
				e, ERR_SYSTEM,
				"a build with the feature 'uid-range' needs 65536 ids, which "
				"only a hook that root starts can give it");
		*ret = (struct build_user){geteuid(), getegid(), 1, -1};
		return 0;
	}
	if (choose_pool(s, uid_range, &p, e) < 0 || is_out_of_reach(s, uid_range, &p, &own, e) < 0)
		return -1;
	if (own) {
		if (check_groups(s, e) < 0)
			return -1;
		*ret = (struct build_user){geteuid(), getegid(), 1, -1};
		return 0;
	}
	for (;;) {
		int r = user_pool_try(&p, nix_state_dir, ret, e);

		if (r < 0)
			return -1;
		if (r)
			return clear_user(&p, uid_range, ret, e);
		if (wait_a_little(stop_fd, e) < 0)
			return -1;
	}
}

void build_user_done(struct build_user *u)
{
	if (u->lock_fd >= 0)
		close(u->lock_fd);
	*u = (struct build_user)BUILD_USER_INIT;
}
