/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/environment.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/buf.h"

#include "nar/base/banned.h"

static char usual_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:"
			   "/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin";

/* Lists of patterns for fnmatch(3). */
static const char *const runtime[] = {"PATH=*", NULL};
static const char *const rootless[] = {"PATH=*", "HOME=*", "XDG_RUNTIME_DIR=*", NULL};
static const char *const nix[] = {
	"PATH=*", "HOME=*", "USER=*", "LOGNAME=*", "TMPDIR=*",          "LANG=*",
	"LC_*",   "XDG_*",  "NIX_*",  "SSL_*",     "LD_LIBRARY_PATH=*", NULL,
};
static const char *const systemds[] = {"LISTEN_*", "NOTIFY_SOCKET=*", "WATCHDOG_*", NULL};

static bool matches(const char *s, const char *const *patterns)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, s, 0) == 0)
			return true;
	return false;
}

static bool is_for(enum environment_kind kind, const char *s)
{
	switch (kind) {
	case ENVIRONMENT_RUNTIME:
		return matches(s, geteuid() == 0 ? runtime : rootless);
	case ENVIRONMENT_NIX:
		return matches(s, nix);
	case ENVIRONMENT_PREBUILD:
		return !matches(s, systemds);
	}
	return false;
}

char **environment_for(enum environment_kind kind, struct err *e)
{
	size_t n = 0, max = 2; /* the usual PATH and NULL */
	bool has_path = false;

	for (char **p = environ; *p; p++)
		max++;
	char **ret = mem_new(max, sizeof *ret, e);
	if (!ret)
		return NULL;
	for (char **p = environ; *p; p++) {
		if (!is_for(kind, *p))
			continue;
		has_path = has_path || str_starts(*p, "PATH=");
		ret[n++] = *p;
	}
	if (!has_path)
		ret[n++] = usual_path;
	return ret;
}
