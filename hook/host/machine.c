/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* The builder's ids inside the container, as in Nix's sandbox (sandboxUid, sandboxGid). */
#define SANDBOX_UID 1000
#define SANDBOX_GID 100

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/*
 * Find a shell for /bin/sh: the configured one, else one of the usual. It must be static, because
 * the container contains no library of the machine. The usual paths are those of the packages
 * busybox-static and bash-static in Debian, of Alpine and of NixOS.
 */
static int find_shell(const struct conf *c, char **ret, struct err *e)
{
	static const char *const usual[] = {
		"/usr/lib/nix-oci-hook/sh", "/bin/busybox.static", "/bin/busybox",
		"/usr/bin/busybox",         "/bin/bash-static",    "/usr/bin/bash-static",
	};

	if (conf_has_shell(c)) {
		*ret = str_dup(c->sandbox_shell, e);
		return *ret ? 0 : -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		if (!exists(usual[i]))
			continue;
		*ret = str_dup(usual[i], e);
		return *ret ? 0 : -1;
	}
	*ret = NULL;
	return 0;
}

const char *machine_ca_file(const struct settings *s)
{
	/* As in Nix's filetransfer.cc, a file that somebody named counts even if it is missing. */
	const char *named[] = {
		settings_get(s, "ssl-cert-file"),
		getenv("NIX_SSL_CERT_FILE"),
		getenv("SSL_CERT_FILE"),
	};
	static const char *const usual[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt",
	};

	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		if (named[i] && named[i][0])
			return named[i];
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (exists(usual[i]))
			return usual[i];
	return NULL;
}

int machine_ca_bundle(const struct settings *s, char **ret, struct err *e)
{
	const char *file = machine_ca_file(s);

	/* Links are followed here, because their targets are not in the container. */
	*ret = file ? realpath(file, NULL) : NULL;
	if (file && !*ret && errno == ENOMEM)
		return err_memory(e);
	return 0;
}

/*
 * Write down every limit, because a runtime may else set its own. They are the limits of this
 * process, which it inherited from Nix, except that core files are off (soft limit 0), as in Nix.
 */
static int describe_rlimits(struct spec_host *h, struct err *e)
{
	static const struct {
		const char *name;
		__rlimit_resource_t id;
	} limits[] = {
		{"RLIMIT_AS", RLIMIT_AS},         {"RLIMIT_CORE", RLIMIT_CORE},
		{"RLIMIT_CPU", RLIMIT_CPU},       {"RLIMIT_DATA", RLIMIT_DATA},
		{"RLIMIT_FSIZE", RLIMIT_FSIZE},   {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
		{"RLIMIT_NOFILE", RLIMIT_NOFILE}, {"RLIMIT_NPROC", RLIMIT_NPROC},
		{"RLIMIT_STACK", RLIMIT_STACK},
	};

	_Static_assert(ARRAY_SIZE(limits) < ARRAY_SIZE(h->rlimits), "room for the end marker");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit rl;

		if (getrlimit(limits[i].id, &rl) < 0)
			return err_sys(e, "getting the limit %s", limits[i].name);
		if (limits[i].id == RLIMIT_CORE)
			rl.rlim_cur = 0;
		h->rlimits[i].type = limits[i].name;
		h->rlimits[i].soft = rl.rlim_cur;
		h->rlimits[i].hard = rl.rlim_max;
	}
	h->rlimits[ARRAY_SIZE(limits)].type = NULL;
	return 0;
}

/*
 * Set the builder's ids: those of USER outside; inside Nix's 1000:100, or root where USER has a
 * range of ids that the build asks for.
 */
static void describe_ids(struct spec_host *h, const struct conf *c, const struct request *r,
			 const struct build_user *user)
{
	uid_t uid = user ? user->uid : geteuid();
	gid_t gid = user ? user->gid : getegid();
	bool range = r->constraints.uid_range && user && user->count > 1;
	uint32_t count = range ? user->count : 1;

	h->rootless = uid == geteuid(); /* also root of a user namespace without other ids */
	h->userns = c->userns;
	if (!h->userns) {
		h->uid = uid;
		h->gid = gid;
		return;
	}
	h->uid = range ? 0 : SANDBOX_UID;
	h->gid = range ? 0 : SANDBOX_GID;
	h->n_uid_map = h->n_gid_map = 1;
	h->uid_map[0] = (struct spec_idmap){h->uid, uid, count};
	h->gid_map[0] = (struct spec_idmap){h->gid, gid, count};
}

int machine_describe(const struct conf *c, const struct settings *s, const struct request *r,
		     const struct build_user *user, struct machine *ret, struct err *e)
{
	scoped_machine struct machine m = {0};
	struct utsname uts;
	bool new_privileges;

	spec_host_init(&m.host);
	describe_ids(&m.host, c, r, user);
	if (describe_rlimits(&m.host, e) < 0 || find_shell(c, &m.shell, e) < 0 ||
	    machine_ca_bundle(s, &m.ca_bundle, e) < 0)
		return -1;
	if (settings_bool(s, "filter-syscalls", true, &m.host.filter_syscalls, e) < 0 ||
	    settings_bool(s, "allow-new-privileges", false, &new_privileges, e) < 0)
		return -1;
	m.host.no_new_privileges = !new_privileges;
	m.host.hide_io_uring = !c->io_uring;
	if (uname(&uts) < 0)
		return err_sys(e, "asking for the machine's architecture");
	m.arch = str_dup(uts.machine, e);
	if (!m.arch)
		return -1;
	m.host.sandbox_shell = m.shell;
	m.host.ca_bundle = m.ca_bundle;
	m.host.arch = m.arch;
	m.host.tmp_max_bytes = c->tmp_max;
	m.host.memory_max_bytes = c->memory_max;
	m.host.pids_max = c->pids_max;
	m.host.has_resolv_conf = exists("/etc/resolv.conf");
	m.host.has_services = exists("/etc/services");
	m.host.has_hosts = exists("/etc/hosts");
	*ret = m;
	m = (struct machine){0};
	return 0;
}

void machine_done(struct machine *m)
{
	free(m->shell);
	free(m->ca_bundle);
	free(m->arch);
	*m = (struct machine){0};
}
