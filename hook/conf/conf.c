/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/conf/conf_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define CONF_FILE_MAX (1u << 20)
#define CONF_BLANKS " \t\r"
/* How deep files may include each other, and how many files are read in all. */
#define CONF_DEPTH_MAX 10
#define CONF_FILES_MAX 100

static void *member(const struct conf *c, const struct conf_key *key)
{
	return (char *)(uintptr_t)c + key->offset;
}

void conf_init(struct conf *c)
{
	*c = (struct conf)CONF_INIT;
}

void conf_done(struct conf *c)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];

		if (key->type == CONF_STRING || key->type == CONF_PATH)
			free(*(char **)member(c, key));
		else if (key->type == CONF_LIST)
			strv_done(member(c, key));
	}
	conf_init(c);
}

static int set_string(char **p, const char *value, struct err *e)
{
	char *copy = str_dup(value, e);

	if (!copy)
		return -1;
	free(*p);
	*p = copy;
	return 0;
}

static int set_list(struct strv *p, const char *value, struct err *e)
{
	scoped_strv struct strv v = STRV_INIT;

	if (strv_split(&v, value, CONF_BLANKS "\n", e) < 0)
		return -1;
	strv_done(p);
	*p = TAKE(v, (struct strv)STRV_INIT);
	return 0;
}

/*
 * Find the value of KEY whose name is VALUE.
 * Returns 1: *RET is that value; 0: no value has this name.
 */
static int find_name(const struct conf_key *key, const char *value, int *ret)
{
	for (int i = 0; key->names[i]; i++) {
		if (str_eq(key->names[i], value)) {
			*ret = i;
			return 1;
		}
	}
	return 0;
}

/* Parse a size: "64M" is 64 * 1024 * 1024. False: S is no size, or is larger than MAX. */
static bool parse_size(const char *s, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const size_t len = strlen(s);
	const char *unit = len ? strchr(units, s[len - 1]) : NULL;
	const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t n;

	if (!num_parse_u64(s, len - (unit ? 1 : 0), max >> shift, &n))
		return false;
	*ret = n << shift;
	return true;
}

/*
 * Parse VALUE and store it in P, the member of KEY.
 * Returns 1: stored; 0: VALUE is not one that KEY may have; -1: *E.
 */
static int set_value(void *p, const struct conf_key *key, const char *value, struct err *e)
{
	bool yes = str_eq(value, "true");
	uint64_t n;
	int i;

	switch (key->type) {
	case CONF_STRING:
		if (value[strcspn(value, CONF_BLANKS "\n")])
			return 0;
		return set_string(p, value, e) < 0 ? -1 : 1;
	case CONF_PATH:
		if (value[0] && value[0] != '/')
			return 0;
		return set_string(p, value, e) < 0 ? -1 : 1;
	case CONF_LIST:
		return set_list(p, value, e) < 0 ? -1 : 1;
	case CONF_U64:
		if (key->zero_is_auto && str_eq(value, "auto"))
			value = "0";
		if (!num_parse_u64(value, strlen(value), key->max, &n))
			return 0;
		memcpy(p, &n, sizeof n);
		return 1;
	case CONF_SIZE:
		if (!parse_size(value, key->max, &n))
			return 0;
		memcpy(p, &n, sizeof n);
		return 1;
	case CONF_BOOL:
		if (!yes && !str_eq(value, "false"))
			return 0;
		memcpy(p, &yes, sizeof yes);
		return 1;
	case CONF_ENUM:
		if (!find_name(key, value, &i))
			return 0;
		memcpy(p, &i, sizeof i);
		return 1;
	}
	return 0;
}
/* The parser reads and writes every enumeration of the table as an int. */
static_assert(sizeof(enum spec_profile) == sizeof(int) &&
		      sizeof(enum conf_registration) == sizeof(int) &&
		      sizeof(enum conf_cgroups) == sizeof(int) &&
		      sizeof(enum conf_inputs) == sizeof(int),
	      "enum of another size");

static int unknown_key(const char *where, const char *name, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(ERR_MSG_MAX);

	for (size_t i = 0; i < conf_keys_count; i++)
		if (buf_addf(&b, e, "%s%s", i ? ", " : "", conf_keys[i].name) < 0)
			return -1;
	return err_set(e, ERR_INPUT, "%s: there is no key '%s'; the keys are %s", where, name,
		       b.data);
}

/*
 * Refuse a VALUE in quotes. Shells and other programs remove quotes; here they would be a part of
 * the value.
 */
static int refuse_quotes(const char *where, const char *name, const char *value, struct err *e)
{
	const size_t len = strlen(value);
	const char quote = value[0];
	scoped_buf struct buf bare = BUF_INIT(ERR_MSG_MAX);

	if (len < 2 || (quote != '"' && quote != '\'') || value[len - 1] != quote)
		return 0;
	for (const char *p = value; *p; p++)
		if (*p != quote && buf_addc(&bare, *p, e) < 0)
			return -1;
	return err_set(e, ERR_INPUT,
		       "%s: key '%s' is %s: values stand without quotes; did you mean '%s = %s'?",
		       where, name, value, name, bare.data ? bare.data : "");
}

int conf_set(struct conf *c, const char *where, const char *name, const char *value, struct err *e)
{
	const struct conf_key *key = conf_key_find(name);
	scoped_buf struct buf allowed = BUF_INIT(ERR_MSG_MAX);
	int rc;

	if (!key)
		return unknown_key(where, name, e);
	if (refuse_quotes(where, name, value, e) < 0)
		return -1;
	rc = set_value(member(c, key), key, value, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return 0;
	if (conf_allowed(key, &allowed, e) < 0)
		return -1;
	return err_set(e, ERR_INPUT, "%s: key '%s' is '%s', allowed is %s", where, name, value,
		       allowed.data);
}

/* A text that is being read. */
struct source {
	struct conf *c;
	const char *path;
	unsigned line, depth; /* depth: how many files include it, one inside the other */
	unsigned *files;      /* how many files were read so far in all */
};

static int read_file(struct source *s, bool may_be_missing, struct err *e);

/* Read the file NAME, which a line of FROM includes. Its path is relative to FROM's directory. */
static int include(const struct source *from, const char *where, const char *name, bool may_miss,
		   struct err *e)
{
	scoped_free char *path = NULL;
	const char *slash = strrchr(from->path, '/');
	struct source s = {from->c, NULL, 0, from->depth + 1, from->files};

	if (!*name)
		return err_set(e, ERR_INPUT, "%s: 'include' needs the name of a file", where);
	if (name[0] == '/' || !slash)
		path = str_dup(name, e);
	else
		path = str_fmt(e, "%.*s/%s", (int)(slash - from->path), from->path, name);
	if (!path)
		return -1;
	if (s.depth > CONF_DEPTH_MAX || *s.files >= CONF_FILES_MAX)
		return err_set(e, ERR_LIMIT, "%s: files are included in too many files", where);
	s.path = path;
	if (read_file(&s, may_miss, e) < 0)
		return err_wrap(e, "%s", where);
	return 0;
}

/* Return the word at the start of *LINE, and move *LINE past it and the blanks that follow. */
static char *take_word(char **line)
{
	char *word = *line;

	*line += strcspn(*line, CONF_BLANKS);
	if (**line)
		*(*line)++ = '\0';
	*line += strspn(*line, CONF_BLANKS);
	return word;
}

/*
 * Refuse a line that is not "KEY = VALUE", and suggest what it may mean. WORD is its first word,
 * LINE what follows the word.
 */
static int no_pair(const char *where, const char *word, const char *line, struct err *e)
{
	const char *equals = strchr(word, '=');
	const size_t n = equals ? (size_t)(equals - word) : strlen(word);
	scoped_free char *key = str_ndup(word, n, e);
	const char *value = equals ? equals + 1 : *line == '=' ? line + 1 : NULL;
	scoped_free char *hint = NULL;

	if (!key)
		return -1;
	/* A known key in "KEY=VALUE", "KEY= VALUE" or "KEY =VALUE". */
	hint = value && conf_key_find(key)
		       ? str_fmt(e, "; did you mean '%s = %s%s%s'?", key, value,
				 equals && *value && *line ? " " : "", equals ? line : "")
		       : str_dup("", e);
	if (!hint)
		return -1;
	return err_set(e, ERR_INPUT,
		       "%s: expected 'KEY = VALUE' with blanks around the '=', or "
		       "'include FILE', not '%s%s%s'%s",
		       where, word, *line ? " " : "", line, hint);
}

/* Do what LINE says. LINE is changed. */
static int parse_line(struct source *s, char *line, struct err *e)
{
	scoped_free char *where = str_fmt(e, "%s:%u", s->path, s->line);
	size_t len;
	char *word;

	if (!where)
		return -1;
	line[strcspn(line, "#")] = '\0';
	line += strspn(line, CONF_BLANKS);
	for (len = strlen(line); len && strchr(CONF_BLANKS, line[len - 1]); len--)
		line[len - 1] = '\0';
	if (!len)
		return 0;
	word = take_word(&line);
	if (str_eq(word, "include") || str_eq(word, "!include"))
		return include(s, where, line, word[0] == '!', e);
	if (line[0] != '=' || !(line[1] == '\0' || strchr(CONF_BLANKS, line[1])))
		return no_pair(where, word, line, e);
	line++;
	line += strspn(line, CONF_BLANKS);
	return conf_set(s->c, where, word, line, e);
}

static int parse_text(struct source *s, const char *text, size_t len, struct err *e)
{
	const char *end = text + len;

	if (memchr(text, '\0', len))
		return err_set(e, ERR_INPUT, "%s: there is a NUL byte in it", s->path);
	while (text < end) {
		const char *lf = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((lf ? lf : end) - text);
		scoped_free char *line = str_ndup(text, n, e);

		s->line++;
		if (!line || parse_line(s, line, e) < 0)
			return -1;
		text += n + (lf != NULL);
	}
	return 0;
}

int conf_parse(struct conf *c, const char *path, const char *text, size_t len, struct err *e)
{
	unsigned files = CONF_FILES_MAX;
	struct source s = {c, path, 0, 0, &files};

	return parse_text(&s, text, len, e);
}

/* Read the file S->path. Symbolic links are followed, because on NixOS all of /etc is links. */
static int read_file(struct source *s, bool may_be_missing, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(CONF_FILE_MAX);
	scoped_fd int fd = io_open_input(s->path, e);

	if (fd < 0 && may_be_missing && (e->sys == ENOENT || e->sys == ENOTDIR)) {
		err_clear(e);
		return 0;
	}
	if (fd < 0)
		return err_wrap(e, "the configuration file");
	(*s->files)++;
	if (buf_read_fd(&b, fd, s->path, e) < 0)
		return -1;
	return b.len ? parse_text(s, b.data, b.len, e) : 0;
}

static int load_file(struct conf *c, const char *path, struct err *e)
{
	const char *env = getenv(CONF_ENV_PREFIX "CONFIG");
	unsigned files = 0;
	struct source s = {c, path, 0, 0, &files};

	if (!path)
		s.path = env && *env ? env : CONF_FILE;
	return read_file(&s, !path && s.path != env, e);
}

/* Set the key that VARIABLE ("NIX_OCI_HOOK_MAX_JOBS=2") names. */
static int load_variable(struct conf *c, const char *variable, struct err *e)
{
	const char *from = variable + strlen(CONF_ENV_PREFIX), *eq = strchr(from, '=');
	scoped_free char *name = NULL, *where = NULL;

	if (!eq)
		return 0;
	name = str_ndup(from, (size_t)(eq - from), e);
	where = name ? str_fmt(e, "environment variable %s%s", CONF_ENV_PREFIX, name) : NULL;
	if (!where)
		return -1;
	if (str_eq(name, "CONFIG"))
		return 0;
	for (char *p = name; *p; p++)
		*p = *p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	return conf_set(c, where, name, eq + 1, e);
}

static int load_environment(struct conf *c, struct err *e)
{
	for (char **v = environ; v && *v; v++)
		if (str_starts(*v, CONF_ENV_PREFIX) && load_variable(c, *v, e) < 0)
			return -1;
	return 0;
}

int conf_set_defaults(struct conf *c, struct err *e)
{
	for (size_t i = 0; i < conf_keys_count; i++)
		if (conf_set(c, "default", conf_keys[i].name,
			     conf_keys[i].def ? conf_keys[i].def : "", e) < 0)
			return -1;
	return 0;
}

/*
 * Choose a default for state-dir. It is short, because runtimes make sockets below it, and the path
 * of a socket has at most 107 bytes (unix(7)).
 */
static int find_state_dir(struct conf *c, struct err *e)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");

	if (c->state_dir[0])
		return 0;
	free(c->state_dir);
	if (geteuid() == 0)
		c->state_dir = str_dup("/run/nix-oci-hook", e);
	else if (runtime_dir && runtime_dir[0] == '/')
		c->state_dir = str_fmt(e, "%s/nix-oci-hook", runtime_dir);
	else if (home && home[0] == '/')
		c->state_dir = str_fmt(e, "%s/.local/state/nix-oci-hook", home);
	else
		c->state_dir = str_dup("", e);
	if (!c->state_dir)
		return -1;
	if (!c->state_dir[0])
		return err_set(e, ERR_INPUT,
			       "key 'state-dir' has to be set where neither "
			       "$XDG_RUNTIME_DIR nor $HOME is");
	return 0;
}

/* Choose a default for cache-dir. None is no error here, because only some builds need it. */
static int find_cache_dir(struct conf *c, struct err *e)
{
	const char *cache_home = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (c->cache_dir[0])
		return 0;
	free(c->cache_dir);
	if (geteuid() == 0)
		c->cache_dir = str_dup("/var/cache/nix-oci-hook", e);
	else if (cache_home && cache_home[0] == '/')
		c->cache_dir = str_fmt(e, "%s/nix-oci-hook", cache_home);
	else if (home && home[0] == '/')
		c->cache_dir = str_fmt(e, "%s/.cache/nix-oci-hook", home);
	else
		c->cache_dir = str_dup("", e);
	return c->cache_dir ? 0 : -1;
}

int conf_check_dir(int fd, const char *path, const char *key, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting attributes of '%s' (see '%s')", path, key);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(e, ERR_SYSTEM,
			       "the directory '%s' (see '%s') has to belong to user %lu, and "
			       "nobody else may write to it: it is user %lu's and has mode %04o",
			       path, key, (unsigned long)geteuid(), (unsigned long)st.st_uid,
			       st.st_mode & 07777u);
	return 0;
}

/* Refuse paths that are not UTF-8: a runtime gets paths in JSON, which cannot express them. */
static int check_paths(const struct conf *c, struct err *e)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];
		const char *path = key->type == CONF_PATH ? *(char **)member(c, key) : NULL;

		if (path && !str_is_utf8(path))
			return err_set(
				e, ERR_INPUT,
				"key '%s' is '%s', which is not UTF-8: no OCI runtime can be "
				"told of such a path; set '%s' to another",
				key->name, path, key->name);
	}
	return 0;
}

int conf_load(struct conf *c, const char *path, const struct strv *options, struct err *e)
{
	scoped_conf struct conf new = CONF_INIT;

	if (conf_set_defaults(&new, e) < 0 || load_file(&new, path, e) < 0 ||
	    load_environment(&new, e) < 0)
		return -1;
	for (size_t i = 0; options && i + 1 < options->n; i += 2)
		if (conf_set(&new, "--option", options->items[i], options->items[i + 1], e) < 0)
			return -1;
	if (find_state_dir(&new, e) < 0 || find_cache_dir(&new, e) < 0 || check_paths(&new, e) < 0)
		return -1;
	conf_done(c);
	*c = TAKE(new, (struct conf)CONF_INIT);
	return 0;
}

static int print_value(const void *p, const struct conf_key *key, struct buf *b, struct err *e)
{
	const struct strv *list = p;
	uint64_t n;
	bool yes;
	int i;

	switch (key->type) {
	case CONF_STRING:
	case CONF_PATH:
		return buf_adds(b, *(char *const *)p, e);
	case CONF_LIST:
		for (size_t w = 0; w < list->n; w++)
			if (buf_addf(b, e, "%s%s", w ? " " : "", list->items[w]) < 0)
				return -1;
		return 0;
	case CONF_U64:
	case CONF_SIZE:
		memcpy(&n, p, sizeof n);
		return buf_addf(b, e, "%llu", (unsigned long long)n);
	case CONF_BOOL:
		memcpy(&yes, p, sizeof yes);
		return buf_adds(b, yes ? "true" : "false", e);
	case CONF_ENUM:
		memcpy(&i, p, sizeof i);
		return buf_adds(b, key->names[i], e);
	}
	return 0;
}

int conf_print(const struct conf *c, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < conf_keys_count; i++)
		if (buf_addf(b, e, "%s = ", conf_keys[i].name) < 0 ||
		    print_value(member(c, &conf_keys[i]), &conf_keys[i], b, e) < 0 ||
		    buf_addc(b, '\n', e) < 0)
			return -1;
	return 0;
}
