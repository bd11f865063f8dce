/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/host/machine.h: describe this machine for specgen, which does no I/O itself.
 */
#ifndef HOOK_HOST_MACHINE_H
#define HOOK_HOST_MACHINE_H

#include "hook/conf/conf.h"
#include "hook/host/users.h"
#include "hook/nix/settings.h"
#include "nar/base/err.h"
#include "specgen/request.h"
#include "specgen/spec.h"

/* A struct spec_host and the strings that it points to. */
struct machine {
	struct spec_host host;
	char *shell;
	char *ca_bundle;
	char *arch;
};

/*
 * Fill RET for a run of the request R as USER (NULL: with the ids of this process). S, Nix's
 * settings, decides on the system call filter, on new privileges and on certificates; S may be
 * empty.
 */
int machine_describe(const struct conf *c, const struct settings *s, const struct request *r,
		     const struct build_user *user, struct machine *ret, struct err *e) MUST_CHECK;
/*
 * Return the file of CA certificates: what Nix's setting ssl-cert-file names, else what the
 * environment names (NIX_SSL_CERT_FILE, SSL_CERT_FILE), even if no such file exists; else one of
 * the usual files that exists. NULL: there is none.
 */
const char *machine_ca_file(const struct settings *s);
/* Put the path of that file into *RET, with links followed. Heap. NULL: no such file exists. */
int machine_ca_bundle(const struct settings *s, char **ret, struct err *e) MUST_CHECK;
void machine_done(struct machine *m);
#define scoped_machine __attribute__((cleanup(machine_done)))

#endif
