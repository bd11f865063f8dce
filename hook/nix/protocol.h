/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nix/protocol.h: the build hook's side of Nix's build-hook protocol.
 *
 *	proto_read_settings()               once, first
 *	while (proto_read_try() == 1)       Nix asks about a derivation
 *		proto_decline/postpone/...      and asks about the next, or
 *		proto_accept(), proto_read_job(), build, exit
 *
 * Requests come on standard input in Nix's worker encoding: little-endian 64-bit numbers, strings
 * as length + bytes + zero padding to 8. Replies go to standard error as lines "# accept". The
 * log of the build goes to descriptor 4. Source: Nix's src/libstore/unix/build/hook-instance.cc,
 * src/libstore/build/derivation-building-goal.cc (tryBuildHook) and src/nix/build-remote.
 *
 * Input is bounded (PROTO_STRING_MAX, PROTO_COUNT_MAX), padding must be zero, and the end of input
 * between two requests is a clean end (0): Nix has nothing more to build.
 */
#ifndef HOOK_NIX_PROTOCOL_H
#define HOOK_NIX_PROTOCOL_H

#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

#define PROTO_STRING_MAX (16u << 20)
#define PROTO_COUNT_MAX (4u << 20)
#define PROTO_SETTINGS_MAX 10000u
/* One message (all settings, one request, all inputs and outputs) over all its strings. */
#define PROTO_MESSAGE_MAX (512u << 20)

/* A buffered reader over one descriptor, which stays the caller's. */
struct proto {
	int fd;
	unsigned char *in;
	size_t in_pos, in_len;
};
int proto_init(struct proto *p, int fd, struct err *e) MUST_CHECK;
void proto_done(struct proto *p);
#define scoped_proto __attribute__((cleanup(proto_done)))

struct proto_try {
	bool local_possible; /* amWilling: Nix could build it itself now */
	char *system;        /* neededSystem: "x86_64-linux", "builtin" */
	char *drv_path;
	struct strv features; /* requiredSystemFeatures, sorted */
};
#define PROTO_TRY_INIT                       \
	{                                    \
		false, NULL, NULL, STRV_INIT \
	}
struct proto_job {
	struct strv inputs;  /* full store paths of the closure, sorted */
	struct strv outputs; /* names of the outputs that are not valid yet, sorted */
};
#define PROTO_JOB_INIT               \
	{                            \
		STRV_INIT, STRV_INIT \
	}

int proto_read_settings(struct proto *p, struct settings *ret, struct err *e) MUST_CHECK;
/* 1: *RET filled (free it with proto_try_done()); 0: clean end; -1: *E. */
int proto_read_try(struct proto *p, struct proto_try *ret, struct err *e) MUST_CHECK;
void proto_try_done(struct proto_try *t);
int proto_read_job(struct proto *p, struct proto_job *ret, struct err *e) MUST_CHECK;
void proto_job_done(struct proto_job *j);
#define scoped_try __attribute__((cleanup(proto_try_done)))
#define scoped_job __attribute__((cleanup(proto_job_done)))

/* STORE is how Nix names the machine in "building '...' on 'STORE'". */
int proto_accept(const char *store, struct err *e) MUST_CHECK;
int proto_decline(struct err *e) MUST_CHECK;
int proto_postpone(struct err *e) MUST_CHECK;

#define PROTO_LOG_FD 4
/*
 * Put the descriptors that Nix gave us in order: the leaked 3 (mount namespace) and 5 (our own read
 * end of the log) are closed, 4 is made CLOEXEC, and all others above 2 are closed. Checks that 4
 * is open.
 */
int proto_fix_fds(struct err *e) MUST_CHECK;
/*
 * Wait until what was written to the log's pipe FD has been read, or nobody reads any more, at most
 * MAX_MS. Before the end: Nix takes the end of our standard error for that of the build, and may
 * read the log once more only after it; up to 2.31 a last line without newline is not shown then.
 */
void proto_await_reader(int fd, int64_t max_ms);

#endif
