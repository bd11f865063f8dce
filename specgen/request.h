/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/request.h: the BuildRequest, all that one sandboxed run needs to know.
 *
 * The shape is tvix's and snix's (build.proto), with what Nix's builder needs beyond it. It says
 * nothing of Nix, of this machine's store database or of a runtime, so that it can be stored, sent
 * to another node and replayed. Paths that start without '/' are relative to the root that the
 * build sees, and clean: no empty, "." or ".." component, no trailing '/'.
 *
 * JSON (docs/request.md): an object with "version": 1; unknown keys and unknown versions are
 * refused. Values of environment variables and files are bytes: {"text": "..."} where they are
 * UTF-8 without NUL, else {"base64": "..."}. Other strings may be {"base64": "..."} too, where they
 * are no UTF-8. Printing is byte-stable; what was read prints to what reads the same.
 */
#ifndef SPECGEN_REQUEST_H
#define SPECGEN_REQUEST_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

#define REQ_VERSION 1
#define REQ_JSON_MAX (256u << 20)

/* A store path that the build may read. */
struct req_input {
	char *path;   /* base name below inputs_dir */
	char *source; /* where its contents are on this machine; NULL: to be fetched or unpacked */
	char *nar_hash; /* "sha256:<nix32>", or NULL where nobody needed it */
};

struct req_env {
	char *key;
	char *value; /* value_len bytes and a NUL */
	size_t value_len;
};

/* A file that is laid out before the build starts, outside inputs_dir. */
struct req_file {
	char *path; /* relative to the root: "build/.attr-..." */
	char *contents;
	size_t len;
	uint32_t mode; /* 0644 mostly */
};

struct req_output {
	char *name; /* "out" */
	char *path; /* relative to the root: "nix/store/<hash>-<name>" */
};

/* A path of the machine that the build may see. */
struct req_host_path {
	char *target;  /* absolute, in the sandbox */
	char *source;  /* absolute, on the machine */
	bool optional; /* may be missing */
	bool readonly;
};

struct request {
	char *name;               /* of the derivation, for people and file names */
	struct req_input *inputs; /* sorted by path */
	size_t n_inputs;
	struct strv args;           /* command_args: builder (execve's path), then its arguments */
	char *argv0;                /* what the builder sees as argv[0]; NULL: args.items[0] */
	char *working_dir;          /* "build" */
	char *inputs_dir;           /* "nix/store" */
	struct strv scratch_paths;  /* sorted: "build", "nix/store" */
	struct req_output *outputs; /* sorted by path */
	size_t n_outputs;
	struct req_env *env; /* sorted by key */
	size_t n_env;
	struct req_file *files; /* additional_files, sorted by path */
	size_t n_files;
	/* refscan_needles: own outputs in name order, then inputs in path order */
	struct strv needles;
	struct {
		char *system;                     /* "x86_64-linux" */
		uint64_t min_memory_bytes;        /* 0: none asked */
		struct req_host_path *host_paths; /* sorted by target */
		size_t n_host_paths;
		bool network;        /* the host's network, and its resolv.conf, services, hosts */
		bool provide_bin_sh; /* /bin/sh from the sandbox shell, unless host_paths has it */
		bool uid_range;      /* 65536 ids and root inside */
		bool kvm;            /* /dev/kvm, if the machine has it */
		char *shm_size;      /* of /dev/shm as tmpfs takes it: "50%" */
	} constraints;
};

/* Read LEN bytes of JSON and check them; messages name the field and its position. */
int req_parse(const char *json, size_t len, struct request *ret, struct err *e) MUST_CHECK;
/* Append the request as JSON, pretty-printed, with a final newline. */
int req_print(const struct request *r, struct buf *b, struct err *e) MUST_CHECK;
/* The rules that req_parse() holds a request to; for one that was made otherwise. */
int req_check(const struct request *r, struct err *e) MUST_CHECK;
void req_done(struct request *r);
#define scoped_request __attribute__((cleanup(req_done)))

/* Building one: lists may be filled in any order, then req_sort() puts them right. */
int req_add_input(struct request *r, const char *base, const char *source, const char *nar_hash,
		  struct err *e) MUST_CHECK;
/* A later value for the same key or path replaces the earlier one. */
int req_set_env(struct request *r, const char *key, const char *value, size_t len,
		struct err *e) MUST_CHECK;
int req_add_file(struct request *r, const char *path, uint32_t mode, const void *contents,
		 size_t len, struct err *e) MUST_CHECK;
int req_add_output(struct request *r, const char *name, const char *path, struct err *e) MUST_CHECK;
int req_add_host_path(struct request *r, const char *target, const char *source, bool optional,
		      bool readonly, struct err *e) MUST_CHECK;
void req_sort(struct request *r);

#endif
