/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nix's filter of system calls: no set-id bits, because canonicalising outputs would drop them
 * silently, and no extended attributes, because a NAR has none. Source: Nix's setupSeccomp() in
 * src/libstore/unix/build/linux-derivation-builder.cc. crun, runc and runsc skip names that their
 * libseccomp does not know (fchmodat2 came with Linux 6.6, setxattrat with 6.13).
 *
 * Nix's filter has holes, which are closed here:
 *  - open(2) may create a file with set-id bits (mkdir(2) drops them by itself);
 *  - setxattrat(2) does what setxattr(2) does;
 *  - io_uring and openat2(2) have their arguments in memory, where no filter sees them. Both are
 *    new, and every program can do without: a build is told that the kernel lacks them.
 *
 * A build without network has a network namespace of its own, but not all address families belong
 * to one: by AF_VSOCK it would reach the hypervisor and the machines that run beside this one. So
 * only the families that builds use are allowed. A 32-bit program may still open a socket by
 * socketcall(2), because its C library may have no other way: no filter sees those arguments. A
 * build that is root of a range of ids may use all families but AF_VSOCK, because it makes networks
 * for containers.
 */
#include "specgen/spec_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* The ABIs that processes of a machine can call, the native one first. */
static const struct {
	const char *machine;
	const char *abis[4];
} abis[] = {
	{"x86_64", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
	{"aarch64", {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}},
	{"mips64", {"SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64N32"}},
	{"mips64el", {"SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64N32"}},
};

#define NONE ((unsigned)-1)
/* O_CREAT, and the bit of O_TMPFILE that is in no other flag: equal for all ABIs of a machine. */
#define FLAG_CREAT 0100
#define FLAG_CREAT_MIPS 0400
#define FLAG_TMPFILE 020000000

/* System calls whose argument MODE is a mode, if argument FLAGS has the bit FLAG. */
static const struct {
	unsigned mode, flags, flag;
	const char *names[4];
} modes[] = {
	{1, NONE, 0, {"chmod", "fchmod", "creat", "mknod"}},
	{2, NONE, 0, {"fchmodat", "fchmodat2", "mknodat"}},
	{2, 1, FLAG_CREAT, {"open"}},
	{2, 1, FLAG_TMPFILE, {"open"}},
	{3, 2, FLAG_CREAT, {"openat"}},
	{3, 2, FLAG_TMPFILE, {"openat"}},
};

static const char *const xattrs[] = {"getxattr",  "lgetxattr", "fgetxattr",  "setxattr",
				     "lsetxattr", "fsetxattr", "getxattrat", "setxattrat"};
static const char *const openat2[] = {"openat2"};
static const char *const io_uring[] = {"io_uring_setup"};
static const char *const sockets[] = {"socket"};
static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}; /* ascending */

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

static void print_condition(struct jw *w, unsigned index, const char *op, uint64_t value,
			    uint64_t value_two)
{
	jw_object(w, NULL);
	jw_u64(w, "index", index);
	jw_u64(w, "value", value);
	jw_u64(w, "valueTwo", value_two);
	jw_string(w, "op", op);
	jw_end(w);
}

/* The condition that the bits MASK of argument INDEX are VALUE. */
static void print_masked(struct jw *w, unsigned index, uint64_t mask, uint64_t value)
{
	print_condition(w, index, "SCMP_CMP_MASKED_EQ", mask, value);
}

static void print_mode_rules(const struct spec_job *j, unsigned bit)
{
	const bool mips = j->h->arch && str_starts(j->h->arch, "mips");
	struct jw *w = j->w;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		const unsigned flag =
			mips && modes[i].flag == FLAG_CREAT ? FLAG_CREAT_MIPS : modes[i].flag;

		jw_inline_object(w, NULL);
		print_names(w, modes[i].names, ARRAY_SIZE(modes[i].names));
		print_action(w, EPERM);
		jw_array(w, "args");
		if (modes[i].flags != NONE)
			print_masked(w, modes[i].flags, flag, flag);
		print_masked(w, modes[i].mode, bit, bit);
		jw_end(w);
		jw_end(w);
	}
}

static void print_rule(struct jw *w, const char *const *names, size_t n, unsigned error)
{
	jw_inline_object(w, NULL);
	print_names(w, names, n);
	print_action(w, error);
	jw_end(w);
}

/*
 * Refuse sockets of FAMILY, and with ON of all higher families. The kernel reads 32 bits of the
 * argument.
 */
static void print_family_rule(struct jw *w, unsigned family, bool on)
{
	jw_inline_object(w, NULL);
	print_names(w, sockets, ARRAY_SIZE(sockets));
	print_action(w, EAFNOSUPPORT);
	jw_array(w, "args");
	if (on)
		print_condition(w, 0, "SCMP_CMP_GE", family, 0);
	else
		print_masked(w, 0, UINT32_MAX, family);
	jw_end(w);
	jw_end(w);
}

/* A filter cannot compare with "none of these families": print a rule for each other family. */
static void print_family_rules(const struct spec_job *j)
{
	size_t k = 0;

	if (j->r->constraints.network)
		return;
	if (j->r->constraints.uid_range) {
		print_family_rule(j->w, AF_VSOCK, false);
		return;
	}
	for (unsigned family = AF_UNIX; k < ARRAY_SIZE(families); family++) {
		if (families[k] == family)
			k++;
		else
			print_family_rule(j->w, family, false);
	}
	print_family_rule(j->w, families[k - 1] + 1, true);
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
	/* A filter cannot compare with "any of these bits": print a rule for each bit. */
	print_mode_rules(j, S_ISUID);
	print_mode_rules(j, S_ISGID);
	print_rule(w, xattrs, ARRAY_SIZE(xattrs), ENOTSUP);
	if (j->h->hide_openat2)
		print_rule(w, openat2, ARRAY_SIZE(openat2), ENOSYS);
	if (j->h->hide_io_uring)
		print_rule(w, io_uring, ARRAY_SIZE(io_uring), ENOSYS);
	print_family_rules(j);
	jw_end(w);
	jw_end(w);
}
