/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of nix-oci-hook-build, the program of the verb "build" (hook/cmd/cmd_build.c).
 * Runs in: a program of its own.
 *
 * Nix sends its settings to a hook. Here they come from the options; settings that are not given
 * have Nix's defaults.
 */
#include "hook/nonix/build.h"

#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/cmd/cli.h"
#include "hook/cmd/cmd.h"
#include "hook/host/cores.h"
#include "hook/host/machine.h"
#include "nar/base/scope.h"
#include "nar/ed25519.h"
#include "nar/secretkey.h"

#include "nar/base/banned.h"

/* The key of cache.nixos.org, Nix's default for trusted-public-keys. */
#define DEFAULT_KEY "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
#define MAX_JOBS 1024
/* The largest number in a setting; as seconds it is twelve days. */
#define NUMBER_MAX 1000000u

static const char about[] =
	"Build a derivation without Nix: its inputs come from binary caches, its outputs go into\n"
	"one. Prints the paths of the outputs. DRV is a file, or the store path (or its base "
	"name)\n"
	"of a derivation that is in a cache; REQUEST.json is what 'nix-oci-hook request' prints.\n"
	"\n"
	"Exit codes: 0 all is built and published, 1 failure, 2 wrong command line, 100 a builder\n"
	"failed, 101 a builder took too long.";

struct args {
	struct strv from, keys, secret_key_files, settings;
	const char *to, *compression, *netrc, *max_jobs, *cores, *timeout, *silent;
	bool recursive, rebuild, dry_run, no_check, keep_failed, keep_going, json;
};

static void args_done(struct args *a)
{
	strv_done(&a->from);
	strv_done(&a->keys);
	strv_done(&a->secret_key_files);
	strv_done(&a->settings);
}
#define scoped_args __attribute__((cleanup(args_done)))

/* ---- settings ---- */

/* Set the settings whose defaults Nix computes for each machine, as it would send them. */
static int set_defaults(struct settings *s, struct err *e)
{
	struct utsname u;

	if (uname(&u) < 0)
		return err_sys(e, "asking for the name of this machine");
	scoped_free char *system = str_fmt(e, "%s-linux", u.machine);
	if (!system || settings_set(s, "system", system, e) < 0 ||
	    settings_set(s, "extra-platforms", str_eq(u.machine, "x86_64") ? "i686-linux" : "", e) <
		    0)
		return -1;
	return settings_set(s, "system-features",
			    access("/dev/kvm", R_OK | W_OK) == 0
				    ? "benchmark big-parallel kvm nixos-test"
				    : "benchmark big-parallel nixos-test",
			    e);
}

static int set_given(struct settings *s, const char *name, const char *value, struct err *e)
{
	return value ? settings_set(s, name, value, e) : 0;
}

/* 0 means all cores, as in newer versions of Nix: put their number into the setting. */
static int expand_cores(struct settings *s, struct err *e)
{
	char text[16];
	uint64_t cores;

	if (settings_u64(s, "cores", 0, &cores, e) < 0)
		return -1;
	if (cores)
		return 0;
	snprintf(text, sizeof text, "%u", cores_of_machine());
	return settings_set(s, "cores", text, e);
}

static int set_all(struct settings *s, const struct args *a, struct err *e)
{
	for (size_t i = 0; i < a->settings.n; i++) {
		const char *item = a->settings.items[i];
		const char *equals = strchr(item, '=');
		scoped_free char *name = NULL;

		if (!equals || equals == item)
			return err_set(e, ERR_INPUT, "--setting: '%s' is not NAME=VALUE", item);
		name = str_ndup(item, (size_t)(equals - item), e);
		if (!name || settings_set(s, name, equals + 1, e) < 0)
			return -1;
	}
	if (set_given(s, "cores", a->cores, e) < 0 || expand_cores(s, e) < 0 ||
	    set_given(s, "timeout", a->timeout, e) < 0 ||
	    set_given(s, "max-silent-time", a->silent, e) < 0)
		return -1;
	return a->keep_failed ? settings_set(s, "keep-failed", "true", e) : 0;
}

/* Copy the settings on transfers into O. A setting of 0 is the default of nar/cache. */
static int set_transfers(const struct settings *s, struct cache_options *o, struct err *e)
{
	const struct {
		const char *name;
		unsigned *ret, unit;
	} numbers[] = {
		{"connect-timeout", &o->connect_timeout_ms, 1000},
		{"stalled-download-timeout", &o->stall_timeout_ms, 1000},
		{"download-attempts", &o->attempts, 1},
		{"http-connections", &o->connections, 1},
	};
	bool http2;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t n = 0;

		if (settings_u64(s, numbers[i].name, 0, &n, e) < 0)
			return -1;
		*numbers[i].ret = (unsigned)(n < NUMBER_MAX ? n : NUMBER_MAX) * numbers[i].unit;
	}
	if (settings_bool(s, "http2", true, &http2, e) < 0)
		return -1;
	o->no_http2 = !http2;
	o->ca_file = machine_ca_file(s);
	if (!o->netrc_file)
		o->netrc_file = settings_get(s, "netrc-file");
	return 0;
}

/* ---- options ---- */

static int add_keys(const struct strv *lists, struct ed25519_keys *keys, struct err *e)
{
	scoped_strv struct strv words = STRV_INIT;

	for (size_t i = 0; i < lists->n; i++)
		if (strv_split(&words, lists->items[i], " \t\n", e) < 0)
			return -1;
	if (!lists->n && strv_add(&words, DEFAULT_KEY, e) < 0)
		return -1;
	for (size_t i = 0; i < words.n; i++)
		if (ed25519_keys_add(keys, words.items[i], e) < 0)
			return err_wrap(e, "--trusted-public-keys: '%s'", words.items[i]);
	return 0;
}

static int read_secret_keys(const struct strv *files, struct secretkeys *keys, struct err *e)
{
	for (size_t i = 0; i < files->n; i++)
		if (secretkeys_read(keys, files->items[i], e) < 0)
			return -1;
	return 0;
}

static int parse_max_jobs(const char *text, size_t *ret, struct err *e)
{
	uint64_t n = 1;

	if (text && (!num_parse_u64(text, strlen(text), MAX_JOBS, &n) || n == 0))
		return err_set(e, ERR_INPUT, "--max-jobs: '%s' is not a number from 1 to %d", text,
			       MAX_JOBS);
	*ret = (size_t)n;
	return 0;
}

static int check_args(const struct args *a, struct err *e)
{
	if (!a->from.n)
		return err_set(
			e, ERR_INPUT,
			"no cache to build from was given: --from URL, as often as there are "
			"caches");
	if (!a->to && !a->dry_run)
		return err_set(e, ERR_INPUT, "no cache for the outputs was given: --to URL");
	return 0;
}

static int run_with(const struct cli *c, const struct args *a, struct err *e)
{
	scoped_conf struct conf conf = CONF_INIT;
	scoped_settings struct settings settings = SETTINGS_INIT;
	scoped_ed25519_keys struct ed25519_keys trusted = ED25519_KEYS_INIT;
	scoped_secretkeys struct secretkeys secret = SECRETKEYS_INIT;
	struct build_options o = {
		.target = c->args[0],
		.from = &a->from,
		.to = a->to,
		.secret_keys = &secret,
		.cache = {.trusted = &trusted,
			  .any_signature = a->no_check,
			  .netrc_file = a->netrc,
			  .user_agent = "nix-oci-hook/" PACKAGE_VERSION},
		.compress = {.compression = COMPRESSION_XZ, .level = -1},
		.compression_given = a->compression != NULL,
		.recursive = a->recursive,
		.rebuild = a->rebuild,
		.keep_going = a->keep_going,
		.dry_run = a->dry_run,
		.json = a->json,
	};

	if (check_args(a, e) < 0) {
		log_err(e);
		err_clear(e);
		return CMD_USAGE;
	}
	if (parse_max_jobs(a->max_jobs, &o.max_jobs, e) < 0 ||
	    (a->compression && compression_parse(a->compression, &o.compress.compression, e) < 0) ||
	    add_keys(&a->keys, &trusted, e) < 0 ||
	    read_secret_keys(&a->secret_key_files, &secret, e) < 0)
		return -1;
	conf_init(&conf);
	if (conf_load(&conf, c->config_path, &c->conf_options, e) < 0 ||
	    set_defaults(&settings, e) < 0 || set_all(&settings, a, e) < 0 ||
	    set_transfers(&settings, &o.cache, e) < 0)
		return -1;
	return build_run(&o, &conf, &settings, e);
}

static int run(int argc, char **argv, struct err *e)
{
	scoped_args struct args a = {.from = STRV_INIT};
	const struct cli_option options[] = {
		{"from", "URL", "a cache to take inputs from; may be repeated", .values = &a.from},
		{"to", "URL", "the cache that gets the outputs: file:// or http(s)://",
		 .value = &a.to},
		{"recursive", NULL, "build what no cache has, too", 'r', .flag = &a.recursive},
		{"rebuild", NULL, "build also what is in the cache of --to", .flag = &a.rebuild},
		{"dry-run", NULL, "print what would be built and fetched", .flag = &a.dry_run},
		{"trusted-public-keys", "KEYS", "whose signatures count; may be repeated",
		 .values = &a.keys},
		{"no-check-sigs", NULL, "take inputs without a signature", .flag = &a.no_check},
		{"secret-key-file", "FILE", "sign outputs with it; may be repeated",
		 .values = &a.secret_key_files},
		{"compression", "NAME", "of NARs: xz (default), zstd, none, ...",
		 .value = &a.compression},
		{"netrc-file", "FILE", "passwords for caches", .value = &a.netrc},
		{"max-jobs", "N", "builds at once (default: 1)", 'j', .value = &a.max_jobs},
		{"cores", "N", "NIX_BUILD_CORES of builds (default, and 0: all)",
		 .value = &a.cores},
		{"timeout", "SECONDS", "how long a builder may take", .value = &a.timeout},
		{"max-silent-time", "SECONDS", "how long it may say nothing", .value = &a.silent},
		{"keep-failed", NULL, "keep the build directory of a failed build", 'K',
		 .flag = &a.keep_failed},
		{"keep-going", NULL, "go on with other builds after one failed", 'k',
		 .flag = &a.keep_going},
		{"setting", "NAME=VALUE", "one of Nix's settings; may be repeated",
		 .values = &a.settings},
		{"json", NULL, "print results as JSON", .flag = &a.json},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "DRV|REQUEST.json --from URL [--from URL...] --to URL",
		.about = about,
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	int rc;

	argv[0] = (char *)(uintptr_t) "build";
	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	return run_with(&c, &a, e);
}

int main(int argc, char **argv)
{
	return cmd_main(run, argc, argv);
}
