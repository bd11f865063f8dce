/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/nix/protocol.h: the build hook's side of Nix's build-hook protocol.
 *
 *	proto_read_settings()               once, first
 *	while (proto_read_try() == 1)       Nix asks about a derivation
 *		proto_decline/postpone/...      and asks about the next, or
 *		proto_accept(), proto_read_job(), build, exit
 *
 * Nix writes its requests to the hook's standard input, in Nix's worker encoding: numbers have 64
 * bits, little-endian; a string is its length, its bytes and zero padding to a multiple of 8. The
 * hook writes its replies to standard error, as lines "# accept", and the build's log to descriptor
 * 4. Source: Nix's src/libstore/unix/build/hook-instance.cc,
 * src/libstore/build/derivation-building-goal.cc (tryBuildHook) and src/nix/build-remote.
 *
 * Input is bounded (PROTO_STRING_MAX, PROTO_COUNT_MAX), and padding must be zero. If the input ends
 * between two requests, Nix has nothing more to build, which is no error.
 */
#ifndef HOOK_NIX_PROTOCOL_H
#define HOOK_NIX_PROTOCOL_H

#include "hook/nix/settings.h"
#include "nar/base/buf.h"
#include "nar/base/err.h"

#define PROTO_STRING_MAX (16u << 20)
#define PROTO_COUNT_MAX (4u << 20)
#define PROTO_SETTINGS_MAX 10000u
/* Bytes of one message: of all settings, of one request, or of all inputs and outputs. */
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
	bool local_possible; /* amWilling: Nix could build the derivation itself now */
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

/* Read all settings that Nix sends. */
int proto_read_settings(struct proto *p, struct settings *ret, struct err *e) MUST_CHECK;
/*
 * Read the next request.
 * Returns 1: *RET is filled, free it with proto_try_done(); 0: Nix asks for no more; -1: *E.
 */
int proto_read_try(struct proto *p, struct proto_try *ret, struct err *e) MUST_CHECK;
void proto_try_done(struct proto_try *t);
/* Read the inputs and the wanted outputs, which Nix sends after proto_accept(). */
int proto_read_job(struct proto *p, struct proto_job *ret, struct err *e) MUST_CHECK;
void proto_job_done(struct proto_job *j);
#define scoped_try __attribute__((cleanup(proto_try_done)))
#define scoped_job __attribute__((cleanup(proto_job_done)))

/* Reply that the hook builds it. Nix names STORE in "building '...' on 'STORE'". */
int proto_accept(const char *store, struct err *e) MUST_CHECK;
/* Reply that Nix is to build it itself. */
int proto_decline(struct err *e) MUST_CHECK;
/* Reply that Nix is to ask again later. */
int proto_postpone(struct err *e) MUST_CHECK;

#define PROTO_LOG_FD 4
/*
 * Close all descriptors above 2 except 4, the build's log, which is made CLOEXEC. Nix leaks 3 (a
 * mount namespace) and 5 (the read end of the log).
 * -1: 4 is not open.
 */
int proto_fix_fds(struct err *e) MUST_CHECK;
/*
 * Wait until all that was written to FD, the pipe of the build's log, has been read, or no process
 * reads it any more; at most MAX_MS. Call it before the hook exits: Nix takes the end of the hook's
 * standard error for the end of the build, and may read the log only once after that. Nix up to
 * 2.31 then does not show a last line without a line feed.
 */
void proto_await_reader(int fd, int64_t max_ms);

#endif
