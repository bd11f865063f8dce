/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/host/users_internal.h: parts of hook/host/users.c, for its tests. */
#ifndef HOOK_HOST_USERS_INTERNAL_H
#define HOOK_HOST_USERS_INTERNAL_H

#include <grp.h>

#include "hook/host/users.h"
#include "nar/base/buf.h"

/* Ids that may be free: the users of a group, or N ranges of COUNT from START on. */
struct user_pool {
	const char *dir; /* of their locks, below Nix's state directory */
	size_t n;
	uint32_t count; /* ids of each */
	uint64_t start;
	struct strv members; /* of a group, looked up only when their turn comes */
	char *group;
	gid_t gid;
	uid_t self; /* must not be among them */
	bool asked; /* the machine set them apart for builds: no other process has one of them */
};

void user_pool_done(struct user_pool *p);
#define scoped_user_pool __attribute__((cleanup(user_pool_done)))
/*
 * The members of G in their order. SELF is who must not be among them, which user_pool_try()
 * checks.
 */
int user_pool_from_group(struct user_pool *p, const struct group *g, uid_t self,
			 struct err *e) MUST_CHECK;
int user_pool_from_range(struct user_pool *p, uint64_t start_id, uint64_t id_count,
			 struct err *e) MUST_CHECK;
/* Whether MAP, the text of a uid_map(5), has all of the N ids from FIRST on. */
bool user_map_has(const char *map, uint64_t first, uint64_t n);
/*
 * Kill every process of user UID (in this pid namespace), as Nix's killUser(): a forked child
 * becomes that user and signals all that it may, which no process can outrun by forking. UID is a
 * build user's whose lock the caller holds; root's and the caller's own are refused.
 */
int user_kill_all(uid_t uid, struct err *e) MUST_CHECK;
/* Kill every process that has one of the COUNT ids from FIRST on, which may be many: by /proc. */
int user_kill_range(uid_t first, uint32_t count, struct err *e) MUST_CHECK;
/* Lock the first free one. 1: RET filled, 0: all in use, -1: *E. */
int user_pool_try(const struct user_pool *p, const char *state_dir, struct build_user *ret,
		  struct err *e) MUST_CHECK;

#endif
