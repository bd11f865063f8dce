/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/conf/conf.h: the hook's own configuration, /etc/nix/oci-hook.conf.
 *
 * The file has the syntax of nix.conf: lines `key = value`, comments after '#', `include FILE`, and
 * `!include FILE` for a file that may be missing. The environment (NIX_OCI_HOOK_<KEY>, '-' as '_')
 * overrides the file, and `--option KEY VALUE` overrides both. A wrong key or value is refused with
 * the file, the line and what is allowed. NIX_OCI_HOOK_CONFIG names another file: the build-hook
 * of Nix 2.8 takes no arguments.
 *
 * One table (conf_keys) is the source of the parser, of --help, of docs/configuration.md and of the
 * manual page.
 *
 * Sections of the file set keys for some builds only: see hook/conf/policy.h.
 */
#ifndef HOOK_CONF_CONF_H
#define HOOK_CONF_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "hook/conf/policy.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/spec.h"

#define CONF_FILE "/etc/nix/oci-hook.conf"
#define CONF_ENV_PREFIX "NIX_OCI_HOOK_"

enum conf_registration { REG_AUTO, REG_SQLITE, REG_LOAD_DB };
/* Which builds have control groups of their own. */
enum conf_cgroups { CGROUPS_AUTO, CGROUPS_OFF, CGROUPS_ON, CGROUPS_LIMITS };
/* How a build gets its inputs. */
enum conf_inputs { INPUTS_AUTO, INPUTS_BIND, INPUTS_NAR };
/* Whether outputs are written to the disk before they are registered. */
enum conf_sync { SYNC_AUTO, SYNC_OFF, SYNC_ON };
/* Which builds have a line about their cost at the end of their log. */
enum conf_report { REPORT_LINE_OFF, REPORT_LINE_FAILED, REPORT_LINE_ALWAYS };
/* Who may read the journal. */
enum conf_readable { READABLE_OWNER, READABLE_GROUP, READABLE_ALL };

/* An amount of memory. */
struct conf_amount {
	enum { AMOUNT_BYTES, AMOUNT_PERCENT, AMOUNT_AUTO } kind;
	uint64_t n; /* bytes, or percent of the machine's memory */
};

struct conf {
	char *runtime;            /* "auto", a name ("crun") or an absolute path */
	struct strv runtime_args; /* arguments before the runtime's command */
	char *state_dir;          /* never ""; conf_load() chooses a default for the user */
	char *bundle_dir;         /* "": bundles lie in the store directory, as Nix's do */
	enum conf_inputs inputs;
	char *cache_dir;     /* the input cache; "": there is no default for the user */
	uint64_t cache_size; /* most bytes of NARs in the input cache */
	char *journal;       /* of all builds: absolute, or "off"; never "" */
	enum conf_readable journal_readable;
	uint64_t journal_size; /* bound in bytes of its two files together */
	char *metrics_file;    /* for Prometheus; "": none */
	enum conf_report report;
	uint64_t max_jobs;                /* builds at once; 0: as many as there are cores */
	struct conf_amount memory_budget; /* of all builds together; 0 bytes: no bound */
	uint64_t load_max;                /* thousandths of a task that may run; 0: no bound */
	uint64_t memory_reserve;          /* bytes of it that a build reserves; 0: not known */
	uint64_t memory_default;          /* the same, of a build of which nothing is known */
	/* Limits of each build; 0: none. */
	uint64_t memory_max, memory_high; /* bytes */
	uint64_t oom_retry;             /* how often a build may run again that ran out of memory */
	uint64_t memory_retry_max;      /* bytes that it may get so; 0: the machine's memory */
	uint64_t swap_max;              /* bytes; CONF_UNLIMITED; 0: none, if memory_max is set */
	uint64_t pids_max;              /* processes and threads */
	uint64_t cpu_max;               /* thousandths of a processor */
	uint64_t cpu_weight, io_weight; /* 1 to 10000; 0: the kernel's default, 100 */
	uint64_t tmp_max;               /* bytes of each of /tmp and /dev/shm */
	uint64_t log_max;               /* bytes */
	uint64_t disk_max;              /* bytes of build directory and outputs together */
	uint64_t max_queued; /* builds that may wait for a slot; further ones are postponed */
	enum spec_profile profile;
	enum conf_registration registration;
	enum conf_cgroups cgroups;
	char *cgroup_parent; /* below the root of each hierarchy; "": found by the hook */
	enum conf_sync sync;
	char *builtin_program; /* "": builtin_program_find() looks for it */
	char *sandbox_shell;   /* "": that of Nix's sandbox-paths, or without Nix a usual one */
	bool io_uring;         /* builds may use io_uring */
	struct strv impure_env_secrets; /* secrets that impureEnvVars may name nevertheless */
	bool userns;                    /* builds run in a user namespace */
	char *store_name;               /* what Nix calls this machine; "": "oci:<runtime>" */
	struct policy policy;           /* sections, which set keys for some builds only */
	struct strv overridden;         /* keys that environment or command line set */
};

#define CONF_UNLIMITED UINT64_MAX
#define CONF_INIT               \
	{                       \
		.runtime = NULL \
	}

void conf_init(struct conf *c); /* clear C, so that conf_done() is safe */
/*
 * Fill C with the defaults, then from the file, the environment and OPTIONS, in this order. The
 * file is PATH, or if that is NULL the one that NIX_OCI_HOOK_CONFIG names, or else CONF_FILE. Only
 * CONF_FILE may be missing. OPTIONS are pairs: key, value, key, value; may be NULL.
 */
int conf_load(struct conf *c, const char *path, const struct strv *options,
	      struct err *e) MUST_CHECK;
/*
 * Check that the directory FD belongs to the effective user, and that no other user may write to
 * it. PATH and KEY, its key of the configuration, are for the message.
 */
int conf_check_dir(int fd, const char *path, const char *key, struct err *e) MUST_CHECK;
void conf_done(struct conf *c);
#define scoped_conf __attribute__((cleanup(conf_done)))
/* Tell whether C bounds the memory of all builds together. */
static inline bool conf_has_budget(const struct conf *c)
{
	return c->memory_budget.kind != AMOUNT_BYTES || c->memory_budget.n;
}
/* Tell whether C names a shell for /bin/sh. */
static inline bool conf_has_shell(const struct conf *c)
{
	return c->sandbox_shell && c->sandbox_shell[0];
}
/* --help, docs/configuration.md, docs/nix-oci-hook.1 */
enum conf_format { CONF_TEXT, CONF_MARKDOWN, CONF_MAN };
/* Print the table of keys. */
void conf_print_keys(FILE *out, enum conf_format format);
/* Append to B the text of a configuration file that sets every key as C has it. */
int conf_print(const struct conf *c, struct buf *b, struct err *e) MUST_CHECK;
/* Append to B the keys of C, without its sections. */
int conf_print_globals(const struct conf *c, struct buf *b, struct err *e) MUST_CHECK;

#endif
