/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/conf/policy.h: sections of the configuration file, whose keys hold for some builds only.
 *
 *	[match pname=chromium|firefox system=x86_64-linux]
 *	memory-max = 24G
 *	[class oci-mem-16g]
 *	memory-max = 16G
 *
 * A section ends at the next section or at the end of its file. A `match` section holds for the
 * builds that meet all of its conditions. A condition is met if one of its patterns matches ('*',
 * '?', '[...]', as in fnmatch(3)). A `class` section defines a system feature, which the hook
 * offers: it holds for the derivations that require the feature. If several sections set a key, the
 * last section that holds counts. The environment and the command line override sections.
 *
 * A key that holds for the whole machine (max-jobs, directories) is refused in a section.
 */
#ifndef HOOK_CONF_POLICY_H
#define HOOK_CONF_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "nar/base/buf.h"
#include "nar/base/err.h"

struct conf;

/* A build, as conditions see it. A text that is NULL is unknown and matches no pattern. */
struct policy_subject {
	const char *name;  /* name of the derivation without ".drv": "hello-2.12" */
	const char *pname; /* name of the package: "hello" */
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
	char *value; /* one that the key may have */
};

struct policy_section {
	char *where;   /* "FILE:LINE" */
	char *header;  /* "match pname=chromium", with single blanks */
	char *feature; /* the feature that a `class` section defines; NULL: a `match` section */
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
 * Begin a section. HEADER is the text between '[' and ']', and is changed. WHERE ("FILE:LINE")
 * starts the message if it is refused.
 */
int policy_begin(struct policy *p, const char *where, char *header, struct err *e) MUST_CHECK;
/* Add KEY = VALUE to the last section. A wrong key or value and a machine's key are refused. */
int policy_add(struct policy *p, const char *where, const char *key, const char *value,
	       struct err *e) MUST_CHECK;
/* Tell whether S holds for the build SUBJECT. */
bool policy_section_holds(const struct policy_section *s, const struct policy_subject *subject);
/* Append to RET the features that `class` sections define. */
int policy_features(const struct policy *p, struct strv *ret, struct err *e) MUST_CHECK;
/* Set the keys of C that its sections set for SUBJECT, and remove the sections from C. */
int policy_narrow(struct conf *c, const struct policy_subject *subject, struct err *e) MUST_CHECK;
/* Append to B the sections of C, as a configuration file has them. */
int policy_print(const struct conf *c, struct buf *b, struct err *e) MUST_CHECK;

#endif
