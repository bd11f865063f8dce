/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/conf/conf.h: our own configuration, /etc/nix/oci-hook.conf.
 *
 * `key = value` lines as in nix.conf, '#' starts a comment, `include FILE` and `!include FILE`
 * (may be missing) as there. One table (conf_keys) is parser, --help, docs/configuration.md and
 * the manual page. Later wins: file, then environment (NIX_OCI_HOOK_<KEY>, '-' as '_'), then
 * `--option KEY VALUE`. A wrong key or value is refused with file, line and what is allowed.
 * NIX_OCI_HOOK_CONFIG names another file, for Nix 2.8, whose build-hook takes no arguments.
 */
#ifndef HOOK_CONF_CONF_H
#define HOOK_CONF_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/spec.h"

#define CONF_FILE "/etc/nix/oci-hook.conf"
#define CONF_ENV_PREFIX "NIX_OCI_HOOK_"

enum conf_registration { REG_AUTO, REG_SQLITE, REG_LOAD_DB };
/* Whether a runtime may put builds into cgroups of its own. */
enum conf_cgroups { CGROUPS_AUTO, CGROUPS_OFF, CGROUPS_ON };
/* How inputs come into a bundle. */
enum conf_inputs { INPUTS_AUTO, INPUTS_BIND, INPUTS_NAR };
/* Whether what a build left is on the disk before it is registered. */
enum conf_sync { SYNC_AUTO, SYNC_OFF, SYNC_ON };

struct conf {
	char *runtime;            /* "auto", a name ("crun") or an absolute path */
	struct strv runtime_args; /* put before the runtime's verb */
	char *state_dir;          /* never ""; conf_load() finds one for the user */
	char *bundle_dir;         /* "": in the store directory, as Nix does */
	enum conf_inputs inputs;
	char *cache_dir;     /* of unpacked inputs; "": none was found for the user */
	uint64_t cache_size; /* its bound in bytes */
	uint64_t max_jobs;   /* 0: as many as cores */
	uint64_t memory_max; /* of each build, in bytes; 0: no limit */
	uint64_t pids_max;   /* processes and threads of each build; 0: no limit */
	uint64_t max_queued; /* accepted builds that wait for a slot; beyond: postpone */
	enum spec_profile profile;
	enum conf_registration registration;
	enum conf_cgroups cgroups;
	enum conf_sync sync;
	char *builtin_program;          /* "": found, see hook/request/builtin_program.h */
	char *sandbox_shell;            /* "": Nix's sandbox-paths say, or without Nix, found */
	bool io_uring;                  /* builds may use it */
	struct strv impure_env_secrets; /* names that impureEnvVars may read all the same */
	bool userns;                    /* builds run in a user namespace */
	char *store_name;               /* "": "oci:<runtime>" */
};

#define CONF_INIT               \
	{                       \
		.runtime = NULL \
	}

void conf_init(struct conf *c); /* cleared: conf_done() is safe */
/*
 * Fill C: defaults, then PATH (NULL: the file of NIX_OCI_HOOK_CONFIG, else CONF_FILE, which may be
 * missing), the environment and OPTIONS (pairs: key, value, key, value; may be NULL).
 */
int conf_load(struct conf *c, const char *path, const struct strv *options,
	      struct err *e) MUST_CHECK;
/*
 * Check that the directory FD at PATH belongs to the caller, and that nobody else may write to it.
 * KEY names it in the configuration.
 */
int conf_check_dir(int fd, const char *path, const char *key, struct err *e) MUST_CHECK;
void conf_done(struct conf *c);
#define scoped_conf __attribute__((cleanup(conf_done)))
/* Tell whether C names a shell for /bin/sh. */
static inline bool conf_has_shell(const struct conf *c)
{
	return c->sandbox_shell && c->sandbox_shell[0];
}
/* The table of keys: for --help, for docs/configuration.md, for docs/nix-oci-hook.1. */
enum conf_format { CONF_TEXT, CONF_MARKDOWN, CONF_MAN };
void conf_print_keys(FILE *out, enum conf_format format);
/* Append C as a file that gives C again. */
int conf_print(const struct conf *c, struct buf *b, struct err *e) MUST_CHECK;

#endif
