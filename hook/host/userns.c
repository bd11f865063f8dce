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
	/* With our memory, which is not copied: the child has the stack to itself until its end. */
	_Alignas(16) char stack[STACK_SIZE];
	const pid_t pid = clone(end_at_once, stack + sizeof stack,
				CLONE_VM | CLONE_VFORK | CLONE_NEWUSER, NULL);

	if (pid < 0)
		return errno;
	/* It sends no signal at its end, so it is one that only __WALL sees. */
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return 0;
}

/* Where to look for what is in the way. */
static const char *cause(int why)
{
	switch (why) {
	case ENOSPC: /* since Linux 4.9 also for too many in each other */
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
		      const struct build_user *user, struct buf *warning, struct err *e)
{
	bool allowed;

	if (why == ENOMEM || why == EAGAIN) {
		errno = why;
		return err_sys(e, "trying to make a user namespace");
	}
	if (settings_bool(s, "sandbox-fallback", true, &allowed, e) < 0)
		return -1;
	/* The builder would have all that we may do, or it needs the namespace to be root in. */
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
	h->uid = user->uid;
	h->gid = user->gid;
	h->n_uid_map = h->n_gid_map = 0;
	return 0;
}
