/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/base/subprocess.h: run a program that answers soon, with its input and output in memory.
 *
 * For Nix's own tools. Never for anything that a build can choose.
 */
#ifndef HOOK_BASE_SUBPROCESS_H
#define HOOK_BASE_SUBPROCESS_H

#include "nar/base/buf.h"
#include "nar/base/err.h"

/*
 * Each gets descriptors 0 to 2 and no others, and the environment that hook/base/environment.h
 * says.
 *
 * Run ARGV (the program is looked up in PATH), with the IN_LEN bytes at IN as its standard input,
 * and wait for its end. What it prints is appended to OUT (NULL: thrown away). An exit status other
 * than 0, or a signal: ERR_SYSTEM with its own last words.
 */
int subprocess_run(char *const *argv, const void *in, size_t in_len, struct buf *out,
		   struct err *e) MUST_CHECK;
/*
 * The same for a program that talks to whoever reads ERR_FD, its standard error. A failure is told
 * in Nix's words: "program '...' failed with exit code 1", where QUOTE is what is around its path.
 */
int subprocess_run_told(char *const *argv, int err_fd, const char *quote, struct buf *out,
			struct err *e) MUST_CHECK;

#endif
