/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/spec.h: BuildRequest -> OCI runtime configuration (config.json).
 *
 * No I/O: what the machine is like comes in as a struct spec_host. The same input gives the same
 * bytes. The result is an OCI runtime-spec 1.0.2 configuration that crun, runc and runsc take
 * unchanged from inside a bundle of the layout in hook/bundle/bundle.h, whose parts it names by
 * paths relative to the bundle. Source: the OCI runtime specification; for the profiles tvix's and
 * Nix's builders, see docs/profiles.md.
 *
 * JSON holds Unicode only: a request with other bytes in its command, environment or paths is
 * refused (ERR_INPUT), as is argv0 ignored: a runtime makes it of args[0]. Who runs a request has
 * the launcher take care of both (hook/request/launcher.h).
 */
#ifndef SPECGEN_SPEC_H
#define SPECGEN_SPEC_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/request.h"

enum spec_profile {
	SPEC_NIX,  /* what Nix's local builder gives a build; the default */
	SPEC_TVIX, /* what tvix's and snix's OCI build service gives one */
};
/* False: no profile of that name. */
bool spec_profile_parse(const char *name, enum spec_profile *ret);

/* How one id inside is seen outside. */
struct spec_idmap {
	uint32_t inside, outside, count;
};

enum spec_mount_flags {
	SPEC_MOUNT_RO = 1 << 0,
	SPEC_MOUNT_NODEV = 1 << 1,
	SPEC_MOUNT_NOEXEC = 1 << 2,
};

/* What the caller found out about the machine and decided for this run. */
struct spec_host {
	bool rootless; /* the runtime is started without root */
	bool userns;   /* a user namespace with these maps; else the ids are the host's */
	struct spec_idmap uid_map[2], gid_map[2];
	size_t n_uid_map, n_gid_map;
	uint32_t uid, gid; /* of the process, as seen inside: 1000:100, or 0:0 for uid ranges */
	const char *sandbox_shell; /* absolute path of a static shell, or NULL */
	/*
	 * Inputs and host paths, by their index in the request, that are not mounted: the bundle
	 * has them in its root already (symbolic links are made again, not followed), or they are
	 * optional and missing. NULL: none of them.
	 */
	const bool *placed_inputs, *placed_host_paths;
	bool own_tmp;       /* /tmp is the bundle's scratch/tmp, not a directory of its root */
	bool own_null;      /* the bundle has a null device of its own in /dev: it is not mounted;
			     * or will have, where the file system has none, for bundle_create() */
	bool has_kvm;       /* the machine has /dev/kvm */
	uint64_t ram_bytes; /* what a size in percent is of; 0: unknown, "50%" is left to the kernel
			     */
	const char *netns;  /* join this network namespace, or NULL for a new one, where network is
			       off */
	bool has_resolv_conf, has_services, has_hosts; /* which of /etc's network files exist */
	const char
		*ca_bundle; /* bound to /etc/ssl/certs/ca-certificates.crt with network, or NULL */
	/* RLIMIT_* to write down; a runtime may else set others. {0} ends the list. */
	struct spec_rlimit {
		const char *type; /* "RLIMIT_NOFILE" */
		uint64_t soft, hard;
	} rlimits[16];
	/*
	 * The flags (enum spec_mount_flags) of the mount on which SOURCE of a bind mount lies, a
	 * path or, relative, a part of the bundle. NULL: none has any. This is the caller's I/O.
	 */
	unsigned (*mount_flags)(const void *ctx, const char *source);
	const void *mount_flags_ctx;
	bool filter_syscalls; /* Nix's setting of that name */
	/*
	 * With the filter: ENOSYS for what it cannot look into. gVisor needs no help for openat2.
	 */
	bool hide_openat2, hide_io_uring;
	bool no_new_privileges;
	/*
	 * The highest capability that kernel and runtime know: 37 (audit_read) with runsc of 2022,
	 * which refuses a configuration with a newer one; 40 (checkpoint_restore) with the others.
	 */
	unsigned last_cap;
	const char *arch; /* of the machine: "x86_64", "aarch64", ...; decides the seccomp ABIs */
	uint64_t memory_max_bytes, pids_max; /* 0: no limit */
	const char *cgroups_path;            /* linux.cgroupsPath, or NULL */
};
#define SPEC_CAP_PORTABLE 37
#define SPEC_CAP_MAX 40

/*
 * Fill H with what fits a root caller without any knowledge of the machine: a user namespace in
 * which 1000:100 is SPEC_BUILD_ID outside and root is root, as runc and runsc want it mapped.
 */
void spec_host_init(struct spec_host *h);
/* The first of the ids that Nix gives out where no group of build users is set (start-id). */
#define SPEC_BUILD_ID 872415232u

/* Append the configuration as JSON with a final newline. Free of I/O. */
int spec_print(const struct request *r, enum spec_profile p, const struct spec_host *h,
	       struct buf *b, struct err *e) MUST_CHECK;

/*
 * The name below the bundle's scratch/ of a scratch path: "build" -> "build",
 * "nix/store" -> "nix-store"; no two paths have one. Too long for a file name: ERR_LIMIT. Shared
 * with whoever lays the bundle out. Heap.
 */
char *spec_scratch_name(const char *scratch_path, struct err *e) MUST_CHECK;

/* What the profile nix has in /dev; the bundle makes a file to bind each node to, and the links. */
extern const char *const spec_dev_nodes[]; /* "full", ..., NULL */
struct spec_link {
	const char *name, *target;
};
extern const struct spec_link spec_dev_links[]; /* ended by one without a name */

/* A host path of the request has this target. */
bool spec_has_target(const struct request *r, const char *target);

#endif
