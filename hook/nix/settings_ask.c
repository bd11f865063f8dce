/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nix/settings.h"

#include <errno.h>
#include <string.h>

#include "hook/base/subprocess.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* All settings are some 10 KiB. */
#define CONFIG_MAX (4u << 20)

/* 1: OUT has what Nix printed; 0: there is no Nix; -1: it did not understand the verb. */
static int nix_config(const char *verb, const char *noun, struct buf *out, struct err *e)
{
	/* argv of exec is not const for historical reasons only. */
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
 * A line "name = value". Others are the rest of a value with line feeds: no setting that is read.
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
	/* All of Nix know this name, from 2.20 on as a deprecated one: so one process is enough. */
	int rc = nix_config("show-config", NULL, &text, e);

	if (rc < 0) {
		const struct err first = *e;

		err_clear(e);
		buf_reset(&text);
		rc = nix_config("config", "show", &text, e);
		/* An old one that has failed for another reason says nothing of that here. */
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
