/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nix/settings.h: Nix's settings as it sends them to a hook: names and values, all strings.
 *
 * Which names are there depends on Nix's version and its experimental features, so a getter takes
 * the default. Booleans are "true"/"false", lists are separated by white space.
 *
 *	scoped_settings struct settings s = SETTINGS_INIT;
 */
#ifndef HOOK_NIX_SETTINGS_H
#define HOOK_NIX_SETTINGS_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct settings {
	struct setting {
		char *name, *value;
	} * items; /* sorted by name, each name once */
	size_t n, cap;
};
#define SETTINGS_INIT      \
	{                  \
		NULL, 0, 0 \
	}
#define SETTINGS_BLANKS " \t\n\r" /* stand between the items of a list */

/* Add a setting, or give it another value. Cheap in sorted order, which is Nix's. */
int settings_set(struct settings *s, const char *name, const char *value, struct err *e) MUST_CHECK;
/* The value, or NULL where Nix did not send one of that name. */
const char *settings_get(const struct settings *s, const char *name);
/* DEF where it is missing; what is not true/false or no number is ERR_INPUT with the name. */
int settings_bool(const struct settings *s, const char *name, bool def, bool *ret,
		  struct err *e) MUST_CHECK;
int settings_u64(const struct settings *s, const char *name, uint64_t def, uint64_t *ret,
		 struct err *e) MUST_CHECK;
/* Appends the words to RET. */
int settings_list(const struct settings *s, const char *name, struct strv *ret,
		  struct err *e) MUST_CHECK;
/*
 * Nix does not tell a hook its version, but some settings are only there from one on. From 2.32:
 * every exit status of a hook is a failure like others, and is printed; paths in messages stand
 * in double quotes, else in single ones; build directories lie in the state directory.
 */
bool settings_of_2_32(const struct settings *s);
/* From 2.31 on, where `cores` is 0, a build is told how many there are; before, it is told 0. */
bool settings_of_2_31(const struct settings *s);
const char *settings_quote(const struct settings *s);
void settings_done(struct settings *s);
#define scoped_settings __attribute__((cleanup(settings_done)))

/*
 * For the verbs that Nix does not start: what `nix show-config` says, or nothing where there is no
 * Nix (every getter then gives its default).
 */
int settings_from_nix(struct settings *ret, struct err *e) MUST_CHECK;

#endif
