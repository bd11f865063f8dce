/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/base/program.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

char *program_path(const char *name, struct err *e)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	char *slash;

	if (n > 0 && (size_t)n < sizeof self) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			scoped_free char *beside = str_fmt(e, "%s/%s", self, name);
			if (!beside)
				return NULL;
			if (access(beside, X_OK) == 0)
				return TAKE(beside, NULL);
		}
	}
	return str_fmt(e, LIBEXECDIR "/nix-oci-hook/%s", name);
}
