/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program nix-oci-hook: find the verb and run it. Nix starts a build hook as `nix-oci-hook
 * VERBOSITY`; Nix 2.26 and later put the arguments of the setting build-hook before the number. So
 * a command line without a verb that ends in a number means the verb "hook".
 */
#include "hook/cmd/cmd.h"

#include <config.h>

#include <string.h>

#include "hook/base/log.h"
#include "hook/cmd/cli.h"
#include "hook/conf/conf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* One line for each verb, sorted. hook/cmd/cmd.h declares the functions. */
static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
	const char *help;
} verbs[] = {
	{"build", cmd_build, "build from binary caches and into one, without Nix"},
	{"bundle", cmd_bundle, "make an OCI bundle of a build, to run by hand"},
	{"config", cmd_config, "print the configuration that is in effect"},
	{"hook", cmd_hook, "serve Nix as its build hook"},
	{"nar", cmd_nar, "dump, restore, list and hash Nix archives"},
	{"policy", cmd_policy, "print which sections of the configuration hold for a build"},
	{"request", cmd_request, "print the build request of a derivation"},
	{"spec", cmd_spec, "print the OCI configuration of a build"},
	{"stats", cmd_stats, "show what builds cost and how they ended"},
	{NULL, NULL, NULL},
};

static const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (str_eq(v->name, name))
			return v;
	return NULL;
}

static void print_help(void)
{
	printf("Usage: nix-oci-hook [options] VERB ...\n"
	       "       nix-oci-hook [options] VERBOSITY    as Nix starts its build hook\n\n"
	       "A Nix build hook that runs each build in an OCI container.\n\nVerbs:\n");
	for (const struct verb *v = verbs; v->name; v++)
		printf("  %-20s  %s\n", v->name, v->help);
	printf("\nOptions:\n");
	cli_print_common(stdout);
	printf("  --version             print the version\n\n"
	       "Exit codes: 0 success, 1 failure, 2 wrong command line.\n"
	       "'nix-oci-hook VERB --help' tells more of each, nix-oci-hook(1) all.\n\n"
	       "Keys of the configuration, " CONF_FILE ":\n");
	conf_print_keys(stdout, CONF_TEXT);
}

static int usage(const char *what, const char *arg)
{
	log_msg(LOG_ERROR, "error: %s%s%s", what, arg, *arg ? "'" : "");
	log_msg(LOG_ERROR, "Try 'nix-oci-hook --help'.");
	return CMD_USAGE;
}

static bool is_number(const char *s)
{
	uint64_t n;

	return num_parse_u64(s, strlen(s), UINT64_MAX, &n);
}

/*
 * Find the verb: the first word that is neither an option that all verbs have nor the value of such
 * an option. *RET_AT becomes its index, or argc if there is none.
 */
static void find_word(int argc, char **argv, int *ret_at)
{
	int at = 1;

	while (at < argc && argv[at][0] == '-') {
		int more = cli_common_args(argv[at]);

		if (more < 0)
			break;
		at += 1 + more;
	}
	*ret_at = at < argc ? at : argc;
}

/* Run V, the word at argv[AT]; AT is ARGC if no word names it. Options before it become V's. */
static int run_verb(const struct verb *v, int argc, char **argv, int at, struct err *e)
{
	if (at < argc) {
		memmove(argv + 1, argv, (size_t)at * sizeof *argv);
		argv++;
		argc--;
	}
	argv[0] = (char *)(uintptr_t)v->name;
	return v->run(argc, argv, e);
}

static int run(int argc, char **argv, struct err *e)
{
	const struct verb *v;
	int at;

	find_word(argc, argv, &at);
	if (at < argc && str_eq(argv[at], "--version")) {
		printf("nix-oci-hook %s\n", PACKAGE_VERSION);
		return CMD_OK;
	}
	v = at < argc ? verb_find(argv[at]) : NULL;
	if (v)
		return run_verb(v, argc, argv, at, e);
	for (int i = 1; i < at; i++)
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			print_help();
			return CMD_OK;
		}
	v = verb_find("hook");
	if (v && argc > 1 && is_number(argv[argc - 1]))
		return run_verb(v, argc, argv, argc, e);
	if (at == argc)
		return usage("no verb was given", "");
	return usage(argv[at][0] == '-' ? "there is no option '" : "there is no verb '", argv[at]);
}

int main(int argc, char **argv)
{
	return cmd_main(run, argc, argv);
}
