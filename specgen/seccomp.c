/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nix's filter: no set-id bits, as canonicalising outputs would drop them silently, and no extended
 * attributes, as a NAR has none. Source: Nix's setupSeccomp() in
 * src/libstore/unix/build/linux-derivation-builder.cc. Names that a runtime's libseccomp does not
 * know (fchmodat2 is of Linux 6.6) are passed over by crun, runc and runsc.
 */
#include "specgen/spec_internal.h"

#include <errno.h>
#include <sys/stat.h>

#include "nar/scope.h"

#include "nar/banned.h"

/* Which ABIs a machine's processes can call, the native one first. */
static const struct {
	const char *machine;
	const char *abis[4];
} abis[] = {
	{"x86_64", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
	{"aarch64", {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}},
	{"mips64", {"SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64N32"}},
	{"mips64el", {"SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64N32"}},
};

/* System calls whose argument ARG is a mode. */
static const struct {
	unsigned arg;
	const char *names[3];
} chmods[] = {
	{1, {"chmod", "fchmod"}},
	{2, {"fchmodat", "fchmodat2"}},
};

static const char *const xattrs[] = {"getxattr", "lgetxattr", "fgetxattr",
				     "setxattr", "lsetxattr", "fsetxattr"};

static void print_abis(const struct spec_job *j)
{
	for (size_t i = 0; j->h->arch && i < ARRAY_SIZE(abis); i++) {
		if (!str_eq(abis[i].machine, j->h->arch))
			continue;
		jw_inline_array(j->w, "architectures");
		for (size_t k = 0; k < ARRAY_SIZE(abis[i].abis) && abis[i].abis[k]; k++)
			jw_string(j->w, NULL, abis[i].abis[k]);
		jw_end(j->w);
	}
}

static void print_names(struct jw *w, const char *const *names, size_t n)
{
	jw_inline_array(w, "names");
	for (size_t i = 0; i < n && names[i]; i++)
		jw_string(w, NULL, names[i]);
	jw_end(w);
}

static void print_action(struct jw *w, unsigned error)
{
	jw_string(w, "action", "SCMP_ACT_ERRNO");
	jw_u64(w, "errnoRet", error);
}

static void print_chmod_rules(struct jw *w, unsigned bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(chmods); i++) {
		jw_inline_object(w, NULL);
		print_names(w, chmods[i].names, ARRAY_SIZE(chmods[i].names));
		print_action(w, EPERM);
		jw_array(w, "args");
		jw_object(w, NULL);
		jw_u64(w, "index", chmods[i].arg);
		jw_u64(w, "value", bit);
		jw_u64(w, "valueTwo", bit);
		jw_string(w, "op", "SCMP_CMP_MASKED_EQ");
		jw_end(w);
		jw_end(w);
		jw_end(w);
	}
}

void spec_seccomp(const struct spec_job *j)
{
	struct jw *w = j->w;

	if (j->profile != SPEC_NIX || !j->h->filter_syscalls)
		return;
	jw_object(w, "seccomp");
	jw_string(w, "defaultAction", "SCMP_ACT_ALLOW");
	print_abis(j);
	jw_array(w, "syscalls");
	/* One rule a bit: "any of these bits" is no comparison that a filter has. */
	print_chmod_rules(w, S_ISUID);
	print_chmod_rules(w, S_ISGID);
	jw_inline_object(w, NULL);
	print_names(w, xattrs, ARRAY_SIZE(xattrs));
	print_action(w, ENOTSUP);
	jw_end(w);
	jw_end(w);
	jw_end(w);
}
