/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd/cmd_nar.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook/cmd/cli.h"
#include "hook/cmd/cmd.h"
#include "hook/json/jdoc.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/reader.h"

#include "nar/base/banned.h"

#define PATH_MAX_BYTES (NAR_DEPTH_MAX * (NAR_NAME_MAX + 1))

/* A pass over a NAR that looks for one path in it. */
struct pass {
	struct nar_reader *r;
	const char *file;           /* the name of the NAR in messages */
	struct buf want;            /* the path to find: "" or "a/b", no slashes around it */
	struct buf path;            /* the path of the current node, no slashes around it */
	size_t lens[NAR_DEPTH_MAX]; /* for each open directory, the length of its path */
	unsigned depth;             /* number of open directories */
	bool found;
	/* Options of the listing. */
	bool recursive, attributes, json;
	bool comma; /* JSON: an entry of this directory was printed already */
};

/* Append PATH without empty parts and ".": "/a//b/" and "./a/b" both become "a/b". */
static int clean_path(const char *path, struct buf *ret, struct err *e)
{
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");

		if ((n != 1 || path[0] != '.') &&
		    ((ret->len && buf_addc(ret, '/', e) < 0) || buf_add(ret, path, n, e) < 0))
			return -1;
		path += n;
	}
	return buf_reserve(ret, 0, e);
}

/* Open NAR ("-" is standard input) to look for PATH. The caller closes *RET_FD. */
static int pass_open(struct pass *p, const char *nar, const char *path, int *ret_fd, struct err *e)
{
	int fd = STDIN_FILENO;

	*p = (struct pass){
		.file = nar, .want = BUF_INIT(PATH_MAX_BYTES), .path = BUF_INIT(PATH_MAX_BYTES)};
	if (clean_path(path, &p->want, e) < 0 || buf_reserve(&p->path, 0, e) < 0)
		return -1;
	if (str_eq(nar, "-")) {
		p->file = "standard input";
	} else {
		fd = io_open_input(nar, e);
		if (fd < 0)
			return -1;
		*ret_fd = fd;
	}
	p->r = nar_reader_new(fd, NULL, e);
	return p->r ? 0 : -1;
}

static void pass_done(struct pass *p)
{
	nar_reader_free(p->r);
	buf_done(&p->want);
	buf_done(&p->path);
}
#define scoped_pass __attribute__((cleanup(pass_done)))

/*
 * Read the next node or the end of a directory, and set p->path to its path. Contents of files are
 * skipped.
 * Returns as nar_next().
 */
static int pass_next(struct pass *p, struct nar_event *ev, struct err *e)
{
	int rc;

	do {
		if (nar_skip_contents(p->r, e) < 0)
			return -1;
		rc = nar_next(p->r, ev, e);
	} while (rc > 0 && ev->type == NAR_DATA);
	if (rc <= 0)
		return rc;
	if (ev->type == NAR_DIR_END) {
		p->depth--;
		p->path.len = p->lens[p->depth];
		return rc;
	}
	p->path.len = p->depth ? p->lens[p->depth - 1] : 0;
	if ((p->path.len && buf_addc(&p->path, '/', e) < 0) ||
	    buf_add(&p->path, ev->name, strlen(ev->name), e) < 0)
		return -1;
	if (ev->type == NAR_DIR)
		p->lens[p->depth++] = p->path.len;
	return rc;
}

/*
 * Compare the current path with the wanted one.
 * Returns the rest of the current path after the wanted one ("" or "/x/y"); NULL: it is not below.
 */
static const char *below(const struct pass *p)
{
	const char *path = p->path.data;
	size_t n = p->want.len;

	if (p->path.len < n || memcmp(path, p->want.data, n) != 0)
		return NULL;
	if (n == 0)
		return path; /* without the slash before it */
	return path[n] == '/' || path[n] == '\0' ? path + n : NULL;
}

static int not_found(const struct pass *p, struct err *e)
{
	if (p->found)
		return 0;
	return err_set(e, ERR_INPUT, "there is no '/%s' in '%s'", p->want.data, p->file);
}

/* ---- plain ---- */

/*
 * Print a name as ls(1) does: on a terminal with '?' for each control byte, because a terminal
 * would obey it; elsewhere unchanged.
 */
static void print_name(const char *name, size_t n)
{
	bool terminal = isatty(STDOUT_FILENO);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		putchar(terminal && (c < 0x20 || c == 0x7f) ? '?' : c);
	}
}

static void print_line(const struct pass *p, const struct nar_event *ev, const char *name)
{
	if (p->attributes) {
		const char *mode = ev->type == NAR_DIR    ? "dr-xr-xr-x"
				   : ev->type == NAR_LINK ? "lrwxrwxrwx"
				   : ev->executable       ? "-r-xr-xr-x"
							  : "-r--r--r--";

		printf("%s %20" PRIu64 " ", mode, ev->type == NAR_FILE ? ev->size_bytes : 0);
	}
	print_name(name, strlen(name));
	if (p->attributes && ev->type == NAR_LINK) {
		fputs(" -> ", stdout);
		print_name(ev->data, (size_t)ev->size_bytes);
	}
	putchar('\n');
}

static int list_node(struct pass *p, const struct nar_event *ev, struct err *e)
{
	const char *rest = below(p);

	if (!rest || ev->type == NAR_DIR_END)
		return 0;
	if (p->path.len == p->want.len) {
		p->found = true;
		if (ev->type != NAR_DIR)
			print_line(p, ev, p->want.len ? str_base(p->want.data) : ".");
		return 0;
	}
	rest += *rest == '/';
	if (!p->recursive && strchr(rest, '/'))
		return 0;
	scoped_free char *name = str_fmt(e, "./%s", rest);
	if (!name)
		return -1;
	print_line(p, ev, name);
	return 0;
}

/* ---- JSON ---- */

static int print_string(const void *data, size_t n, struct err *e)
{
	scoped_buf struct buf copy = BUF_INIT(1 << 16), out = BUF_INIT(1 << 20);
	scoped_jdoc struct jdoc check = JDOC_INIT;

	if (buf_add(&copy, data, n, e) < 0)
		return -1;
	const struct jdoc s = {.type = JDOC_STRING, .string = {copy.data, n}};
	/* Parse the result, which finds bytes that JSON cannot hold. */
	if (jdoc_print(&s, &out, e) < 0 || jdoc_parse(out.data, out.len, &check, e) < 0)
		return err_wrap(e, "'%s' cannot be listed as JSON", copy.data);
	fwrite(out.data, 1, out.len, stdout);
	return 0;
}

/* Print members in the order of their names, as Nix does: a directory's type comes last. */
static int json_node(struct pass *p, const struct nar_event *ev, struct err *e)
{
	if (!below(p))
		return 0;
	if (ev->type == NAR_DIR_END) {
		fputs("},\"type\":\"directory\"}", stdout);
		p->comma = true;
		return 0;
	}
	p->found = true;
	if (p->path.len != p->want.len) {
		if (p->comma)
			putchar(',');
		if (print_string(ev->name, strlen(ev->name), e) < 0)
			return -1;
		putchar(':');
	}
	p->comma = true;
	switch (ev->type) {
	case NAR_DIR:
		fputs("{\"entries\":{", stdout);
		p->comma = false;
		break;
	case NAR_FILE:
		printf("{%s\"narOffset\":%" PRIu64 ",\"size\":%" PRIu64 ",\"type\":\"regular\"}",
		       ev->executable ? "\"executable\":true," : "", ev->offset, ev->size_bytes);
		break;
	case NAR_LINK:
		fputs("{\"target\":", stdout);
		if (print_string(ev->data, (size_t)ev->size_bytes, e) < 0)
			return -1;
		fputs(",\"type\":\"symlink\"}", stdout);
		break;
	case NAR_DIR_END:
	case NAR_DATA:
		break;
	}
	return 0;
}

/* ---- the commands ---- */

static int list(struct pass *p, struct err *e)
{
	struct nar_event ev;
	int rc;

	if (p->json)
		fputs("{\"root\":", stdout);
	while ((rc = pass_next(p, &ev, e)) > 0)
		if ((p->json ? json_node(p, &ev, e) : list_node(p, &ev, e)) < 0)
			return -1;
	if (rc < 0)
		return err_wrap(e, "reading '%s'", p->file);
	if (not_found(p, e) < 0)
		return -1;
	if (p->json)
		fputs(",\"version\":1}\n", stdout);
	return CMD_OK;
}

int cmd_nar_ls(int argc, char **argv, struct err *e)
{
	bool recursive = false, attributes = false, json = false;
	const struct cli_option options[] = {
		{"recursive", NULL, "list what is in directories too", 'R', .flag = &recursive},
		{"long", NULL, "print modes, sizes and targets of links", 'l', .flag = &attributes},
		{"json", NULL, "print all of it as the .ls file of a cache", .flag = &json},
		{NULL},
	};
	scoped_cli struct cli c = {
		.synopsis = "NAR [PATH]",
		.about = "List the directory PATH in the file NAR, or all of it. NAR may be - for "
			 "standard input.",
		.options = options,
		.min_args = 1,
		.max_args = 2,
	};
	scoped_pass struct pass p = {.r = NULL};
	scoped_fd int fd = -1;
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (pass_open(&p, c.args[0], c.n_args > 1 ? c.args[1] : "", &fd, e) < 0)
		return -1;
	p.recursive = recursive;
	p.attributes = attributes;
	p.json = json;
	return list(&p, e);
}

static int print_contents(struct pass *p, uint64_t left_bytes, struct err *e)
{
	struct nar_event ev;

	while (left_bytes) {
		int rc = nar_next(p->r, &ev, e);

		if (rc < 0)
			return -1;
		assert(rc > 0 && ev.type == NAR_DATA);
		fwrite(ev.data, 1, (size_t)ev.size_bytes, stdout);
		left_bytes -= ev.size_bytes;
	}
	return 0;
}

/* Print the wanted file. Read the NAR to its end, because its rest may show that it is damaged. */
static int cat(struct pass *p, struct err *e)
{
	struct nar_event ev;
	int rc;

	while ((rc = pass_next(p, &ev, e)) > 0) {
		const char *rest = below(p);

		if (ev.type == NAR_DIR_END || !rest || p->path.len != p->want.len)
			continue;
		p->found = true;
		if (ev.type != NAR_FILE)
			return err_set(e, ERR_INPUT, "'/%s' in '%s' is not a regular file",
				       p->want.data, p->file);
		if (print_contents(p, ev.size_bytes, e) < 0) {
			rc = -1;
			break;
		}
	}
	if (rc < 0)
		return err_wrap(e, "reading '%s'", p->file);
	return not_found(p, e) < 0 ? -1 : CMD_OK;
}

int cmd_nar_cat(int argc, char **argv, struct err *e)
{
	scoped_cli struct cli c = {
		.synopsis = "NAR PATH",
		.about = "Print the contents of the file PATH in the file NAR, which may be - for "
			 "standard input.",
		.min_args = 2,
		.max_args = 2,
	};
	scoped_pass struct pass p = {.r = NULL};
	scoped_fd int fd = -1;
	int rc;

	if (!cli_parse(&c, argc, argv, &rc))
		return rc;
	if (pass_open(&p, c.args[0], c.args[1], &fd, e) < 0)
		return -1;
	return cat(&p, e);
}
