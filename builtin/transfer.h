/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/transfer.h: get what a URL names, by libcurl, again if need be.
 *
 * As Nix does it: redirects are followed, a content encoding is taken off, what fails for a reason
 * that may pass is tried again after a while, from where it broke off if the server can do that.
 * Certificates are always checked.
 */
#ifndef BUILTIN_TRANSFER_H
#define BUILTIN_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "nar/base/err.h"

struct transfer_conf {
	const char *user_agent;
	const char *netrc;          /* path, or NULL */
	const char *ca;             /* path of certificates in PEM, or NULL for libcurl's own */
	uint64_t connect_timeout_s; /* 0: libcurl's own */
	uint64_t stalled_timeout_s; /* with less than a byte a second; 0: none */
	uint64_t attempts;
	uint64_t speed_kib_s; /* 0: no limit */
	bool http2;
};

/*
 * Make the file FD (called WHAT) hold what URL names. A failure may leave a part of it there.
 * Only the schemes http, https, ftp, ftps and file; from one to another lead redirects, but not to
 * file.
 */
int transfer(const struct transfer_conf *c, const char *url, int fd, const char *what,
	     struct err *e) MUST_CHECK;
/* URL is of the scheme file, as libcurl reads it. */
bool transfer_is_file(const char *url);

#endif
