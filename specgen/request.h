/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/request.h: the BuildRequest, all that one sandboxed run needs to know.
 *
 * Its fields are those of tvix's and snix's build.proto, and some more for Nix's builders. A
 * request does not depend on Nix, on this machine's store database or on a runtime, so it can be
 * stored, sent to another node and replayed. A path without a leading '/' is relative to the root
 * that the build sees, and clean: no empty, "." or ".." component, no trailing '/'.
 *
 * JSON (docs/request.md): an object with "version": 1; unknown keys and unknown versions are
 * refused. Values of environment variables and contents of files are bytes: {"text": "..."} if they
 * are UTF-8 without NUL, else {"base64": "..."}. Any other string is a JSON string, or
 * {"base64": "..."} if it is not UTF-8. Printing is byte-stable: a request that is printed and read
 * again is the same request.
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
	char *path;     /* base name below inputs_dir */
	char *source;   /* its contents on this machine; NULL: inputs/<path> of the bundle */
	char *nar_hash; /* "sha256:<nix32>"; NULL: unknown */
};

struct req_env {
	char *key;
	char *value; /* value_len bytes and a NUL */
	size_t value_len;
};

/* A file that the bundle contains before the build starts, outside inputs_dir. */
struct req_file {
	char *path; /* relative to the root: "build/.attr-..." */
	char *contents;
	size_t len;
	uint32_t mode; /* usually 0644 */
};

struct req_output {
	char *name; /* "out" */
	char *path; /* relative to the root: "nix/store/<hash>-<name>" */
};

/* A path of the machine that the build may see. */
struct req_host_path {
	char *target;  /* absolute, in the sandbox */
	char *source;  /* absolute, on the machine */
	bool optional; /* SOURCE may be missing: TARGET then is missing as well */
	bool readonly;
};

struct request {
	char *name;               /* the derivation's, for people and file names */
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
	/*
	 * refscan_needles: the hash parts of store paths to look for in outputs. First the build's
	 * own outputs in the order of their names, then its inputs in the order of their paths.
	 */
	struct strv needles;
	struct {
		char *system;                     /* "x86_64-linux" */
		uint64_t min_memory_bytes;        /* 0: no minimum */
		struct req_host_path *host_paths; /* sorted by target */
		size_t n_host_paths;
		bool network; /* the machine's network, and its resolv.conf, services and hosts */
		bool provide_bin_sh; /* /bin/sh from the sandbox shell, unless host_paths has it */
		bool uid_range;      /* 65536 ids and root inside */
		bool kvm;            /* /dev/kvm, if the machine has it */
		char *shm_size;      /* of /dev/shm, as tmpfs's option size takes it: "50%" */
	} constraints;
};

/* Read LEN bytes of JSON and check them by req_check(). */
int req_parse(const char *json, size_t len, struct request *ret, struct err *e) MUST_CHECK;
/* Check the request and append it as JSON, pretty-printed, with a final newline. */
int req_print(const struct request *r, struct buf *b, struct err *e) MUST_CHECK;
/* Refuse a request that breaks the rules (ERR_INPUT): the message names field and position. */
int req_check(const struct request *r, struct err *e) MUST_CHECK;
void req_done(struct request *r);
#define scoped_request __attribute__((cleanup(req_done)))

/*
 * Add one element, in any order: each list stays sorted. An element with the path, key or target of
 * an earlier one replaces it. The strings are copied.
 */
int req_add_input(struct request *r, const char *base, const char *source, const char *nar_hash,
		  struct err *e) MUST_CHECK;
int req_set_env(struct request *r, const char *key, const char *value, size_t len,
		struct err *e) MUST_CHECK;
int req_add_file(struct request *r, const char *path, uint32_t mode, const void *contents,
		 size_t len, struct err *e) MUST_CHECK;
int req_add_output(struct request *r, const char *name, const char *path, struct err *e) MUST_CHECK;
int req_add_host_path(struct request *r, const char *target, const char *source, bool optional,
		      bool readonly, struct err *e) MUST_CHECK;
/* Sort scratch_paths, to which the caller appends by itself, and drop what occurs twice. */
void req_sort(struct request *r);

#endif
