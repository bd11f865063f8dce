/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/spec.h: BuildRequest -> OCI runtime configuration (config.json).
 *
 * No I/O: the caller describes the machine in a struct spec_host. The same input gives the same
 * bytes. The result is an OCI runtime-spec 1.0.2 configuration that crun, runc and runsc take
 * unchanged. It is made for a bundle of the layout in hook/bundle/bundle.h, whose parts it names by
 * paths relative to the bundle. Sources: the OCI runtime specification; for the profiles, tvix's
 * and Nix's builders (docs/profiles.md).
 *
 * JSON holds only Unicode: a request with other bytes in its command, environment or paths is
 * refused (ERR_INPUT). argv0 of a request is ignored, because a runtime derives argv[0] from
 * args[0]. The launcher, which the hook puts before each builder, passes on both
 * (hook/request/launcher.h).
 */
#ifndef SPECGEN_SPEC_H
#define SPECGEN_SPEC_H

#include <stdint.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"
#include "specgen/request.h"

enum spec_profile {
	SPEC_NIX,  /* what Nix's local builder gives a build; the default */
	SPEC_TVIX, /* what tvix's and snix's OCI build service gives a build */
};
/* Find the profile NAME. Returns false if there is no such profile. */
bool spec_profile_parse(const char *name, enum spec_profile *ret);

/* A range of COUNT ids: INSIDE is its first id in the user namespace, OUTSIDE on the machine. */
struct spec_idmap {
	uint32_t inside, outside, count;
};

enum spec_mount_flags {
	SPEC_MOUNT_RO = 1 << 0,
	SPEC_MOUNT_NODEV = 1 << 1,
	SPEC_MOUNT_NOEXEC = 1 << 2,
};

/* The caller's description of the machine, and what the caller decided for this run. */
struct spec_host {
	bool rootless; /* the runtime is started without root */
	bool userns;   /* use a user namespace with the maps below; false: the machine's ids */
	struct spec_idmap uid_map[2], gid_map[2];
	size_t n_uid_map, n_gid_map;
	uint32_t uid, gid; /* of the builder, as seen inside: 1000:100, or 0:0 for uid ranges */
	const char *sandbox_shell; /* absolute path of a static shell, or NULL */
	/*
	 * By index in the request: true for an input or host path that must not be mounted. Either
	 * the root of the bundle contains it already (a symbolic link is made again, not followed),
	 * or it is optional and missing. NULL: mount all.
	 */
	const bool *placed_inputs, *placed_host_paths;
	bool own_tmp; /* /tmp is the bundle's scratch/tmp, not a directory of its root */
	/*
	 * For spec_print(): root/dev/null of the bundle is a null device, so do not bind the
	 * machine's. For bundle_create(): where the bundle's file system allows no devices, the
	 * caller will mount one there.
	 */
	bool own_null;
	bool has_kvm; /* the machine has /dev/kvm */
	/* The memory that a size in percent refers to; 0: unknown, the kernel computes it. */
	uint64_t ram_bytes;
	/* For a build without network: the network namespace to join; NULL: a new one. */
	const char *netns;
	bool has_resolv_conf, has_services, has_hosts; /* /etc/resolv.conf, ... exist */
	/* With network: bound to /etc/ssl/certs/ca-certificates.crt; NULL: nothing is. */
	const char *ca_bundle;
	/* RLIMIT_* to print: a runtime may change those that are not printed. {0} ends the list. */
	struct spec_rlimit {
		const char *type; /* "RLIMIT_NOFILE" */
		uint64_t soft, hard;
	} rlimits[16];
	/*
	 * Return the flags (enum spec_mount_flags) of the mount that contains SOURCE, the source of
	 * a bind mount. A relative SOURCE is a part of the bundle. The caller provides this
	 * function because it does I/O; NULL: no mount has flags.
	 */
	unsigned (*mount_flags)(const void *ctx, const char *source);
	const void *mount_flags_ctx;
	bool filter_syscalls; /* Nix's setting of that name */
	/*
	 * With filter_syscalls: answer openat2(2) and io_uring_setup(2) with ENOSYS, because a
	 * filter cannot read their arguments. gVisor has no openat2(2) to hide.
	 */
	bool hide_openat2, hide_io_uring;
	bool no_new_privileges;
	/*
	 * The highest capability that both kernel and runtime know. crun and runc know all up to 40
	 * (checkpoint_restore); runsc of 2022 refuses a configuration with one above 37
	 * (audit_read).
	 */
	unsigned last_cap;
	const char *arch; /* the machine's: "x86_64", "aarch64", ...; decides the seccomp ABIs */
	uint64_t tmp_max_bytes; /* of each of /tmp and /dev/shm, which are in memory; 0: no limit */
	uint64_t memory_max_bytes, pids_max; /* 0: no limit */
	const char *cgroups_path;            /* linux.cgroupsPath, or NULL */
};
#define SPEC_CAP_PORTABLE 37
#define SPEC_CAP_MAX 40

/*
 * Fill H for a root caller that knows nothing of the machine. In the user namespace 1000:100 is
 * SPEC_BUILD_ID outside, and root is the machine's root, because runc and runsc want root mapped.
 */
void spec_host_init(struct spec_host *h);
/* Nix's default for start-id: the first id that it gives to builds without build-users-group. */
#define SPEC_BUILD_ID 872415232u

/* Append the configuration as JSON with a final newline. */
int spec_print(const struct request *r, enum spec_profile p, const struct spec_host *h,
	       struct buf *b, struct err *e) MUST_CHECK;

/*
 * Name the directory for SCRATCH_PATH below the bundle's scratch/: "build" -> "build",
 * "nix/store" -> "nix-store". Different paths have different names.
 * Returns the name, on the heap; NULL: *E, of kind ERR_LIMIT if it is too long for a file name.
 */
char *spec_scratch_name(const char *scratch_path, struct err *e) MUST_CHECK;

/*
 * The nodes and links in /dev of the profile nix. The bundle contains a file to bind each node to,
 * and the links themselves.
 */
extern const char *const spec_dev_nodes[]; /* "full", ..., NULL */
struct spec_link {
	const char *name, *target;
};
extern const struct spec_link spec_dev_links[]; /* the last has no name */

/* Tell whether the request has a host path with this TARGET. */
bool spec_has_target(const struct request *r, const char *target);

#endif
