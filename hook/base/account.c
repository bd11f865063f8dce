/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* How often an account is looked up that is not found: a failure that passes may be the reason. */
#define TRIES 2

/*
 * Tell whether a lookup that returned NULL has failed. With each of the other errors it may mean
 * that there is no such account (getpwnam(3)).
 */
static bool lookup_failed(void)
{
	return errno != 0 && errno != ENOENT && errno != ESRCH && errno != EBADF && errno != EPERM;
}

/*
 * Tell whether the accounts in FILE are unknown because it cannot be read; errno says why. The C
 * library only tells how the last of its services ended (nsswitch.conf(5)), not that of this file.
 */
static bool is_unreadable(const char *file)
{
	scoped_fd int fd = open(file, O_RDONLY | O_CLOEXEC);

	return fd < 0 && errno != ENOENT && errno != EACCES;
}

int account_user(const char *name, const struct passwd **ret, struct err *e)
{
	const struct passwd *pw = NULL;

	for (int i = 0; !pw && i < TRIES; i++) {
		errno = 0;
		pw = getpwnam(name);
	}
	if (!pw && (lookup_failed() || is_unreadable("/etc/passwd")))
		return err_sys(e, "looking up the user '%s'", name);
	*ret = pw;
	return 0;
}

int account_user_of(uid_t uid, const struct passwd **ret, struct err *e)
{
	const struct passwd *pw = NULL;

	for (int i = 0; !pw && i < TRIES; i++) {
		errno = 0;
		pw = getpwuid(uid);
	}
	if (!pw && (lookup_failed() || is_unreadable("/etc/passwd")))
		return err_sys(e, "looking up the user with uid %u", (unsigned)uid);
	*ret = pw;
	return 0;
}

int account_group(const char *name, const struct group **ret, struct err *e)
{
	const struct group *g = NULL;

	for (int i = 0; !g && i < TRIES; i++) {
		errno = 0;
		g = getgrnam(name);
	}
	if (!g && (lookup_failed() || is_unreadable("/etc/group")))
		return err_sys(e, "looking up the group '%s'", name);
	*ret = g;
	return 0;
}
