/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "hook/base/subprocess.h"
#include "hook/store/store.h"
#include "nar/base/scope.h"
#include "nar/nar.h"

#include "nar/base/banned.h"

#define VERSION_MAX_BYTES 4096

/*
 * The first release with the limit (CVE-2026-44028) in each branch. Branches before the first of a
 * NAME have no limit, branches after the last have it from their start on.
 */
static const struct {
	const char *name; /* in "nix-store (NAME) 2.34.8" */
	uint64_t minor, patch;
} limited[] = {
	{"(Nix)", 28, 7},           {"(Nix)", 29, 4},           {"(Nix)", 30, 5},
	{"(Nix)", 31, 5},           {"(Nix)", 32, 8},           {"(Nix)", 33, 6},
	{"(Nix)", 34, 7},           {"(Lix, like Nix)", 93, 4}, {"(Lix, like Nix)", 94, 2},
	{"(Lix, like Nix)", 95, 2},
};

/* Read a number at *P, and move *P past it and the dot that may follow. False: there is none. */
static bool take_number(const char **p, uint64_t *ret)
{
	size_t n = strspn(*p, "0123456789");

	if (!num_parse_u64(*p, n, UINT32_MAX, ret))
		return false;
	*p += n;
	*p += **p == '.';
	return true;
}

unsigned store_depth_of_version(const char *text)
{
	unsigned ret = NAR_DEPTH_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
		const char *at = strstr(text, limited[i].name);
		uint64_t major, minor, patch = 0;

		if (!at)
			continue;
		at += strlen(limited[i].name);
		at += strspn(at, " ");
		/* A version may have no patch level: "2.35pre20260101_abcdef". */
		if (!take_number(&at, &major) || !take_number(&at, &minor) || major != 2)
			return NAR_DEPTH_MAX;
		if (!take_number(&at, &patch))
			patch = 0;
		if (minor < limited[i].minor)
			return NAR_DEPTH_ANY;
		if (minor == limited[i].minor)
			return patch < limited[i].patch ? NAR_DEPTH_ANY : NAR_DEPTH_MAX;
	}
	return ret;
}

int store_depth_max(struct store *st, unsigned *ret, struct err *e)
{
	/* exec does not change its argv, which is not const for historical reasons only. */
	static const char *const argv[] = {"nix-store", "--version", NULL};
	scoped_buf struct buf out = BUF_INIT(VERSION_MAX_BYTES);

	if (!st->depth_max && st->mem)
		st->depth_max = NAR_DEPTH_MAX;
	if (!st->depth_max) {
		if (subprocess_run((char *const *)(uintptr_t)argv, NULL, 0, &out, e) < 0)
			return err_wrap(e, "asking Nix for its version");
		st->depth_max = store_depth_of_version(out.data ? out.data : "");
	}
	*ret = st->depth_max;
	return 0;
}
