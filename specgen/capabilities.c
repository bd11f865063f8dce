/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "specgen/spec_internal.h"

#include <assert.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* By number, as in linux/capability.h. */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};
static_assert(ARRAY_SIZE(names) == SPEC_CAP_MAX + 1, "a name for each capability");

static const char *const sets[] = {"bounding", "effective", "inheritable", "permitted", "ambient"};

/* The capabilities of profile tvix, for each of the sets. */
static const char *const tvix_root[] = {"CAP_AUDIT_WRITE", "CAP_KILL", NULL};
static const char *const tvix_rootless[] = {
	"CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
	"CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",    "CAP_SETFCAP",
	"CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT", NULL};

static void print_full(const struct spec_job *j)
{
	for (size_t i = 0; i <= j->h->last_cap && i < ARRAY_SIZE(names); i++)
		jw_string(j->w, NULL, names[i]);
}

void spec_capabilities(const struct spec_job *j)
{
	const char *const *tvix = j->h->rootless ? tvix_rootless : tvix_root;

	jw_object(j->w, "capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		jw_inline_array(j->w, sets[i]);
		if (j->profile == SPEC_TVIX)
			for (size_t k = 0; tvix[k]; k++)
				jw_string(j->w, NULL, tvix[k]);
		/*
		 * Nix drops nothing from the bounding set. Root of a range of ids has all
		 * capabilities.
		 */
		else if (str_eq(sets[i], "bounding") ||
			 (j->r->constraints.uid_range &&
			  (str_eq(sets[i], "effective") || str_eq(sets[i], "permitted"))))
			print_full(j);
		jw_end(j->w);
	}
	jw_end(j->w);
}
