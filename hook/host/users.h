/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/users.h: give a build a uid and gid that no other build has at the same time.
 *
 * As root the ids come from Nix's own pools, under Nix's own locks, so that Nix and the hook never
 * give out the same id:
 *  - a member of the group build-users-group (lock `<state>/userpool/<uid>`);
 *  - a range of ids from start-id on (lock `<state>/userpool2/slot-<i>`), if there is no such group
 *    or auto-allocate-uids is set.
 * Without root: the caller's own ids. The same for root in a user namespace that does not map
 * those ids (inside a container, say), unless the settings or the build ask for them; Nix would
 * build as root there. Source: Nix's src/libstore/unix/user-lock.cc.
 *
 * As Nix does, the hook then kills every process that still has these ids. It leaves ids alone that
 * neither the settings nor the build asked for.
 *
 * The machine's ids 0 and 1000 are never given out, whatever the pool says: 1000 is the builder's
 * uid inside, and on most machines a person's outside.
 */
#ifndef HOOK_HOST_USERS_H
#define HOOK_HOST_USERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hook/nix/settings.h"
#include "nar/base/err.h"

struct build_user {
	uid_t uid;      /* the first of `count` uids */
	gid_t gid;      /* the first of `count` gids */
	uint32_t count; /* 1 for a member of the group, 65536 for a range */
	int lock_fd;    /* holds the lock; -1: nothing is locked */
};
#define BUILD_USER_INIT     \
	{                   \
		0, 0, 0, -1 \
	}

/*
 * Take a build user. Waits while all are in use; fails with ERR_STOPPED when STOP_FD becomes
 * readable. NIX_STATE_DIR is Nix's state directory ("/nix/var/nix"). UID_RANGE asks for 65536 ids,
 * from the ranges of auto-allocate-uids. Every process that has a copy of `lock_fd` holds the lock.
 */
int build_user_acquire(const struct settings *s, const char *nix_state_dir, bool uid_range,
		       int stop_fd, struct build_user *ret, struct err *e) MUST_CHECK;
void build_user_done(struct build_user *u);
#define scoped_build_user __attribute__((cleanup(build_user_done)))

#endif
