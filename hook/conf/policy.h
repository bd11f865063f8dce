/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/conf/policy.h: sections of the configuration file, whose keys hold for some builds only.
 *
 *	[match pname=chromium|firefox system=x86_64-linux]
 *	memory-max = 24G
 *	[class oci-mem-16g]
 *	memory-max = 16G
 *
 * A section goes on to the next one or to the end of its file. A `match` section holds for the
 * builds that meet all of its conditions, each of which is one of several patterns ('*', '?',
 * '[...]', as in fnmatch(3)). A `class` section defines a system feature: it holds for the
 * derivations that require this feature, and the hook offers it. Where several sections set a key,
 * the last one that holds counts. The environment and the command line win over sections.
 *
 * Keys that are the machine's (max-jobs, directories) cannot stand in a section.
 */
#ifndef HOOK_CONF_POLICY_H
#define HOOK_CONF_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct conf;

/* What conditions are asked of. A text that is NULL is not known and matches no pattern. */
struct policy_subject {
	const char *name;  /* of the derivation, without ".drv": "hello-2.12" */
	const char *pname; /* "hello" */
	const char *system;
	const char *user;            /* login name of the person who asks for the build */
	const struct strv *features; /* requiredSystemFeatures */
	bool fixed_output;
};

enum policy_what {
	POLICY_NAME,
	POLICY_PNAME,
	POLICY_SYSTEM,
	POLICY_FEATURE,
	POLICY_FIXED_OUTPUT,
	POLICY_USER,
};

struct policy_condition {
	enum policy_what what;
	struct strv patterns; /* at least one; "true" or "false" for POLICY_FIXED_OUTPUT */
};

struct policy_setting {
	char *where; /* "FILE:LINE" */
	char *key;
	char *value; /* allowed for KEY */
};

struct policy_section {
	char *where;   /* "FILE:LINE" */
	char *header;  /* "match pname=chromium", blanks made single */
	char *feature; /* of a `class` section; NULL: it is a `match` section */
	struct policy_condition *conditions;
	size_t n_conditions;
	struct policy_setting *settings;
	size_t n_settings;
};

struct policy {
	struct policy_section *sections; /* in the order of the file */
	size_t n;
};
#define POLICY_INIT     \
	{               \
		NULL, 0 \
	}

void policy_done(struct policy *p);
/*
 * Begin a section. HEADER is what stands between '[' and ']', and is changed; WHERE ("FILE:LINE")
 * starts the message of a header that is refused.
 */
int policy_begin(struct policy *p, const char *where, char *header, struct err *e) MUST_CHECK;
/* Put KEY = VALUE into the last section. Refused: a wrong key or value, a key of the machine. */
int policy_add(struct policy *p, const char *where, const char *key, const char *value,
	       struct err *e) MUST_CHECK;
/* Tell whether S holds for the build SUBJECT. */
bool policy_section_holds(const struct policy_section *s, const struct policy_subject *subject);
/* Append the features that `class` sections define. */
int policy_features(const struct policy *p, struct strv *ret, struct err *e) MUST_CHECK;
/*
 * Change C into the configuration that holds for SUBJECT. Its sections are gone then. Without
 * sections nothing changes.
 */
int policy_narrow(struct conf *c, const struct policy_subject *subject, struct err *e) MUST_CHECK;
/* Append the sections of C as text that gives them again. */
int policy_print(const struct conf *c, struct buf *b, struct err *e) MUST_CHECK;

#endif
