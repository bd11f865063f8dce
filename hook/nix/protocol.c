/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Nix sends, in order:
 *
 *	(1, name, value)* 0                           its settings
 *	"try", amWilling, system, drv path, features  may this be built here?
 *	inputs, wanted outputs                        only after "# accept"; then Nix closes its end
 *
 * where a list is its count and that many strings. Nix writes a whole question and then waits for
 * the hook's line. No other process reads this pipe, so the hook may read as much as there is. No
 * length or count is believed before as many bytes have come: strings and lists grow with what
 * arrives, and a message has a maximum over all its parts.
 */
#include "hook/nix/protocol.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/fds.h"
#include "hook/base/log.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define PROTO_BUFFER_BYTES 65536

/* A message that is being read. */
struct msg {
	struct proto *p;
	const char *what;  /* name of the message, for errors */
	size_t left_bytes; /* how many more bytes the message may have */
};

int proto_init(struct proto *p, int fd, struct err *e)
{
	*p = (struct proto){.fd = fd};
	p->in = mem_bytes(PROTO_BUFFER_BYTES, e);
	return p->in ? 0 : -1;
}

void proto_done(struct proto *p)
{
	free(p->in);
	*p = (struct proto){.fd = -1};
}

/* Make at least one byte ready. Returns 1: there is one; 0: the input has ended; -1: *E. */
static int fill(struct proto *p, struct err *e)
{
	ssize_t n;

	if (p->in_pos < p->in_len)
		return 1;
	do {
		n = read(p->fd, p->in, PROTO_BUFFER_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "reading Nix's request");
	p->in_pos = 0;
	p->in_len = (size_t)n;
	return n > 0;
}

/*
 * Read N bytes into DATA.
 * Returns 1: read; 0: the input has ended before the first byte, and MAY_END is true; -1: *E.
 */
static int get(struct msg *m, void *data, size_t n, bool may_end, struct err *e)
{
	unsigned char *to = data;

	if (n > m->left_bytes)
		return err_set(e, ERR_LIMIT, "%s is larger than the limit of %u bytes", m->what,
			       PROTO_MESSAGE_MAX);
	m->left_bytes -= n;
	while (n) {
		int rc = fill(m->p, e);

		if (rc < 0)
			return -1;
		if (rc == 0 && may_end)
			return 0;
		if (rc == 0)
			return err_set(e, ERR_INPUT, "%s ended before it was complete", m->what);
		size_t part = m->p->in_len - m->p->in_pos;
		if (part > n)
			part = n;
		memcpy(to, m->p->in + m->p->in_pos, part);
		m->p->in_pos += part;
		to += part;
		n -= part;
		may_end = false;
	}
	return 1;
}

static uint64_t le64(const unsigned char raw[8])
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | raw[i];
	return v;
}

static int get_u64(struct msg *m, uint64_t *ret, struct err *e)
{
	unsigned char raw[8];

	if (get(m, raw, sizeof raw, false, e) < 0)
		return -1;
	*ret = le64(raw);
	return 0;
}

static int get_bool(struct msg *m, const char *name, bool *ret, struct err *e)
{
	uint64_t v;

	if (get_u64(m, &v, e) < 0)
		return -1;
	if (v > 1)
		return err_set(e, ERR_INPUT, "%s has %s = %llu, which is neither 0 nor 1", m->what,
			       name, (unsigned long long)v);
	*ret = v;
	return 0;
}

/* Read a string after its length LEN. No string of this protocol may contain a NUL byte. */
static int get_text(struct msg *m, uint64_t len, char **ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(PROTO_STRING_MAX);
	unsigned char pad[8] = {0};
	char part[4096];

	if (len > PROTO_STRING_MAX)
		return err_set(e, ERR_LIMIT, "%s has a string of %llu bytes, the limit is %u",
			       m->what, (unsigned long long)len, PROTO_STRING_MAX);
	for (size_t left = (size_t)len, n; left; left -= n) {
		n = left < sizeof part ? left : sizeof part;
		if (get(m, part, n, false, e) < 0 || buf_add(&b, part, n, e) < 0)
			return -1;
	}
	if (get(m, pad, -len & 7, false, e) < 0)
		return -1;
	if (le64(pad) != 0)
		return err_set(e, ERR_INPUT, "%s has a string with padding that is not zero",
			       m->what);
	if (b.len && memchr(b.data, '\0', b.len))
		return err_set(e, ERR_INPUT, "%s contains a string with a NUL byte", m->what);
	char *s = buf_steal(&b, e);
	if (!s)
		return -1;
	*ret = s;
	return 0;
}

static int get_string(struct msg *m, char **ret, struct err *e)
{
	uint64_t len;

	if (get_u64(m, &len, e) < 0)
		return -1;
	return get_text(m, len, ret, e);
}

/* Read a set of strings, and sort it. Nix sends it sorted, but another order does no harm. */
static int get_set(struct msg *m, struct strv *ret, struct err *e)
{
	scoped_strv struct strv v = STRV_INIT;
	uint64_t count;

	if (get_u64(m, &count, e) < 0)
		return -1;
	if (count > PROTO_COUNT_MAX)
		return err_set(e, ERR_LIMIT, "%s has a list of %llu strings, the limit is %u",
			       m->what, (unsigned long long)count, PROTO_COUNT_MAX);
	while (count--) {
		char *s;

		if (get_string(m, &s, e) < 0 || strv_take(&v, s, e) < 0)
			return -1;
	}
	strv_sort(&v);
	strv_uniq(&v);
	*ret = TAKE(v, (struct strv)STRV_INIT);
	return 0;
}

int proto_read_settings(struct proto *p, struct settings *ret, struct err *e)
{
	struct msg m = {p, "the list of settings from Nix", PROTO_MESSAGE_MAX};
	scoped_settings struct settings s = SETTINGS_INIT;
	size_t count = 0;

	for (;;) {
		scoped_free char *name = NULL;
		scoped_free char *value = NULL;
		bool more = false;

		if (get_bool(&m, "a mark of what follows", &more, e) < 0)
			return -1;
		if (!more)
			break;
		if (++count > PROTO_SETTINGS_MAX)
			return err_set(e, ERR_LIMIT, "%s has more than %u entries", m.what,
				       PROTO_SETTINGS_MAX);
		if (get_string(&m, &name, e) < 0 || get_string(&m, &value, e) < 0 ||
		    settings_set(&s, name, value, e) < 0)
			return -1;
	}
	*ret = TAKE(s, (struct settings)SETTINGS_INIT);
	return 0;
}

int proto_read_try(struct proto *p, struct proto_try *ret, struct err *e)
{
	struct msg m = {p, "Nix's request to build", PROTO_MESSAGE_MAX};
	scoped_try struct proto_try t = PROTO_TRY_INIT;
	scoped_free char *verb = NULL;
	unsigned char raw[8];
	int rc = get(&m, raw, sizeof raw, true, e);

	if (rc <= 0)
		return rc;
	if (get_text(&m, le64(raw), &verb, e) < 0)
		return -1;
	if (!str_eq(verb, "try"))
		return err_set(e, ERR_INPUT, "Nix asked for '%.100s', this hook knows only 'try'",
			       verb);
	if (get_bool(&m, "amWilling", &t.local_possible, e) < 0 ||
	    get_string(&m, &t.system, e) < 0 || get_string(&m, &t.drv_path, e) < 0 ||
	    get_set(&m, &t.features, e) < 0)
		return -1;
	*ret = TAKE(t, (struct proto_try)PROTO_TRY_INIT);
	return 1;
}

void proto_try_done(struct proto_try *t)
{
	free(t->system);
	free(t->drv_path);
	strv_done(&t->features);
	*t = (struct proto_try)PROTO_TRY_INIT;
}

int proto_read_job(struct proto *p, struct proto_job *ret, struct err *e)
{
	struct msg m = {p, "Nix's list of inputs and outputs", PROTO_MESSAGE_MAX};
	scoped_job struct proto_job j = PROTO_JOB_INIT;

	if (get_set(&m, &j.inputs, e) < 0 || get_set(&m, &j.outputs, e) < 0)
		return -1;
	*ret = TAKE(j, (struct proto_job)PROTO_JOB_INIT);
	return 0;
}

void proto_job_done(struct proto_job *j)
{
	strv_done(&j->inputs);
	strv_done(&j->outputs);
}

int proto_accept(const char *store, struct err *e)
{
	scoped_free char *line = NULL;

	/* STORE is a line of its own, so Nix would read a line feed in it as the next message. */
	if (strchr(store, '\n'))
		return err_set(e, ERR_INPUT, "the store's name '%s' contains a line feed", store);
	line = str_fmt(e, "# accept\n%s", store);
	return line ? log_reply(line, e) : -1;
}

int proto_decline(struct err *e)
{
	return log_reply("# decline", e);
}

int proto_postpone(struct err *e)
{
	return log_reply("# postpone", e);
}

int proto_fix_fds(struct err *e)
{
	int flags = fcntl(PROTO_LOG_FD, F_GETFD);

	if (flags < 0)
		return err_sys(e,
			       "descriptor %d, where the build's log goes, is not open; the verb "
			       "'hook' is for Nix to start, by its setting build-hook",
			       PROTO_LOG_FD);
	if (fcntl(PROTO_LOG_FD, F_SETFD, flags | FD_CLOEXEC) < 0)
		return err_sys(e, "setting close-on-exec on descriptor %d", PROTO_LOG_FD);
	close(PROTO_LOG_FD - 1);
	return fds_close(PROTO_LOG_FD + 1, UINT_MAX, e);
}

void proto_await_reader(int fd, int64_t max_ms)
{
	const int64_t end_ms = clock_now_ms() + max_ms;
	struct pollfd p = {fd, 0, 0};
	int unread;

	/* FIONREAD works on the writing end, too. The first answer is 0 most of the time. */
	while (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0 && clock_now_ms() < end_ms)
		if (poll(&p, 1, 1) != 0) /* the pipe has no reader any more */
			return;
}
