/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "hook/cmd/cli.h"
#include "hook/cmd/cmd.h"
#include "hook/conf/conf.h"
#include "hook/request/load.h"
#include "hook/request/narrow.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define OUTPUT_MAX (64u << 20)

static int print_subject(const struct drv *d, const struct policy_subject *s, struct buf *b,
			 struct err *e)
{
	if (buf_addf(b, e, "%s\n  name=%s pname=%s system=%s fixed-output=%s", d->path, s->name,
		     s->pname, s->system, s->fixed_output ? "true" : "false") < 0)
		return -1;
	for (size_t i = 0; i < s->features->n; i++)
		if (buf_addf(b, e, " feature=%s", s->features->items[i]) < 0)
			return -1;
	return s->user ? buf_addf(b, e, " user=%s\n", s->user) : buf_addc(b, '\n', e);
}

/* Whether a section after number AT that holds for SUBJECT as well sets KEY. */
static const struct policy_setting *set_again(const struct policy *p, size_t at, const char *key,
					      const struct policy_subject *subject)
{
	for (size_t i = p->n; i > at + 1; i--) {
		const struct policy_section *s = &p->sections[i - 1];

		for (size_t k = s->n_settings; k > 0; k--)
			if (str_eq(s->settings[k - 1].key, key) && policy_section_holds(s, subject))
				return &s->settings[k - 1];
	}
	return NULL;
}

static int print_setting(const struct conf *c, size_t at, const struct policy_setting *set,
			 const struct policy_subject *subject, struct buf *b, struct err *e)
{
	const struct policy_setting *again = set_again(&c->policy, at, set->key, subject);

	if (buf_addf(b, e, "  %s = %s", set->key, set->value) < 0)
		return -1;
	if (strv_has(&c->overridden, set->key))
		return buf_adds(b, "    # the environment or the command line sets another\n", e);
	return again ? buf_addf(b, e, "    # but see %s\n", again->where) : buf_addc(b, '\n', e);
}

/* Each section, and whether it holds; of those that do, what they set. */
static int print_sections(const struct conf *c, const struct policy_subject *subject, struct buf *b,
			  struct err *e)
{
	if (!c->policy.n)
		return buf_adds(b, "the configuration has no sections\n", e);
	for (size_t i = 0; i < c->policy.n; i++) {
		const struct policy_section *s = &c->policy.sections[i];
		const bool holds = policy_section_holds(s, subject);

		if (buf_addf(b, e, "%s: [%s] %s\n", s->where, s->header,
			     holds ? "holds" : "does not hold") < 0)
			return -1;
		for (size_t k = 0; holds && k < s->n_settings; k++)
			if (print_setting(c, i, &s->settings[k], subject, b, e) < 0)
				return -1;
	}
	return 0;
}

/* What sections change of C, as it is in effect then. */
static int print_changes(struct conf *c, const struct policy_subject *subject, struct buf *b,
			 struct err *e)
{
	scoped_buf struct buf before = BUF_INIT(OUTPUT_MAX), after = BUF_INIT(OUTPUT_MAX);
	scoped_strv struct strv old = STRV_INIT, new = STRV_INIT;
	bool any = false;

	if (conf_print_globals(c, &before, e) < 0 || policy_narrow(c, subject, e) < 0 ||
	    conf_print_globals(c, &after, e) < 0 || strv_split(&old, before.data, "\n", e) < 0 ||
	    strv_split(&new, after.data, "\n", e) < 0)
		return -1;
	for (size_t i = 0; i < old.n && i < new.n; i++) {
		if (str_eq(old.items[i], new.items[i]))
			continue;
		if (buf_addf(b, e, "%s  %s\n", any ? "" : "in effect for it, unlike for others:\n",
			     new.items[i]) < 0)
			return -1;
		any = true;
	}
	return any ? 0 : buf_adds(b, "nothing is different for it\n", e);
}

static int print_policy(const char *arg, const char *store_uri, struct conf *c, struct buf *b,
			struct err *e)
{
	scoped_settings struct settings settings = {0};
	scoped_store struct store store = {0};
	scoped_drv struct drv drv = DRV_INIT;
	scoped_build_subject struct build_subject about = BUILD_SUBJECT_INIT;

	if (settings_from_nix(&settings, e) < 0 ||
	    (store_uri && settings_set(&settings, "store", store_uri, e) < 0) ||
	    store_open(&store, &settings, REG_AUTO, e) < 0 ||
	    derivation_from_argument(arg, &store, &drv, e) < 0 ||
	    build_subject(&drv, &about, e) < 0)
		return -1;
	return print_subject(&drv, &about.subject, b, e) < 0 ||
			       print_sections(c, &about.subject, b, e) < 0
		       ? -1
		       : print_changes(c, &about.subject, b, e);
}

int cmd_policy(int argc, char **argv, struct err *e)
{
	const char *store = NULL;
	const struct cli_option options[] = {
		{"store", "URI", "the Nix store of the derivation, where it is not Nix's own",
		 .value = &store},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "DRV",
		.about = "Print which sections of the configuration hold for the build of a "
			 "derivation, and\n"
			 "what comes out.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	scoped_conf struct conf conf = CONF_INIT;
	scoped_buf struct buf text = BUF_INIT(OUTPUT_MAX);
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (conf_load(&conf, c.config_path, &c.conf_options, e) < 0 ||
	    print_policy(c.args[0], store, &conf, &text, e) < 0)
		return -1;
	fwrite(text.data, 1, text.len, stdout);
	return CMD_OK;
}
