/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * specgen/spec_internal.h: the parts of a configuration, each in a file of its own.
 */
#ifndef SPECGEN_SPEC_INTERNAL_H
#define SPECGEN_SPEC_INTERNAL_H

#include "specgen/json.h"
#include "specgen/spec.h"

/* What one call of spec_print() works on. */
struct spec_job {
	struct jw *w;
	const struct request *r;
	const struct spec_host *h;
	enum spec_profile profile;
	struct err *e;
};

/* "mounts". -1 if memory is out; what the writer finds, it keeps. */
int spec_mounts(const struct spec_job *j) MUST_CHECK;
/* "linux"."seccomp", if there is a filter. */
void spec_seccomp(const struct spec_job *j);
/* "process"."capabilities". */
void spec_capabilities(const struct spec_job *j);

#endif
