/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/launcher.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <config.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define NAME ".nix-oci-hook-launch"

#ifdef HAVE_LAUNCHER
static const unsigned char program[] = {
#include "launch/launcher.inc"
};
static const size_t program_bytes = sizeof program;
#else
static const unsigned char program[1];
static const size_t program_bytes;
#endif

bool launch_available(void)
{
	return program_bytes > 0;
}

static int add_string(struct buf *b, const char *s, struct err *e)
{
	return buf_add(b, s, strlen(s) + 1, e);
}

static int add_payload(const struct request *r, struct buf *b, struct err *e)
{
	if (add_string(b, r->args.items[0], e) < 0 ||
	    add_string(b, r->argv0 ? r->argv0 : r->args.items[0], e) < 0)
		return -1;
	for (size_t i = 1; i < r->args.n; i++)
		if (add_string(b, r->args.items[i], e) < 0)
			return -1;
	for (size_t i = 0; i < r->n_env; i++)
		if (buf_adds(b, r->env[i].key, e) < 0 || buf_addc(b, '=', e) < 0 ||
		    buf_add(b, r->env[i].value, r->env[i].value_len, e) < 0 ||
		    buf_addc(b, '\0', e) < 0)
			return -1;
	return 0;
}

static bool sigpipe_is_ignored(void)
{
	struct sigaction sa;

	return sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

/* Make the launcher's file: its program, the payload, and a trailer that says where that is. */
static int make_file(const struct request *r, uint32_t flags, struct buf *b, struct err *e)
{
	struct launch_trailer t = {
		.argc = (uint32_t)r->args.n,
		.envc = (uint32_t)r->n_env,
		.flags = flags | (sigpipe_is_ignored() ? LAUNCH_IGNORE_SIGPIPE : 0u),
		.magic = LAUNCH_MAGIC,
	};

	if (r->args.n > UINT32_MAX || r->n_env > UINT32_MAX)
		return err_set(e, ERR_LIMIT,
			       "the build's command has %zu arguments and %zu variables, and the "
			       "launcher takes %u of each",
			       r->args.n, r->n_env, UINT32_MAX);
	if (buf_add(b, program, program_bytes, e) < 0 || add_payload(r, b, e) < 0)
		return -1;
	t.payload_bytes = b->len - program_bytes;
	/*
	 * The launcher maps the file and reads the trailer in place, so it must be aligned. NULs
	 * are added to the payload, where they end no further string.
	 */
	for (; (b->len + sizeof t) % 8; t.payload_bytes++)
		if (buf_addc(b, '\0', e) < 0)
			return -1;
	return buf_add(b, &t, sizeof t, e);
}

static void clear_command(struct request *r)
{
	for (size_t i = 0; i < r->n_env; i++) {
		free(r->env[i].key);
		free(r->env[i].value);
	}
	free(TAKE(r->env, NULL));
	r->n_env = 0;
	free(TAKE(r->argv0, NULL));
	strv_done(&r->args);
}

int launcher_wrap(struct request *r, uint32_t flags, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);
	scoped_free char *path = str_fmt(e, "/%s/" NAME, r->working_dir);

	if (!launch_available())
		return 0;
	if (!path || make_file(r, flags, &b, e) < 0 ||
	    req_add_file(r, path + 1, 0755, b.data, b.len, e) < 0)
		return -1;
	clear_command(r);
	if (strv_add(&r->args, path, e) < 0)
		return -1;
	req_sort(r);
	return req_check(r, e);
}
