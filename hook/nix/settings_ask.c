/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nix/settings.h"

#include <errno.h>
#include <string.h>

#include "hook/base/subprocess.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Nix prints about 10 KiB. */
#define CONFIG_MAX (4u << 20)

/*
 * Run `nix VERB NOUN`; NOUN may be NULL.
 * Returns 1: its output was appended to OUT; 0: this machine has no Nix; -1: *E, Nix failed.
 */
static int nix_config(const char *verb, const char *noun, struct buf *out, struct err *e)
{
	/* exec does not change its argv, which is not const for historical reasons only. */
	const char *const argv[] = {
		"nix", "--extra-experimental-features", "nix-command", verb, noun, NULL};

	if (subprocess_run((char *const *)(uintptr_t)argv, NULL, 0, out, e) == 0)
		return 1;
	if (e->sys != ENOENT)
		return -1;
	err_clear(e);
	return 0;
}

/*
 * Set what LINE, "name = value", says. Any other line continues a value that contains line feeds,
 * and belongs to no setting that the hook reads.
 */
static int add_line(struct settings *s, char *line, struct err *e)
{
	char *equals = strstr(line, " = ");

	if (!equals)
		return 0;
	*equals = '\0';
	return settings_set(s, line, equals + strlen(" = "), e);
}

int settings_from_nix(struct settings *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(CONFIG_MAX);
	scoped_strv struct strv lines = STRV_INIT;
	scoped_settings struct settings s = {0};
	/* Every Nix knows "show-config", from 2.20 on as deprecated: one process is enough. */
	int rc = nix_config("show-config", NULL, &text, e);

	if (rc < 0) {
		const struct err first = *e;

		err_clear(e);
		buf_reset(&text);
		rc = nix_config("config", "show", &text, e);
		/* An old Nix does not know this name: the error of the first run tells more. */
		if (rc < 0 && strstr(e->msg, "is not a recognised command"))
			*e = first;
	}
	if (rc < 0)
		return err_wrap(e, "asking Nix for its settings");
	if (rc > 0 && strv_split(&lines, text.data ? text.data : "", "\n", e) < 0)
		return -1;
	for (size_t i = 0; i < lines.n; i++)
		if (add_line(&s, lines.items[i], e) < 0)
			return -1;
	*ret = s;
	s = (struct settings){0};
	return 0;
}
