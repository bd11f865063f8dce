/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/users_internal.h: parts of hook/users.c, for its tests. */
#ifndef HOOK_USERS_INTERNAL_H
#define HOOK_USERS_INTERNAL_H

#include <grp.h>

#include "hook/users.h"

/* Ids that may be free, each with its lock file's name in DIR. */
struct user_pool {
	const char *dir; /* below Nix's state directory */
	struct user_slot {
		uid_t uid;
		gid_t gid;
		char lock[32];
	} * slots;
	size_t n, cap;
	uint32_t count; /* ids of each */
};

void user_pool_done(struct user_pool *p);
#define scoped_user_pool __attribute__((cleanup(user_pool_done)))
/* The members of G in their order. SELF is who must not be among them. */
int user_pool_from_group(struct user_pool *p, const struct group *g, uid_t self,
			 struct err *e) MUST_CHECK;
int user_pool_from_range(struct user_pool *p, uint64_t start_id, uint64_t id_count,
			 struct err *e) MUST_CHECK;
/* Lock the first free one. 1: RET filled, 0: all in use, -1: *E. */
int user_pool_try(const struct user_pool *p, const char *state_dir, struct build_user *ret,
		  struct err *e) MUST_CHECK;

#endif
