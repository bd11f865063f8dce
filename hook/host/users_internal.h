/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/host/users_internal.h: parts of hook/host/users.c, for its tests. */
#ifndef HOOK_HOST_USERS_INTERNAL_H
#define HOOK_HOST_USERS_INTERNAL_H

#include <grp.h>

#include "hook/host/users.h"
#include "nar/base/buf.h"

/* The ids that builds may have: the members of a group, or N ranges of COUNT ids from START on. */
struct user_pool {
	const char *dir; /* directory of the locks, below Nix's state directory */
	size_t n;
	uint32_t count;      /* ids that a build gets */
	uint64_t start;      /* first id of the first range */
	struct strv members; /* names of the group's members; each is looked up when needed */
	char *group;         /* name of the group; NULL: the pool is ranges */
	gid_t gid;
	uid_t self; /* a member of the group must not have this uid */
	bool asked; /* the settings or the build asked for these ids: no other process has them */
};

void user_pool_done(struct user_pool *p);
#define scoped_user_pool __attribute__((cleanup(user_pool_done)))
/*
 * Fill P with the members of the group G, in their order. A member with the uid SELF is an error,
 * which user_pool_try() reports.
 */
int user_pool_from_group(struct user_pool *p, const struct group *g, uid_t self,
			 struct err *e) MUST_CHECK;
/* Fill P with ranges of 65536 ids: as many as fit into ID_COUNT ids from START_ID on. */
int user_pool_from_range(struct user_pool *p, uint64_t start_id, uint64_t id_count,
			 struct err *e) MUST_CHECK;
/* Tell whether MAP, a text like /proc/self/uid_map, maps all of the N ids from FIRST on. */
bool user_map_has(const char *map, uint64_t first, uint64_t n);
/*
 * Kill every process of user UID in this pid namespace, as Nix's killUser() does: a child becomes
 * that user and signals every process that it may signal. No process outruns that by forking. The
 * caller holds the lock of this build user. UID must not be root's nor the caller's own.
 */
int user_kill_all(uid_t uid, struct err *e) MUST_CHECK;
/* Kill every process that has one of the COUNT uids from FIRST on. Finds them in /proc. */
int user_kill_range(uid_t first, uint32_t count, struct err *e) MUST_CHECK;
/*
 * Lock the first free ids of P. STATE_DIR is Nix's state directory.
 * Returns 1: RET is filled; 0: all are in use; -1: *E.
 */
int user_pool_try(const struct user_pool *p, const char *state_dir, struct build_user *ret,
		  struct err *e) MUST_CHECK;

#endif
