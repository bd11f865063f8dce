/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "specgen/spec.h"

#include <stdio.h>
#include <string.h>

#include "nar/base/scope.h"
#include "specgen/spec_internal.h"

#include "nar/base/banned.h"

#define OCI_VERSION "1.0.2"
#define BUILD_UMASK 022

static const char *const profile_names[] = {[SPEC_NIX] = "nix", [SPEC_TVIX] = "tvix"};

bool spec_profile_parse(const char *name, enum spec_profile *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(profile_names); i++) {
		if (str_eq(name, profile_names[i])) {
			*ret = (enum spec_profile)i;
			return true;
		}
	}
	return false;
}

void spec_host_init(struct spec_host *h)
{
	*h = (struct spec_host){
		.userns = true,
		.uid_map = {{0, 0, 1}, {1000, SPEC_BUILD_ID, 1}},
		.gid_map = {{0, 0, 1}, {100, SPEC_BUILD_ID, 1}},
		.n_uid_map = 2,
		.n_gid_map = 2,
		.uid = 1000,
		.gid = 100,
		.filter_syscalls = true,
		.hide_openat2 = true,
		.hide_io_uring = true,
		.no_new_privileges = true,
		.last_cap = SPEC_CAP_PORTABLE,
	};
}

/* Refuse environment and arguments that are not UTF-8: a derivation may contain any bytes. */
static int check_text(const struct request *r, struct err *e)
{
	for (size_t i = 0; i < r->n_env; i++)
		if (!text_is_utf8(r->env[i].key, strlen(r->env[i].key)) ||
		    !text_is_utf8(r->env[i].value, r->env[i].value_len))
			return err_set(e, ERR_INPUT,
				       "the environment variable '%.100s' is not UTF-8, and an OCI "
				       "configuration cannot hold it",
				       r->env[i].key);
	for (size_t i = 0; i < r->args.n; i++)
		if (!text_is_utf8(r->args.items[i], strlen(r->args.items[i])))
			return err_set(e, ERR_INPUT,
				       "argument %zu of the builder is not UTF-8, and an OCI "
				       "configuration cannot hold it",
				       i);
	return 0;
}

static int print_env(const struct spec_job *j)
{
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);

	jw_array(j->w, "env");
	for (size_t i = 0; i < j->r->n_env && !j->w->failed; i++) {
		const struct req_env *v = &j->r->env[i];
		buf_reset(&b);
		if (buf_adds(&b, v->key, j->e) < 0 || buf_addc(&b, '=', j->e) < 0 ||
		    buf_add(&b, v->value, v->value_len, j->e) < 0)
			return -1;
		jw_string(j->w, NULL, b.data);
	}
	jw_end(j->w);
	return 0;
}

static void print_rlimit(struct jw *w, const char *type, uint64_t soft, uint64_t hard)
{
	jw_inline_object(w, NULL);
	jw_string(w, "type", type);
	jw_u64(w, "soft", soft);
	jw_u64(w, "hard", hard);
	jw_end(w);
}

static void print_rlimits(const struct spec_job *j)
{
	bool core = false;

	jw_array(j->w, "rlimits");
	if (j->profile == SPEC_TVIX) {
		print_rlimit(j->w, "RLIMIT_NOFILE", 1024, 1024);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(j->h->rlimits) && j->h->rlimits[i].type; i++) {
			print_rlimit(j->w, j->h->rlimits[i].type, j->h->rlimits[i].soft,
				     j->h->rlimits[i].hard);
			core = core || str_eq(j->h->rlimits[i].type, "RLIMIT_CORE");
		}
		/* Nix sets RLIMIT_CORE: a crash leaves no core file in the build directory. */
		if (!core)
			print_rlimit(j->w, "RLIMIT_CORE", 0, UINT64_MAX);
	}
	jw_end(j->w);
}

static int print_process(const struct spec_job *j)
{
	struct jw *w = j->w;
	scoped_free char *cwd = str_fmt(j->e, "/%s", j->r->working_dir);

	if (!cwd)
		return -1;
	jw_object(w, "process");
	/* The runtime would make a terminal the controlling one, and standard input as well. */
	jw_bool(w, "terminal", false);
	jw_inline_object(w, "user");
	jw_u64(w, "uid", j->h->uid);
	jw_u64(w, "gid", j->h->gid);
	if (j->profile == SPEC_NIX)
		jw_u64(w, "umask", BUILD_UMASK);
	jw_end(w);
	jw_array(w, "args");
	for (size_t i = 0; i < j->r->args.n; i++)
		jw_string(w, NULL, j->r->args.items[i]);
	jw_end(w);
	if (print_env(j) < 0)
		return -1;
	jw_string(w, "cwd", cwd);
	spec_capabilities(j);
	print_rlimits(j);
	jw_bool(w, "noNewPrivileges", j->profile == SPEC_TVIX || j->h->no_new_privileges);
	jw_end(w);
	return 0;
}

static void print_namespaces(const struct spec_job *j)
{
	static const char *const always[] = {"pid", "ipc", "uts", "mount", "cgroup"};
	struct jw *w = j->w;

	jw_array(w, "namespaces");
	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		jw_inline_object(w, NULL);
		jw_string(w, "type", always[i]);
		jw_end(w);
	}
	if (!j->r->constraints.network) {
		jw_inline_object(w, NULL);
		jw_string(w, "type", "network");
		if (j->h->netns)
			jw_string(w, "path", j->h->netns);
		jw_end(w);
	}
	if (j->h->userns || j->h->rootless) {
		jw_inline_object(w, NULL);
		jw_string(w, "type", "user");
		jw_end(w);
	}
	jw_end(w);
}

static void print_id_map(struct jw *w, const char *key, const struct spec_idmap *map, size_t n)
{
	jw_array(w, key);
	for (size_t i = 0; i < n; i++) {
		jw_inline_object(w, NULL);
		jw_u64(w, "containerID", map[i].inside);
		jw_u64(w, "hostID", map[i].outside);
		jw_u64(w, "size", map[i].count);
		jw_end(w);
	}
	jw_end(w);
}

static void print_resources(const struct spec_job *j)
{
	struct jw *w = j->w;
	bool devices = j->profile == SPEC_TVIX;

	if (!devices && !j->h->memory_max_bytes && !j->h->pids_max)
		return;
	jw_object(w, "resources");
	if (devices) {
		/* Deny all devices; every runtime allows a few nodes by itself. */
		jw_inline_array(w, "devices");
		jw_object(w, NULL);
		jw_bool(w, "allow", false);
		jw_string(w, "access", "rwm");
		jw_end(w);
		jw_end(w);
	}
	if (j->h->memory_max_bytes) {
		jw_inline_object(w, "memory");
		jw_u64(w, "limit", j->h->memory_max_bytes);
		jw_end(w);
	}
	if (j->h->pids_max) {
		jw_inline_object(w, "pids");
		jw_u64(w, "limit", j->h->pids_max);
		jw_end(w);
	}
	jw_end(w);
}

/* Nix masks nothing of /proc; the empty lists say so to runtimes that have defaults. */
static void print_masks(const struct spec_job *j)
{
	struct jw *w = j->w;

	if (j->profile == SPEC_TVIX) {
		jw_strings(w, "maskedPaths", "/proc/kcore", "/proc/latency_stats",
			   "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
			   "/sys/firmware", NULL);
		jw_strings(w, "readonlyPaths", "/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq",
			   "/proc/sys", "/proc/sysrq-trigger", NULL);
	} else {
		jw_strings(w, "maskedPaths", NULL);
		jw_strings(w, "readonlyPaths", NULL);
	}
}

static void print_linux(const struct spec_job *j)
{
	struct jw *w = j->w;

	jw_object(w, "linux");
	print_namespaces(j);
	if (j->h->userns || j->h->rootless) {
		print_id_map(w, "uidMappings", j->h->uid_map, j->h->n_uid_map);
		print_id_map(w, "gidMappings", j->h->gid_map, j->h->n_gid_map);
	}
	if (j->h->cgroups_path)
		jw_string(w, "cgroupsPath", j->h->cgroups_path);
	print_resources(j);
	spec_seccomp(j);
	print_masks(j);
	jw_end(w);
}

int spec_print(const struct request *r, enum spec_profile p, const struct spec_host *h,
	       struct buf *b, struct err *e)
{
	struct jw w = JW_INIT(b, e);
	struct spec_job j = {&w, r, h, p, e};

	if (req_check(r, e) < 0 || check_text(r, e) < 0)
		return -1;
	jw_object(&w, NULL);
	jw_string(&w, "ociVersion", OCI_VERSION);
	/* Return as soon as the writer has failed: *E is set, and must not be set again. */
	if (print_process(&j) < 0 || w.failed)
		return -1;
	jw_inline_object(&w, "root");
	jw_string(&w, "path", "root");
	jw_bool(&w, "readonly", p == SPEC_TVIX);
	jw_end(&w);
	jw_string(&w, "hostname", "localhost");
	/*
	 * A later version of the specification has domainname. A runtime that does not know it
	 * leaves the machine's.
	 */
	if (p == SPEC_NIX)
		jw_string(&w, "domainname", "(none)");
	if (spec_mounts(&j) < 0)
		return -1;
	print_linux(&j);
	jw_end(&w);
	return jw_done(&w);
}
