/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/spec_internal.h: the parts of a configuration that have a file of their own.
 */
#ifndef SPECGEN_SPEC_INTERNAL_H
#define SPECGEN_SPEC_INTERNAL_H

#include "specgen/json.h"
#include "specgen/spec.h"

/* The arguments of one call of spec_print(), and its writer. */
struct spec_job {
	struct jw *w;
	const struct request *r;
	const struct spec_host *h;
	enum spec_profile profile;
	struct err *e;
};

/*
 * Print "mounts".
 * Returns -1 when out of memory; an error of the writer is left for jw_done() to return.
 */
int spec_mounts(const struct spec_job *j) MUST_CHECK;
/* Print "linux"."seccomp", if there is a filter. */
void spec_seccomp(const struct spec_job *j);
/* Print "process"."capabilities". */
void spec_capabilities(const struct spec_job *j);

#endif
