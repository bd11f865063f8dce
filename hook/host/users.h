/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/users.h: a uid and gid for a build that no other build has at the same time.
 *
 * As root: Nix's own pool, with Nix's own locks, so that Nix and we never give out the same one:
 * the members of `build-users-group` (lock `<state>/userpool/<uid>`), or where there is no such
 * group, or auto-allocate-uids is set, a range of ids from `start-id` (lock
 * `<state>/userpool2/slot-<i>`). Not as root: the caller's own ids. So it is for the root of a user
 * namespace (a container's, say) that has no such ids, where Nix would take root's. Source: Nix's
 * src/libstore/unix/user-lock.cc.
 *
 * Whatever still runs as the user that was taken is killed, as by Nix.
 *
 * Host ids 0 and 1000 are never given out, whatever the pool says: 1000 is what builds see inside,
 * and on most machines outside it is a person.
 */
#ifndef HOOK_HOST_USERS_H
#define HOOK_HOST_USERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hook/nix/settings.h"
#include "nar/base/err.h"

struct build_user {
	uid_t uid;      /* first of COUNT */
	gid_t gid;      /* first of COUNT where that is not 1 */
	uint32_t count; /* ids that are ours: 1 of the pool, 65536 of a range */
	int lock_fd;    /* holds them; -1: nothing is locked */
};
#define BUILD_USER_INIT     \
	{                   \
		0, 0, 0, -1 \
	}

/*
 * Take one, waiting while all are in use (at most until STOP_FD becomes readable: ERR_STOPPED).
 * NIX_STATE_DIR is Nix's ("/nix/var/nix"). UID_RANGE asks for 65536 ids, from the same ranges as
 * auto-allocate-uids. Locks are kept by whoever has a copy of `lock_fd`.
 */
int build_user_acquire(const struct settings *s, const char *nix_state_dir, bool uid_range,
		       int stop_fd, struct build_user *ret, struct err *e) MUST_CHECK;
void build_user_done(struct build_user *u);
#define scoped_build_user __attribute__((cleanup(build_user_done)))

#endif
