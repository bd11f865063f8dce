/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/subprocess.h: run a program that answers soon, with its input and output in memory.
 *
 * For Nix's own tools, the hook's own programs and Nix's pre-build hook, never for a program that a
 * build can choose. A program gets descriptors 0 to 2 and no others, and the environment that
 * hook/base/environment.h describes.
 */
#ifndef HOOK_BASE_SUBPROCESS_H
#define HOOK_BASE_SUBPROCESS_H

#include "nar/base/buf.h"
#include "nar/base/err.h"

/*
 * Run ARGV, whose program is looked up in PATH, with the IN_LEN bytes at IN as its standard input,
 * and wait for its end. Its output is appended to OUT (NULL: discarded). An exit status other than
 * 0 is ERR_SYSTEM with the end of its standard error; so is a signal.
 */
int subprocess_run(char *const *argv, const void *in, size_t in_len, struct buf *out,
		   struct err *e) MUST_CHECK;
/*
 * Run ARGV with an empty standard input and with ERR_FD as its standard error, and append its
 * output to OUT. A failure has Nix's words: "program '...' failed with exit code 1", with QUOTE
 * around the path.
 */
int subprocess_run_told(char *const *argv, int err_fd, const char *quote, struct buf *out,
			struct err *e) MUST_CHECK;

#endif
