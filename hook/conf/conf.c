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
/* How deep files may include each other, and how many files are read in all. */
#define CONF_DEPTH_MAX 10
#define CONF_FILES_MAX 100
#define JOURNAL_NAME "builds.jsonl"

void conf_init(struct conf *c)
{
	*c = (struct conf)CONF_INIT;
}

void conf_done(struct conf *c)
{
	conf_keys_done(c);
	policy_done(&c->policy);
	strv_done(&c->overridden);
	conf_init(c);
}

/* A text that is being read. */
struct source {
	struct conf *c;
	const char *path;
	unsigned line, depth; /* depth: how many files include it, one inside the other */
	unsigned *files;      /* how many files were read so far in all */
	bool in_section;      /* keys go into the last section */
};

static int read_file(struct source *s, bool may_be_missing, struct err *e);

/* Read the file NAME, which a line of FROM includes. Its path is relative to FROM's directory. */
static int include(const struct source *from, const char *where, const char *name, bool may_miss,
		   struct err *e)
{
	scoped_free char *path = NULL;
	const char *slash = strrchr(from->path, '/');
	struct source s = {from->c, NULL, 0, from->depth + 1, from->files, false};

	if (!*name)
		return err_set(e, ERR_INPUT, "%s: 'include' needs the name of a file", where);
	if (from->in_section)
		return err_set(e, ERR_INPUT,
			       "%s: a section cannot include a file; put 'include' before the "
			       "first section",
			       where);
	if (name[0] == '/' || !slash)
		path = str_dup(name, e);
	else
		path = str_fmt(e, "%.*s/%s", (int)(slash - from->path), from->path, name);
	if (!path)
		return -1;
	if (s.depth > CONF_DEPTH_MAX || *s.files >= CONF_FILES_MAX)
		return err_set(e, ERR_LIMIT,
			       "%s: configuration files include each other more than %d deep, or "
			       "are more than %d in all",
			       where, CONF_DEPTH_MAX, CONF_FILES_MAX);
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

/* Begin the section whose header is LINE, which has LEN bytes. */
static int begin_section(struct source *s, const char *where, char *line, size_t len, struct err *e)
{
	if (line[len - 1] != ']')
		return err_set(e, ERR_INPUT, "%s: the section '%s' does not end with ']'", where,
			       line);
	line[len - 1] = '\0';
	s->in_section = true;
	return policy_begin(&s->c->policy, where, line + 1, e);
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
	if (line[0] == '[')
		return begin_section(s, where, line, len, e);
	word = take_word(&line);
	if (str_eq(word, "include") || str_eq(word, "!include"))
		return include(s, where, line, word[0] == '!', e);
	if (line[0] != '=' || !(line[1] == '\0' || strchr(CONF_BLANKS, line[1])))
		return no_pair(where, word, line, e);
	line++;
	line += strspn(line, CONF_BLANKS);
	return s->in_section ? policy_add(&s->c->policy, where, word, line, e)
			     : conf_set(s->c, where, word, line, e);
}

static int parse_text(struct source *s, const char *text, size_t len, struct err *e)
{
	const char *end = text + len;

	if (memchr(text, '\0', len))
		return err_set(e, ERR_INPUT, "%s: the file contains a NUL byte", s->path);
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
	struct source s = {c, path, 0, 0, &files, false};

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
		return err_wrap(e, "reading the configuration file");
	(*s->files)++;
	if (buf_read_fd(&b, fd, s->path, e) < 0)
		return -1;
	return b.len ? parse_text(s, b.data, b.len, e) : 0;
}

static int load_file(struct conf *c, const char *path, struct err *e)
{
	const char *env = getenv(CONF_ENV_PREFIX "CONFIG");
	unsigned files = 0;
	struct source s = {c, path, 0, 0, &files, false};

	if (!path)
		s.path = env && *env ? env : CONF_FILE;
	return read_file(&s, !path && s.path != env, e);
}

/* Set the key NAME so that no section changes it. */
static int override(struct conf *c, const char *where, const char *name, const char *value,
		    struct err *e)
{
	if (conf_set(c, where, name, value, e) < 0)
		return -1;
	return strv_has(&c->overridden, name) ? 0 : strv_add(&c->overridden, name, e);
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
	return override(c, where, name, eq + 1, e);
}

static int load_environment(struct conf *c, struct err *e)
{
	for (char **v = environ; v && *v; v++)
		if (str_starts(*v, CONF_ENV_PREFIX) && load_variable(c, *v, e) < 0)
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
			       "key 'state-dir' must be set, because neither $XDG_RUNTIME_DIR nor "
			       "$HOME gives a default");
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

/* A state-dir that was not set is one that the next start of the machine empties. */
static int find_journal(struct conf *c, bool own_state_dir, struct err *e)
{
	const char *state_home = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (c->journal[0])
		return 0;
	free(c->journal);
	if (own_state_dir)
		c->journal = str_fmt(e, "%s/" JOURNAL_NAME, c->state_dir);
	else if (geteuid() == 0)
		c->journal = str_dup("/var/log/nix-oci-hook/" JOURNAL_NAME, e);
	else if (state_home && state_home[0] == '/')
		c->journal = str_fmt(e, "%s/nix-oci-hook/" JOURNAL_NAME, state_home);
	else if (home && home[0] == '/')
		c->journal = str_fmt(e, "%s/.local/state/nix-oci-hook/" JOURNAL_NAME, home);
	else
		c->journal = str_fmt(e, "%s/" JOURNAL_NAME, c->state_dir);
	return c->journal ? 0 : -1;
}

int conf_check_dir(int fd, const char *path, const char *key, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "getting attributes of '%s' (see '%s')", path, key);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(e, ERR_SYSTEM,
			       "the directory '%s' (see '%s') has to belong to user %lu, and "
			       "nobody else may write to it: it is user %lu's and has mode %04o "
			       "(set '%s' to a directory of that user)",
			       path, key, (unsigned long)geteuid(), (unsigned long)st.st_uid,
			       st.st_mode & 07777u, key);
	return 0;
}

/* Refuse paths that are not UTF-8: a runtime gets paths in JSON, which cannot express them. */
static int check_paths(const struct conf *c, struct err *e)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *key = &conf_keys[i];
		const char *path = key->type == CONF_PATH ? *(char **)conf_member(c, key) : NULL;

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
		if (override(&new, "--option", options->items[i], options->items[i + 1], e) < 0)
			return -1;
	const bool own_state_dir = new.state_dir[0] != '\0';
	if (find_state_dir(&new, e) < 0 || find_cache_dir(&new, e) < 0 ||
	    check_paths(&new, e) < 0 || find_journal(&new, own_state_dir, e) < 0)
		return -1;
	conf_done(c);
	*c = TAKE(new, (struct conf)CONF_INIT);
	return 0;
}

int conf_print(const struct conf *c, struct buf *b, struct err *e)
{
	return conf_print_globals(c, b, e) < 0 ? -1 : policy_print(c, b, e);
}
