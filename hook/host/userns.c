/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/userns.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nar/base/banned.h"

#define STACK_SIZE (16u << 10)

static int end_at_once(void *unused)
{
	(void)unused;
	return 0;
}

int userns_try(void)
{
	/* The child shares this process's memory, and runs on STACK while this process waits. */
	_Alignas(16) char stack[STACK_SIZE];
	const pid_t pid = clone(end_at_once, stack + sizeof stack,
				CLONE_VM | CLONE_VFORK | CLONE_NEWUSER, NULL);

	if (pid < 0)
		return errno;
	/* The child sends no signal when it ends; waitpid(2) finds such a child by __WALL only. */
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return 0;
}

/* Return what to look at when a user namespace cannot be made because of WHY, an errno. */
static const char *cause(int why)
{
	switch (why) {
	case ENOSPC: /* since Linux 4.9 also: too many user namespaces inside each other */
	case EUSERS:
		return "the limit '/proc/sys/user/max_user_namespaces'";
	case EINVAL:
		return "the kernel's option CONFIG_USER_NS";
	default:
		return "'/proc/sys/kernel/unprivileged_userns_clone' and what the container or "
		       "service that this runs in may do";
	}
}

int userns_do_without(struct spec_host *h, int why, bool needed, const struct settings *s,
		      struct buf *warning, struct err *e)
{
	bool allowed;

	if (why == ENOMEM || why == EAGAIN) {
		errno = why;
		return err_sys(e, "trying to make a user namespace");
	}
	if (settings_bool(s, "sandbox-fallback", true, &allowed, e) < 0)
		return -1;
	/*
	 * Without root the builder would keep all rights of the hook's user. A build with a range
	 * of ids is root in its namespace.
	 */
	if (needed || h->rootless || h->uid_map[0].count > 1)
		return err_set(e, ERR_SYSTEM,
			       "no user namespace can be made, and this build cannot do without: "
			       "%s (see %s)",
			       strerror(why), cause(why));
	if (!allowed)
		return err_set(e, ERR_SYSTEM,
			       "no user namespace can be made: %s (see %s); builds do without one "
			       "where 'userns' is false or Nix's 'sandbox-fallback' is true",
			       strerror(why), cause(why));
	if (buf_addf(warning, e,
		     "building without a user namespace, as none can be made: %s (see %s)",
		     strerror(why), cause(why)) < 0)
		return -1;
	h->userns = false;
	h->uid = h->uid_map[0].outside;
	h->gid = h->gid_map[0].outside;
	h->n_uid_map = h->n_gid_map = 0;
	return 0;
}
