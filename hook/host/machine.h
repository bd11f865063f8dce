/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/machine.h: what this machine is like, for specgen, which does no I/O of its own.
 */
#ifndef HOOK_HOST_MACHINE_H
#define HOOK_HOST_MACHINE_H

#include "hook/conf/conf.h"
#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "nar/base/err.h"
#include "specgen/request.h"
#include "specgen/spec.h"

/* The strings that a struct spec_host only points to. */
struct machine {
	struct spec_host host;
	char *shell;
	char *ca_bundle;
	char *arch;
};

/*
 * Fill M for a run of R as USER (NULL: as root without a build user). What Nix's settings say of
 * system call filter, privileges and certificates is honoured; S may be empty.
 */
int machine_describe(const struct conf *c, const struct settings *s, const struct request *r,
		     const struct build_user *user, struct machine *ret, struct err *e) MUST_CHECK;
/*
 * The file of certificates that Nix's settings S name: its setting ssl-cert-file and the default of
 * that, which may name one that is not there; else a usual one that is, or NULL.
 */
const char *machine_ca_file(const struct settings *s);
/* The same with links followed, NULL where it is not there. Heap. */
int machine_ca_bundle(const struct settings *s, char **ret, struct err *e) MUST_CHECK;
void machine_done(struct machine *m);
#define scoped_machine __attribute__((cleanup(machine_done)))

#endif
