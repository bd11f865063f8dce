/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nix/settings.h: Nix's settings, as Nix sends them to a hook: names and values, all strings.
 *
 * Which settings Nix sends depends on its version and its experimental features, so a getter takes
 * a default. A Boolean is "true" or "false"; the items of a list are separated by white space.
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
#define SETTINGS_BLANKS " \t\n\r" /* what separates the items of a list */

/* Set the setting NAME to VALUE. Cheap if names come in sorted order, as Nix sends them. */
int settings_set(struct settings *s, const char *name, const char *value, struct err *e) MUST_CHECK;
/* Return the value of the setting NAME. NULL: Nix did not send it. */
const char *settings_get(const struct settings *s, const char *name);
/*
 * Put into *RET the value of the setting NAME, or DEF if Nix did not send it. A value that is not a
 * Boolean, or not a number, is ERR_INPUT.
 */
int settings_bool(const struct settings *s, const char *name, bool def, bool *ret,
		  struct err *e) MUST_CHECK;
int settings_u64(const struct settings *s, const char *name, uint64_t def, uint64_t *ret,
		 struct err *e) MUST_CHECK;
/* Append to RET the items of the list NAME. */
int settings_list(const struct settings *s, const char *name, struct strv *ret,
		  struct err *e) MUST_CHECK;
/*
 * Tell whether S is of Nix 2.32 or newer. Nix does not tell a hook its version, but it sends some
 * settings only from one version on. From 2.32 on
 *  - every exit status of a hook is a failure like others, and is printed;
 *  - paths in messages stand in double quotes, before in single ones;
 *  - build directories lie in the state directory.
 */
bool settings_of_2_32(const struct settings *s);
/*
 * Tell whether S is of Nix 2.31 or newer. If `cores` is 0, such a Nix tells a build how many cores
 * there are; an older one tells it 0.
 */
bool settings_of_2_31(const struct settings *s);
/* Return the quote that Nix puts around paths in its messages. */
const char *settings_quote(const struct settings *s);
void settings_done(struct settings *s);
#define scoped_settings __attribute__((cleanup(settings_done)))

/*
 * Fill RET with the settings that `nix show-config` prints, for verbs that Nix does not start. On a
 * machine without Nix it stays empty, and every getter gives its default.
 */
int settings_from_nix(struct settings *ret, struct err *e) MUST_CHECK;

#endif
