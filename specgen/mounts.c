/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of mounts. The profile nix mounts as Nix does: binds in byte order of their targets, so
 * parents before children, then the kernel's file systems. It binds the bundle's /dev over itself,
 * because a runtime that finds a bind at /dev adds nothing there (crun's mount_dev_from_host,
 * runc's needsSetupDev). So /dev contains what Nix's contains, without nodes and links of the
 * runtime.
 */
#include "specgen/spec_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* A bind mount: SOURCE, a path of the machine or relative to the bundle, at TARGET. */
struct bind {
	char *target, *source;
	const char *const *options; /* ended by NULL */
	size_t rank;                /* binds with equal targets are mounted in this order */
};

struct binds {
	struct bind *items;
	size_t n, cap;
};

/*
 * A set-id program of the machine must not raise privileges inside. no_new_privs prevents it, but a
 * setting of Nix allows new privileges. A user namespace does not prevent it, because most runtimes
 * want the machine's root mapped. So each mount that can contain a program is nosuid; the other
 * mounts are devices.
 */
static const char *const opt_device[] = {"rbind", NULL};
static const char *const opt_plain[] = {"rbind", "nosuid", NULL};
static const char *const opt_rw[] = {"rbind", "rw", "nosuid", NULL};
static const char *const opt_ro[] = {"rbind", "ro", "nosuid", NULL};
static const char *const opt_input[] = {"rbind", "ro", "nosuid", "nodev", NULL};

static void binds_done(struct binds *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->items[i].target);
		free(b->items[i].source);
	}
	free(b->items);
}
#define scoped_binds __attribute__((cleanup(binds_done)))

/* Add a bind. Frees both strings on failure; one may be NULL if *E is set already. */
static int add(struct binds *b, char *target, char *source, const char *const *options,
	       struct err *e)
{
	if (!target || !source || mem_grow(&b->items, &b->cap, b->n + 1, sizeof *b->items, e) < 0) {
		free(target);
		free(source);
		return -1;
	}
	b->items[b->n] = (struct bind){target, source, options, b->n};
	b->n++;
	return 0;
}

static int add_copy(struct binds *b, const char *target, const char *source,
		    const char *const *options, struct err *e)
{
	char *t = str_dup(target, e);

	return add(b, t, t ? str_dup(source, e) : NULL, options, e);
}

static int compare(const void *a, const void *b)
{
	const struct bind *x = a, *y = b;
	int c = strcmp(x->target, y->target);

	return c ? c : x->rank < y->rank ? -1 : x->rank > y->rank;
}

/*
 * A runtime gives a bind mount exactly the flags in its options. In a user namespace it may not
 * remove a flag that the source has, and runc 1.1 fails. So print the source's flags as well.
 * Inputs are read-only and nodev anyway, and there may be thousands of them to ask for.
 */
static void print_source_flags(const struct spec_job *j, const struct bind *b)
{
	unsigned flags;

	if (!j->h->mount_flags || b->options == opt_device || b->options == opt_input)
		return;
	flags = j->h->mount_flags(j->h->mount_flags_ctx, b->source);
	if (flags & SPEC_MOUNT_RO && b->options != opt_ro)
		jw_string(j->w, NULL, "ro");
	if (flags & SPEC_MOUNT_NODEV)
		jw_string(j->w, NULL, "nodev");
	if (flags & SPEC_MOUNT_NOEXEC)
		jw_string(j->w, NULL, "noexec");
}

static void print_bind(const struct spec_job *j, const struct bind *b)
{
	struct jw *w = j->w;

	jw_inline_object(w, NULL);
	jw_string(w, "destination", b->target);
	jw_string(w, "type", "bind");
	jw_string(w, "source", b->source);
	jw_array(w, "options");
	for (size_t i = 0; b->options[i]; i++)
		jw_string(w, NULL, b->options[i]);
	print_source_flags(j, b);
	jw_end(w);
	jw_end(w);
}

static void print_binds(const struct spec_job *j, const struct binds *b)
{
	for (size_t i = 0; i < b->n; i++)
		print_bind(j, &b->items[i]);
}

/* Print the mount of a kernel file system, except for its options and the closing brace. */
static void print_fs(struct jw *w, const char *target, const char *type, const char *source)
{
	jw_inline_object(w, NULL);
	jw_string(w, "destination", target);
	jw_string(w, "type", type);
	jw_string(w, "source", source);
}

static int add_scratch(struct binds *b, const struct spec_job *j)
{
	for (size_t i = 0; i < j->r->scratch_paths.n; i++) {
		const char *path = j->r->scratch_paths.items[i];
		scoped_free char *name = spec_scratch_name(path, j->e);
		char *target = name ? str_fmt(j->e, "/%s", path) : NULL;
		char *source = target ? str_fmt(j->e, "scratch/%s", name) : NULL;
		if (add(b, target, source, opt_rw, j->e) < 0)
			return -1;
	}
	return 0;
}

/* For the profile nix: /tmp of the profile tvix is a tmpfs. */
static int add_tmp(struct binds *b, const struct spec_job *j)
{
	return j->h->own_tmp && !j->h->tmp_max_bytes
		       ? add_copy(b, "/tmp", "scratch/tmp", opt_rw, j->e)
		       : 0;
}

static int add_inputs(struct binds *b, const struct spec_job *j)
{
	for (size_t i = 0; i < j->r->n_inputs; i++) {
		const struct req_input *in = &j->r->inputs[i];
		char *target, *source = NULL;
		if (j->h->placed_inputs && j->h->placed_inputs[i])
			continue;
		target = str_fmt(j->e, "/%s/%s", j->r->inputs_dir, in->path);
		if (target)
			source = in->source ? str_dup(in->source, j->e)
					    : str_fmt(j->e, "inputs/%s", in->path);
		if (add(b, target, source, opt_input, j->e) < 0)
			return -1;
	}
	return 0;
}

static const char *const *host_path_options(const struct spec_job *j, const struct req_host_path *p)
{
	return p->readonly || j->profile == SPEC_TVIX ? opt_ro : opt_plain;
}

static int add_host_paths(struct binds *b, const struct spec_job *j)
{
	for (size_t i = 0; i < j->r->constraints.n_host_paths; i++) {
		const struct req_host_path *p = &j->r->constraints.host_paths[i];
		/* /proc of the machine would show its processes; Nix also skips it. */
		if (str_eq(p->source, "/proc") ||
		    (j->h->placed_host_paths && j->h->placed_host_paths[i]))
			continue;
		if (add_copy(b, p->target, p->source, host_path_options(j, p), j->e) < 0)
			return -1;
	}
	return 0;
}

/* Add SOURCE at TARGET unless the request has a host path there. */
static int add_unless_there(struct binds *b, const struct spec_job *j, const char *target,
			    const char *source, const char *const *options)
{
	if (spec_has_target(j->r, target))
		return 0;
	return add_copy(b, target, source, options, j->e);
}

static int add_shell(struct binds *b, const struct spec_job *j)
{
	if (!j->r->constraints.provide_bin_sh || !j->h->sandbox_shell)
		return 0;
	return add_unless_there(b, j, "/bin/sh", j->h->sandbox_shell, opt_ro);
}

static int add_network_files(struct binds *b, const struct spec_job *j)
{
	const struct {
		bool there;
		const char *target, *source;
	} files[] = {
		{j->h->has_resolv_conf, "/etc/resolv.conf", "/etc/resolv.conf"},
		{j->h->has_services, "/etc/services", "/etc/services"},
		{j->h->has_hosts, "/etc/hosts", "/etc/hosts"},
		{j->h->ca_bundle && j->profile == SPEC_NIX, "/etc/ssl/certs/ca-certificates.crt",
		 j->h->ca_bundle},
	};

	for (size_t i = 0; j->r->constraints.network && i < ARRAY_SIZE(files); i++)
		if (files[i].there &&
		    add_unless_there(b, j, files[i].target, files[i].source, opt_ro) < 0)
			return -1;
	return 0;
}

static int add_dev(struct binds *b, const struct spec_job *j)
{
	char target[32];

	if (spec_has_target(j->r, "/dev"))
		return 0;
	if (add_copy(b, "/dev", "root/dev", opt_device, j->e) < 0)
		return -1;
	for (size_t i = 0; spec_dev_nodes[i]; i++) {
		if (j->h->own_null && str_eq(spec_dev_nodes[i], "null"))
			continue;
		snprintf(target, sizeof target, "/dev/%s", spec_dev_nodes[i]);
		if (add_unless_there(b, j, target, target, opt_device) < 0)
			return -1;
	}
	if (j->r->constraints.kvm && j->h->has_kvm)
		return add_unless_there(b, j, "/dev/kvm", "/dev/kvm", opt_device);
	return 0;
}

/* What the tmpfs option size=SIZE is in bytes, as memparse() in the kernel has it. */
static bool tmpfs_bytes(const char *size, uint64_t ram_bytes, uint64_t *ret)
{
	static const char units[] = "kmgt";
	const size_t digits = strspn(size, "0123456789");
	const char *unit = size[digits] ? strchr(units, size[digits] | 0x20) : NULL;
	const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t n;

	if (size[digits] == '%') {
		if (!num_parse_u64(size, digits, 100, &n) || !ram_bytes)
			return false;
		*ret = ram_bytes / 100 * n + ram_bytes % 100 * n / 100;
		return true;
	}
	if (!num_parse_u64(size, digits, UINT64_MAX >> shift, &n) || (size[digits] && !unit))
		return false;
	*ret = n << shift;
	return true;
}

/*
 * Print the size option of tmpfs. Nix passes a percentage on. runsc takes none, so compute the
 * bytes as the kernel does (shmem_parse_one() in mm/shmem.c). If the machine's memory is unknown,
 * leave out 50%, which is the default. A limit
 * of the configuration (tmp-max) makes it smaller.
 */
static void print_shm_size(const struct spec_job *j)
{
	const char *size = j->r->constraints.shm_size ? j->r->constraints.shm_size : "50%";
	const uint64_t max = j->h->tmp_max_bytes;
	char option[64];
	uint64_t bytes;
	const bool known = tmpfs_bytes(size, j->h->ram_bytes, &bytes);

	if (max && (!known || bytes == 0 || bytes > max))
		snprintf(option, sizeof option, "size=%llu", (unsigned long long)max);
	else if (known && size[strlen(size) - 1] == '%')
		snprintf(option, sizeof option, "size=%llu", (unsigned long long)bytes);
	else if (str_eq(size, "50%"))
		return;
	else
		snprintf(option, sizeof option, "size=%s", size);
	jw_string(j->w, NULL, option);
}

/* Tell whether the request puts something else at /tmp. */
static bool has_tmp(const struct spec_job *j)
{
	for (size_t i = 0; i < j->r->scratch_paths.n; i++)
		if (str_eq(j->r->scratch_paths.items[i], "tmp"))
			return true;
	return spec_has_target(j->r, "/tmp");
}

/* /tmp in memory, if it is bounded. It comes before what may be mounted in it. */
static void print_bounded_tmp(const struct spec_job *j)
{
	char option[64];

	if (!j->h->tmp_max_bytes || has_tmp(j))
		return;
	snprintf(option, sizeof option, "size=%llu", (unsigned long long)j->h->tmp_max_bytes);
	print_fs(j->w, "/tmp", "tmpfs", "tmpfs");
	jw_strings(j->w, "options", "nosuid", "nodev", "mode=1777", option, NULL);
	jw_end(j->w);
}

static void print_kernel_mounts(const struct spec_job *j)
{
	struct jw *w = j->w;

	print_fs(w, "/proc", "proc", "none");
	jw_end(w);
	if (j->r->constraints.uid_range) {
		print_fs(w, "/sys", "sysfs", "none");
		jw_end(w);
	}
	print_fs(w, "/dev/shm", "tmpfs", "none");
	jw_array(w, "options");
	jw_string(w, NULL, "mode=1777");
	print_shm_size(j);
	jw_end(w);
	jw_end(w);
	if (spec_has_target(j->r, "/dev/pts"))
		return;
	/* Nix makes ptmx usable by chmod(2); a runtime can do so only by the option ptmxmode. */
	print_fs(w, "/dev/pts", "devpts", "none");
	jw_strings(w, "options", "newinstance", "mode=0620", "ptmxmode=0666", NULL);
	jw_end(w);
}

static int print_nix(const struct spec_job *j)
{
	scoped_binds struct binds b = {0};

	if (add_scratch(&b, j) < 0 || add_tmp(&b, j) < 0 || add_inputs(&b, j) < 0 ||
	    add_host_paths(&b, j) < 0 || add_shell(&b, j) < 0 || add_dev(&b, j) < 0 ||
	    add_network_files(&b, j) < 0)
		return -1;
	qsort(b.items, b.n, sizeof *b.items, compare);
	print_bounded_tmp(j);
	print_binds(j, &b);
	print_kernel_mounts(j);
	return 0;
}

/* The defaults that tvix takes from its library (oci-spec-rs), which took them from runc. */
static void print_tvix_defaults(const struct spec_job *j)
{
	struct jw *w = j->w;
	/* A user namespace that does not own the network namespace cannot mount sysfs: bind it. */
	bool bind_sys = j->h->rootless || (j->h->userns && j->r->constraints.network);
	/* With these ids group 5 (tty) is not mapped. */
	bool own_ids = j->h->rootless || j->h->userns;
	const uint64_t shm_max = j->h->tmp_max_bytes >> 10;
	char size[64];

	print_fs(w, "/proc", "proc", "proc");
	jw_end(w);
	print_fs(w, "/dev", "tmpfs", "tmpfs");
	jw_strings(w, "options", "nosuid", "strictatime", "mode=755", "size=65536k", NULL);
	jw_end(w);
	print_fs(w, "/dev/pts", "devpts", "devpts");
	jw_strings(w, "options", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
		   own_ids ? NULL : "gid=5", NULL);
	jw_end(w);
	print_fs(w, "/dev/shm", "tmpfs", "shm");
	snprintf(size, sizeof size, "size=%lluk",
		 (unsigned long long)(shm_max && shm_max < 65536 ? shm_max : 65536));
	jw_strings(w, "options", "nosuid", "noexec", "nodev", "mode=1777", size, NULL);
	jw_end(w);
	print_fs(w, "/dev/mqueue", "mqueue", "mqueue");
	jw_strings(w, "options", "nosuid", "noexec", "nodev", NULL);
	jw_end(w);
	print_fs(w, "/sys", bind_sys ? "none" : "sysfs", bind_sys ? "/sys" : "sysfs");
	jw_strings(w, "options", "nosuid", "noexec", "nodev", "ro", bind_sys ? "rbind" : NULL,
		   NULL);
	jw_end(w);
	print_fs(w, "/sys/fs/cgroup", "cgroup", "cgroup");
	jw_strings(w, "options", "nosuid", "noexec", "nodev", "relatime", "ro", NULL);
	jw_end(w);
	print_fs(w, "/tmp", "tmpfs", "tmpfs");
	snprintf(size, sizeof size, "size=%llu", (unsigned long long)j->h->tmp_max_bytes);
	jw_strings(w, "options", "nosuid", "noatime", "mode=700", j->h->tmp_max_bytes ? size : NULL,
		   NULL);
	jw_end(w);
}

static int print_tvix(const struct spec_job *j)
{
	scoped_binds struct binds b = {0};

	if (add_scratch(&b, j) < 0 || add_inputs(&b, j) < 0 || add_host_paths(&b, j) < 0 ||
	    add_shell(&b, j) < 0 || add_network_files(&b, j) < 0)
		return -1;
	print_tvix_defaults(j);
	print_binds(j, &b);
	return 0;
}

int spec_mounts(const struct spec_job *j)
{
	int rc;

	jw_array(j->w, "mounts");
	rc = j->profile == SPEC_TVIX ? print_tvix(j) : print_nix(j);
	jw_end(j->w);
	return rc;
}
