/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd/cmd.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/cmd/cli.h"
#include "hook/cmd/cmd_nar.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/dump.h"
#include "nar/restore.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

#define NEEDLES_MAX_BYTES (256 << 20)

/* ---- dump, restore ---- */

/* Remove trailing slashes, which would make openat(2) follow a symbolic link. */
static void strip_slashes(char *path)
{
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
}

int cmd_nar_dump(int argc, char **argv, struct err *e)
{
	scoped_cli struct cli c = {
		.synopsis = "PATH",
		.about = "Write a file, link or directory tree as a NAR to standard output.",
		.min_args = 1,
		.max_args = 1,
	};
	const struct io_file out = {STDOUT_FILENO, "standard output"};
	const struct nar_sink sink = io_sink(&out);
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (isatty(out.fd)) {
		log_msg(LOG_ERROR, "error: a NAR is not text, and standard output is a terminal; "
				   "redirect it to a file or a pipe");
		return CMD_USAGE;
	}
	strip_slashes(c.args[0]);
	const struct nar_tree tree = {AT_FDCWD, c.args[0], c.args[0], NAR_DEPTH_MAX};
	return nar_dump(&tree, &sink, e) < 0 ? -1 : CMD_OK;
}

int cmd_nar_restore(int argc, char **argv, struct err *e)
{
	bool canonical = false;
	const struct cli_option options[] = {
		{"canonical", NULL, "modes and times as in a Nix store", .flag = &canonical},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "PATH",
		.about = "Unpack the NAR on standard input to PATH, which must not exist.\n"
			 "Of a NAR that is refused nothing is left.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	strip_slashes(c.args[0]);
	scoped_nar_reader struct nar_reader *r = nar_reader_new(STDIN_FILENO, NULL, e);
	if (!r || nar_restore(r, AT_FDCWD, c.args[0], c.args[0],
			      canonical ? NAR_RESTORE_CANONICAL : 0, e) < 0)
		return -1;
	return CMD_OK;
}

/* ---- hash ---- */

static void scope_refscan(struct refscan **s)
{
	refscan_free(*s);
}
#define scoped_refscan __attribute__((cleanup(scope_refscan)))

/* Add a line of a list of needles: a store path, a base name or a hash part. */
static int add_needle(struct refscan *s, const char *file, size_t line, const char *text,
		      struct err *e)
{
	const char *base = str_base(text);
	size_t n = strlen(base);

	if (n < STORE_HASH_LEN || (n > STORE_HASH_LEN && base[STORE_HASH_LEN] != '-') ||
	    refscan_add(s, base, e) < 0) {
		err_clear(e);
		return err_set(e, ERR_INPUT,
			       "%s:%zu: '%s' is neither a store path nor the hash part of one",
			       file, line, text);
	}
	return 0;
}

/* Read the needles in FILE, one a line. *LINES gets the lines unchanged. */
static int read_needles(const char *file, struct refscan *s, struct strv *lines, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(NEEDLES_MAX_BYTES);
	size_t line = 0;

	/* io_read_file() reads regular files only; --scan <(nix-store -qR ...) is a pipe. */
	scoped_fd int fd = io_open_input(file, e);
	if (fd < 0)
		return -1;
	if (buf_read_fd(&b, fd, file, e) < 0)
		return -1;
	for (char *p = b.data, *end = b.data + b.len; p < end;) {
		char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		*eol = '\0';
		line++;
		if (*p && (add_needle(s, file, line, p, e) < 0 || strv_add(lines, p, e) < 0))
			return -1;
		p = eol + 1;
	}
	return 0;
}

struct hash_options {
	bool sri, base16, nix32, base64, flat;
	const char *type, *scan;
};

/* Find the format that O asks for. Returns an enum hash_format; -1: *E, O asks for several. */
static int format_of(const struct hash_options *o, struct err *e)
{
	const bool given[] = {
		[HASH_BASE16] = o->base16,
		[HASH_NIX32] = o->nix32,
		[HASH_BASE64] = o->base64,
		[HASH_SRI] = o->sri,
	};
	int format = -1;

	for (int i = 0; i < (int)ARRAY_SIZE(given); i++) {
		if (given[i] && format >= 0)
			return err_set(e, ERR_INPUT,
				       "only one of --sri, --base16, --base32 and "
				       "--base64 can be printed");
		if (given[i])
			format = i;
	}
	return format < 0 ? HASH_SRI : format;
}

static int hash_path(char *path, const struct hash_options *o, struct err *e)
{
	enum hash_algo algo = HASH_SHA256;
	scoped_refscan struct refscan *scan = refscan_new(e);
	scoped_strv struct strv lines = STRV_INIT;
	char text[HASH_TEXT_MAX];
	struct hash h;

	if (!scan)
		return -1;
	if (o->type && !hash_algo_parse(o->type, strlen(o->type), &algo))
		return err_set(e, ERR_INPUT, "unknown hash algorithm '%s', expect " HASH_ALGO_NAMES,
			       o->type);
	if (o->flat && o->scan)
		return err_set(e, ERR_INPUT,
			       "--scan and --flat exclude each other: --scan reads the NAR of a "
			       "path, and --flat makes none");
	int format = format_of(o, e);
	if (format < 0 || (o->scan && read_needles(o->scan, scan, &lines, e) < 0))
		return -1;
	strip_slashes(path);
	const struct nar_tree tree = {AT_FDCWD, path, path, NAR_DEPTH_MAX};
	int rc = o->flat ? nar_hash_flat(&tree, algo, &h, e)
			 : nar_hash(&tree, algo, scan, &h, NULL, e);
	if (rc < 0)
		return -1;
	hash_print(&h, (enum hash_format)format, false, text);
	printf("%s\n", text);
	for (size_t i = 0; i < lines.n; i++)
		if (refscan_found(scan, i))
			printf("%s\n", lines.items[i]);
	return CMD_OK;
}

int cmd_nar_hash(int argc, char **argv, struct err *e)
{
	struct hash_options o = {0};
	const struct cli_option options[] = {
		{"sri", NULL, "print <type>-<base64>; the default", .flag = &o.sri},
		{"base16", NULL, "print hexadecimal digits", .flag = &o.base16},
		{"base32", NULL, "print Nix's base 32", .flag = &o.nix32},
		{"base64", NULL, "print base 64 without the type", .flag = &o.base64},
		{"type", "TYPE", "blake3, md5, sha1, sha256 (default) or sha512", .value = &o.type},
		{"flat", NULL, "hash the contents of a file, not its NAR", .flag = &o.flat},
		{"scan", "FILE", "scan for the store paths or hash parts in FILE",
		 .value = &o.scan},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "PATH",
		.about = "Print the hash of the NAR of a file, link or directory tree.\n"
			 "With --scan, those lines of FILE follow whose hash part occurs in it, "
			 "found in the\nsame pass.",
		.options = options,
		.min_args = 1,
		.max_args = 1,
	};
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	return hash_path(c.args[0], &o, e);
}

/* ---- the verb ---- */

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv, struct err *e);
	char title[16]; /* the command's name in --help */
} commands[] = {
	{"cat", cmd_nar_cat, "nar cat"},
	{"dump", cmd_nar_dump, "nar dump"},
	{"hash", cmd_nar_hash, "nar hash"},
	{"ls", cmd_nar_ls, "nar ls"},
	{"restore", cmd_nar_restore, "nar restore"},
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (str_eq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int cmd_nar(int argc, char **argv, struct err *e)
{
	scoped_cli struct cli c = {
		.synopsis = "COMMAND ...",
		.about = "Work with Nix archives (NARs). Commands, each with a --help of its "
			 "own:\n\n"
			 "  cat NAR PATH          print a file in a NAR\n"
			 "  dump PATH             write a tree as a NAR\n"
			 "  hash PATH             print the hash of a tree's NAR, scan for "
			 "references\n"
			 "  ls NAR [PATH]         list what is in a NAR\n"
			 "  restore PATH          unpack a NAR",
		.min_args = 1,
		.max_args = -1,
	};
	int rc, at = 1;

	/* Options that all verbs have may precede the command, as they may precede the verb. */
	while (at < argc && argv[at][0] == '-') {
		int more = cli_common_args(argv[at]);

		if (more < 0)
			break;
		at += 1 + more;
	}
	const struct command *cmd = at < argc ? command_find(argv[at]) : NULL;
	if (cmd) {
		char title[sizeof cmd->title];

		memcpy(title, cmd->title, sizeof title);
		memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
		argv[1] = title;
		return cmd->run(argc - 1, argv + 1, e);
	}
	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	log_msg(LOG_ERROR, "error: there is no command '%s' of nar", c.args[0]);
	log_msg(LOG_ERROR, "Try 'nix-oci-hook nar --help'.");
	return CMD_USAGE;
}
