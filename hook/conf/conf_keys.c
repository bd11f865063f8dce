/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of keys, and how it is printed. */
#include "hook/conf/conf_internal.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

static const char *const profile_names[] = {"nix", "tvix", NULL};
static const char *const registration_names[] = {"auto", "sqlite", "load-db", NULL};
static const char *const cgroups_names[] = {"auto", "off", "on", "limits", NULL};
static const char *const inputs_names[] = {"auto", "bind", "nar", NULL};
static const char *const sync_names[] = {"auto", "off", "on", NULL};
static const char *const report_names[] = {"off", "failed", "always", NULL};
static const char *const readable_names[] = {"owner", "group", "all", NULL};
static const char *const journal_names[] = {"off", NULL};
static_assert(SPEC_NIX == 0 && SPEC_TVIX == 1, "profile_names");
static_assert(REG_AUTO == 0 && REG_SQLITE == 1 && REG_LOAD_DB == 2, "registration_names");
static_assert(CGROUPS_AUTO == 0 && CGROUPS_OFF == 1 && CGROUPS_ON == 2 && CGROUPS_LIMITS == 3,
	      "cgroups_names");
static_assert(INPUTS_AUTO == 0 && INPUTS_BIND == 1 && INPUTS_NAR == 2, "inputs_names");
static_assert(SYNC_AUTO == 0 && SYNC_OFF == 1 && SYNC_ON == 2, "sync_names");
static_assert(REPORT_LINE_OFF == 0 && REPORT_LINE_FAILED == 1 && REPORT_LINE_ALWAYS == 2,
	      "report_names");
static_assert(READABLE_OWNER == 0 && READABLE_GROUP == 1 && READABLE_ALL == 2, "readable_names");

#define AT(member) offsetof(struct conf, member)

const struct conf_key conf_keys[] = {
	{"builtin-program", CONF_PATH, AT(builtin_program), "",
	 .help = "The program that runs Nix's builtin builders (builtin:fetchurl, "
		 "builtin:buildenv and builtin:unpack-channel) in the container. Empty: "
		 "nix-oci-hook-builtin beside "
		 "nix-oci-hook, or where it is installed."},
	{"bundle-dir", CONF_PATH, AT(bundle_dir), "",
	 .help = "Directory for the whole bundles of builds. Empty: the part of a bundle that a "
		 "build can fill lies in the store directory, where an output is one rename away "
		 "from its place and the garbage collector removes what a crash leaves behind; "
		 "the rest, a few small files, is in memory if kernel and runtime allow it."},
	{"cache-dir", CONF_PATH, AT(cache_dir), NULL,
	 .help = "Directory for unpacked inputs, which all builds share. The default is "
		 "/var/cache/nix-oci-hook for root, else nix-oci-hook below $XDG_CACHE_HOME, "
		 "or below $HOME/.cache. It must belong to the user that runs the builds, and no "
		 "other user may be able to write to it.",
	 .machine = true},
	{"cache-size", CONF_U64, AT(cache_size), "21474836480",
	 .help = "How many bytes of inputs, counted as NARs, are kept in the cache-dir. If there "
		 "are more, the inputs that were not used for longest are removed. An input that "
		 "a running build uses stays in any case.",
	 .max = INT64_MAX, .machine = true},
	{"cgroup-parent", CONF_STRING, AT(cgroup_parent), "",
	 .help = "The control group in which those of builds are, as a path below the root of "
		 "each hierarchy, such as builds.slice. It is made if need be, and stays; with "
		 "systemd and cgroup v2 it must be below a unit that is delegated, because "
		 "systemd takes the controllers from others. Empty: this process's own group "
		 "where that is left to it (systemd's Delegate= and DelegateSubgroup=); else with "
		 "cgroup v2 a scope in nix-builds.slice that systemd is asked for, the user's own "
		 "without root, or the topmost group where there is no systemd."},
	{"cgroups", CONF_ENUM, AT(cgroups), "auto",
	 .help = "Whether builds get control groups of their own, which keep limits and count "
		 "memory and more for the journal: auto, each has one where it can be made "
		 "within this process's own group, or a limit needs it; limits, only if a limit "
		 "needs it; on, each has one, wherever it has to be made; off, none has, but "
		 "for what runc and youki make. A build with the feature uid-range gets one in "
		 "which it can make others, unless this is off.",
	 .names = cgroups_names},
	{"cpu-max", CONF_MILLI, AT(cpu_max), "0",
	 .help = "How many processors each build may use at once, on average: 1.5 is one and a "
		 "half. 0: all. What Nix tells builds to use, its setting cores, is another thing.",
	 .max = UINT64_C(100000) * 1000},
	{"cpu-weight", CONF_U64, AT(cpu_weight), "0",
	 .help = "Where processors are scarce, a build gets a share of them by this weight, from "
		 "1 to 10000; all that has none has 100. 0: none.",
	 .max = 10000},
	{"disk-max", CONF_SIZE, AT(disk_max), "0",
	 .help = "How much disk the build directory and the outputs of a build may use together. "
		 "They are on a file system of their own then, which has its place on the disk "
		 "from the beginning, and a part of that for itself; outputs are copied from it "
		 "into the store. Needs root, loop devices and mkfs.ext4. 0: all of the disk.",
	 .max = INT64_MAX},
	{"impure-env-secrets", CONF_LIST, AT(impure_env_secrets), "",
	 .help = "Variables of the environment of Nix or its daemon that look like secrets, and "
		 "that a fixed-output build may have nevertheless, if its derivation's "
		 "impureEnvVars names them. A variable looks like a secret if its name is "
		 "NIX_CONFIG or SSH_AUTH_SOCK, begins with AWS_, or contains TOKEN, SECRET, "
		 "PASSWORD, PASSWD, PASSPHRASE, CREDENTIAL, PRIVATE_KEY, ACCESS_KEY or API_KEY. "
		 "Variables that Nix's setting impure-env sets need no mention here."},
	{"inputs", CONF_ENUM, AT(inputs), "auto",
	 .help = "How a build gets its inputs: bind, they are mounted from the store; nar, each "
		 "input is unpacked into the cache-dir, its hash is checked, and it is mounted "
		 "from there, so that nothing of the store is visible; auto, an input that is in "
		 "the store is mounted from there.",
	 .names = inputs_names},
	{"io-uring", CONF_BOOL, AT(io_uring), "false",
	 .help = "Whether builds may use io_uring. With it they can do what Nix's setting "
		 "filter-syscalls forbids: make set-id files and extended attributes. If false, "
		 "a build finds a kernel that has no io_uring."},
	{"io-weight", CONF_U64, AT(io_weight), "0",
	 .help = "The same for reading from disks and writing to them, where the kernel's I/O "
		 "scheduler has weights (bfq, or io.cost). 0: none.",
	 .max = 10000},
	{"journal", CONF_PATH, AT(journal), NULL,
	 .help = "The file that gets a line of JSON about each build: what it was, what it cost "
		 "and how it ended (docs/journal.md); nix-oci-hook stats reads it. The default is "
		 "builds.jsonl in the state-dir where that is set, else in /var/log/nix-oci-hook "
		 "for root, else in nix-oci-hook below $XDG_STATE_HOME, or below "
		 "$HOME/.local/state. With off there is none. A journal that cannot be written "
		 "costs its line and a warning, never the build.",
	 .names = journal_names, .machine = true},
	{"journal-readable", CONF_ENUM, AT(journal_readable), "owner",
	 .help = "Who may read the journal, which tells what is built here and when: owner, only "
		 "the user that the builds run for (mode 0600); group, the group of its directory "
		 "or user as well (0640); all, everybody (0644).",
	 .names = readable_names, .machine = true},
	{"journal-size", CONF_SIZE, AT(journal_size), "16M",
	 .help = "How large the journal may be. When it has half of that it gets .1 behind its "
		 "name, in place of the one before, and a new one begins. A build takes about "
		 "one kilobyte.",
	 .max = INT64_MAX, .machine = true},
	{"load-max", CONF_MILLI, AT(load_max), "0",
	 .help = "While so many tasks run on this machine or could, be they of builds or not, no "
		 "further build starts; one runs at any time. 0: no bound. It is the number of "
		 "this moment (/proc/loadavg, the fourth field), which unlike the load average "
		 "falls as soon as the work is done.",
	 .max = UINT64_C(100000) * 1000, .machine = true},
	{"log-max", CONF_SIZE, AT(log_max), "0",
	 .help = "How many bytes of log each build may write. One that writes more is killed, and "
		 "that is said. 0: no limit but Nix's own setting max-build-log-size, which Nix "
		 "keeps itself.",
	 .max = INT64_MAX},
	{"max-jobs", CONF_U64, AT(max_jobs), "0",
	 .help = "How many builds run at once on this machine, over all hooks. 0 or auto: as many "
		 "as there are cores. Nix does not bound how many hooks it starts.",
	 .max = 4096, .zero_is_auto = true, .machine = true},
	{"max-queued", CONF_U64, AT(max_queued), "1000",
	 .help = "How many accepted builds may wait for their turn, first come, first served. If "
		 "the queue is full, or if the Nix that asks is about to run out of descriptors "
		 "(it needs five for each build; see 'ulimit -n'), Nix is told to ask again, "
		 "which it does after five seconds.",
	 .max = 100000, .machine = true},
	{"memory-budget", CONF_AMOUNT, AT(memory_budget), "0",
	 .help = "How much memory all builds together may have. A build starts when what it "
		 "reserves (see memory-reserve) fits beside what the builds that run have "
		 "reserved, or use where that is more; one that is larger than the budget runs "
		 "alone. With auto it is what is available on the machine, less a tenth of its "
		 "memory. 0: no bound.",
	 .max = INT64_MAX, .machine = true},
	{"memory-default", CONF_SIZE, AT(memory_default), "1G",
	 .help = "How much of the memory-budget a build reserves whose memory-reserve is 0, and of "
		 "whose package the journal does not tell what it needed.",
	 .max = INT64_MAX, .machine = true},
	{"memory-high", CONF_SIZE, AT(memory_high), "0",
	 .help = "With more memory than this a build is slowed down and has its memory taken back "
		 "as far as possible, but is not killed. Needs cgroup v2. 0: no limit.",
	 .max = INT64_MAX},
	{"memory-max", CONF_SIZE, AT(memory_max), "0",
	 .help = "How much memory each build may use, as control groups count it: that of its "
		 "processes, of its files in /dev/shm, and of files that it reads and writes as "
		 "far as the kernel cannot do without. A build that needs more is killed, all of "
		 "it, and it is said that it ran out of memory. 0: no limit. A limit that the "
		 "machine cannot keep is an error.",
	 .max = INT64_MAX},
	{"memory-reserve", CONF_SIZE, AT(memory_reserve), "0",
	 .help = "How much of the memory-budget a build reserves before it starts; made for "
		 "sections. 0: a tenth more than the last builds of the same package needed, as "
		 "the journal tells (where builds have control groups: a limit, or cgroups = on), "
		 "else memory-default.",
	 .max = INT64_MAX},
	{"memory-retry-max", CONF_SIZE, AT(memory_retry_max), "0",
	 .help = "The largest limit that oom-retry may give a build. 0: the memory of the machine.",
	 .max = INT64_MAX},
	{"metrics-file", CONF_PATH, AT(metrics_file), "",
	 .help = "A file that gets counters of all builds after each build, in the text format of "
		 "Prometheus, for the textfile collector of its node_exporter. It is replaced by "
		 "rename, and its counters go on from what it has. Empty: none.",
	 .machine = true},
	{"oom-retry", CONF_U64, AT(oom_retry), "0",
	 .help = "How often a build that ran out of memory begins again. It begins from a clean "
		 "bundle, with twice the memory-max (and memory-high), at most memory-retry-max, "
		 "when that fits into the memory-budget; its log says so. The next build of the "
		 "same package starts with what was enough. One that was killed because the "
		 "machine ran out of memory begins again as well, with the same limit. Time "
		 "limits and log-max hold for all tries together.",
	 .max = 10},
	{"pids-max", CONF_U64, AT(pids_max), "0",
	 .help = "How many processes and threads each build may have at once. 0: no limit. With "
		 "runsc each of them takes two of the machine, and gVisor needs some itself: there "
		 "the limit is 128 more than twice as many, and what is above it ends the build.",
	 .max = 4194304},
	{"profile", CONF_ENUM, AT(profile), "nix",
	 .help = "What a build finds inside its container: nix, what Nix's own sandbox gives it; "
		 "tvix, what tvix's OCI build service gives it.",
	 .names = profile_names},
	{"registration", CONF_ENUM, AT(registration), "auto",
	 .help = "How outputs become valid: sqlite, the hook writes to Nix's database; load-db, "
		 "it runs nix-store --load-db; auto, sqlite if the database has the schema that "
		 "the hook knows, else load-db.",
	 .names = registration_names, .machine = true},
	{"report", CONF_ENUM, AT(report), "failed",
	 .help = "Whether the log of a build ends with a line that says what it cost: processor "
		 "time, memory, what was read and written, and what was waited for. off, none has "
		 "it; failed, those of builds that failed, where it may tell why; always, all "
		 "have it, so that logs differ from those of Nix's own builds.",
	 .names = report_names},
	{"runtime", CONF_STRING, AT(runtime), "auto",
	 .help = "The OCI runtime: its name or absolute path. With auto it is the first of "
		 "crun, runc, youki and runsc that is found and can run on this machine."},
	{"runtime-args", CONF_LIST, AT(runtime_args), "",
	 .help = "Arguments for the runtime, before its command."},
	{"sandbox-shell", CONF_PATH, AT(sandbox_shell), "",
	 .help = "Statically linked shell that builds find as /bin/sh, unless Nix's setting "
		 "sandbox-paths names another. Empty: only the shell that sandbox-paths names, "
		 "or without Nix a busybox that is found."},
	{"state-dir", CONF_PATH, AT(state_dir), NULL,
	 .help = "Directory for locks, queues and the state that runtimes keep during a build. "
		 "The default is /run/nix-oci-hook for root, else nix-oci-hook below "
		 "$XDG_RUNTIME_DIR, or below $HOME/.local/state.",
	 .machine = true},
	{"store-name", CONF_STRING, AT(store_name), "",
	 .help = "The name of this machine in Nix's messages. Empty: oci: and the runtime's "
		 "name.",
	 .machine = true},
	{"swap-max", CONF_SIZE, AT(swap_max), "0",
	 .help = "How much of a build's memory may be swapped out. 0: nothing, if memory-max is "
		 "set, else no limit. A kernel that does not count swap keeps no such limit, "
		 "which is said.",
	 .max = INT64_MAX, .unlimited = true},
	{"sync", CONF_ENUM, AT(sync), "auto",
	 .help = "Whether outputs are written to the disk before they are registered, so that "
		 "no power cut leaves a valid path whose files are empty. It costs each build "
		 "two flushes of the disk. With auto it is done unless Nix's setting "
		 "fsync-metadata is false; with off, only if Nix's fsync-store-paths or "
		 "sync-before-registering is true. nix-oci-hook build obeys this key, but not "
		 "Nix's settings, when it writes into a binary cache that is a directory.",
	 .names = sync_names, .machine = true},
	{"tmp-max", CONF_SIZE, AT(tmp_max), "0",
	 .help = "How large /tmp and /dev/shm may be in each build. Both are in memory then, and "
		 "what is in them counts for memory-max. 0: /tmp is on the disk, and /dev/shm as "
		 "large as Nix's setting sandbox-dev-shm-size says.",
	 .max = INT64_MAX},
	{"userns", CONF_BOOL, AT(userns), "true",
	 .help = "Whether builds run in a user namespace, as in Nix's sandbox. If none can be "
		 "made and Nix's setting sandbox-fallback is true, root's builds run without one, "
		 "with a warning."},
};
const size_t conf_keys_count = ARRAY_SIZE(conf_keys);

const struct conf_key *conf_key_find(const char *name)
{
	for (size_t i = 0; i < conf_keys_count; i++)
		if (str_eq(conf_keys[i].name, name))
			return &conf_keys[i];
	return NULL;
}

int conf_allowed(const struct conf_key *key, struct buf *b, struct err *e)
{
	switch (key->type) {
	case CONF_STRING:
		return buf_adds(b, "a text without blanks", e);
	case CONF_PATH:
		if (key->names)
			return buf_addf(b, e, "an absolute path or %s", key->names[0]);
		return buf_adds(b, "an absolute path or nothing", e);
	case CONF_LIST:
		return buf_adds(b, "words", e);
	case CONF_U64:
		return buf_addf(b, e, "a number from 0 to %llu%s", (unsigned long long)key->max,
				key->zero_is_auto ? ", or auto" : "");
	case CONF_SIZE:
		return buf_addf(b, e,
				"a number of bytes, which K, M, G or T multiply by powers of "
				"1024%s",
				key->unlimited ? ", or unlimited" : "");
	case CONF_MILLI:
		return buf_addf(b, e, "a number from 0 to %llu, with up to three decimals",
				(unsigned long long)key->max / 1000);
	case CONF_AMOUNT:
		return buf_adds(
			b,
			"a number of bytes, which K, M, G or T multiply by powers of 1024, a "
			"share of the machine's memory such as 80%, or auto",
			e);
	case CONF_BOOL:
		return buf_adds(b, "true or false", e);
	case CONF_ENUM:
		break;
	}
	for (size_t i = 0; key->names[i]; i++) {
		const char *before = i == 0 ? "" : key->names[i + 1] ? ", " : " or ";

		if (buf_addf(b, e, "%s%s", before, key->names[i]) < 0)
			return -1;
	}
	return 0;
}

/* Print S as FORMAT needs it: roff takes an unescaped '-' for a hyphen. */
static void put_text(FILE *out, enum conf_format format, const char *s)
{
	for (; *s; s++) {
		if (format == CONF_MAN && (*s == '-' || *s == '\\'))
			fputc('\\', out);
		fputc(*s, out);
	}
}

/* Print S as a paragraph of lines of at most WIDTH bytes, each after INDENT. */
static void put_wrapped(FILE *out, enum conf_format format, const char *indent, const char *s)
{
	const size_t width = 90;
	size_t column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");
		scoped_free char *word = strndup(s, n);

		if (column && column + 1 + n > width) {
			fputc('\n', out);
			column = 0;
		}
		fputs(column ? " " : indent, out);
		put_text(out, format, word ? word : "");
		column += n + (column ? 1 : 0);
		s += n + (s[n] == ' ');
	}
	fputc('\n', out);
}

static void print_key(FILE *out, enum conf_format format, const struct conf_key *key,
		      const char *allowed)
{
	const char *def = !key->def ? "see the text" : key->def[0] ? key->def : "empty";

	switch (format) {
	case CONF_TEXT:
		fprintf(out, "  %s (%s; default: %s)\n", key->name, allowed, def);
		put_wrapped(out, format, "      ", key->help);
		break;
	case CONF_MARKDOWN:
		fprintf(out, "### `%s`\n\n%s%s. Default: %s%s%s. Environment: `" CONF_ENV_PREFIX,
			key->name, "Value: ", allowed, key->def && key->def[0] ? "`" : "", def,
			key->def && key->def[0] ? "`" : "");
		for (const char *p = key->name; *p; p++)
			fputc(*p == '-' ? '_' : *p - ('a' - 'A'), out);
		fputs("`.\n\n", out);
		put_wrapped(out, format, "", key->help);
		fputc('\n', out);
		break;
	case CONF_MAN:
		fputs(".TP\n.BR ", out);
		put_text(out, format, key->name);
		fputs(" \" = \"\n", out);
		put_wrapped(out, format, "", key->help);
		fputs("Allowed: ", out);
		put_text(out, format, allowed);
		fputs("; default: ", out);
		put_text(out, format, def);
		fputs(".\n", out);
		break;
	}
}

void conf_print_keys(FILE *out, enum conf_format format)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		scoped_buf struct buf allowed = BUF_INIT(1024);
		struct err e = ERR_INIT;

		if (conf_allowed(&conf_keys[i], &allowed, &e) == 0)
			print_key(out, format, &conf_keys[i], allowed.data);
	}
}
