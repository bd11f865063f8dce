/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin/transfer.h: download a URL by libcurl, in several attempts if need be.
 *
 * As in Nix, redirects are followed and a content encoding is decoded. After a failure that may
 * pass, it waits and tries again, from where the transfer broke off if the server supports that.
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
	const char *ca;             /* path of certificates in PEM; NULL: libcurl's default */
	uint64_t connect_timeout_s; /* 0: libcurl's default */
	uint64_t stalled_timeout_s; /* give up after so long below a byte a second; 0: never */
	uint64_t attempts;
	uint64_t speed_kib_s; /* 0: no limit */
	bool http2;
};

/*
 * Download URL into the file FD (WHAT in messages). A failure may leave a part of it there. The
 * schemes are http, https, ftp, ftps and file. Redirects lead to any of these except file.
 */
int transfer(const struct transfer_conf *c, const char *url, int fd, const char *what,
	     struct err *e) MUST_CHECK;
/* Tell whether libcurl reads the scheme of URL as file. */
bool transfer_is_file(const char *url);

#endif
