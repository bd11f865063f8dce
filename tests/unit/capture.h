/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/capture.h: what a piece of code writes to standard error.
 *
 *	struct capture c = capture_start();
 *	log_msg(...);
 *	capture_end(&c);	now c.text is a string
 *
 * Standard error is a memfd meanwhile, so a failing assertion in between is not seen: check after.
 */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <sys/mman.h>
#include <unistd.h>

struct capture {
	int saved, fd;
	char text[65536];
};

static inline struct capture capture_start(void)
{
	struct capture c = {.saved = dup(2), .fd = memfd_create("capture", 0)};

	assert_true(c.saved >= 0 && c.fd >= 0);
	assert_int_equal(dup2(c.fd, 2), 2);
	return c;
}

static inline void capture_end(struct capture *c)
{
	ssize_t n;

	dup2(c->saved, 2);
	n = pread(c->fd, c->text, sizeof c->text - 1, 0);
	close(c->fd);
	close(c->saved);
	assert_true(n >= 0);
	c->text[n] = '\0';
}

#endif
