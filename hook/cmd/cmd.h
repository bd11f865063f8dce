/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/cmd.h: the verbs of the command line.
 *
 * A verb is a function in hook/cmd/cmd_<verb>.c and a line in the table of main.c. It reads its
 * options by hook/cmd/cli.h. Its argv[0] is the name of the verb.
 *
 * A verb returns the exit code; or -1 with *E set, which cmd_main() prints before it returns
 * CMD_FAILED. It prints results to stdout, where cmd_main() looks for write errors, and everything
 * else by hook/base/log.h. No verb calls exit(3).
 */
#ifndef HOOK_CMD_CMD_H
#define HOOK_CMD_CMD_H

#include "nar/base/err.h"

/* The exit codes of this program, as its manual lists them. */
enum cmd_exit {
	CMD_OK = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2, /* the command line is wrong */
};

/*
 * Do the work of main() for each program: open standard streams that are missing, call RUN, print
 * its error, flush standard output and print a failure to write it.
 * Returns the exit code.
 */
int cmd_main(int (*run)(int argc, char **argv, struct err *e), int argc, char **argv);

/* The verbs, in alphabetical order. */
int cmd_build(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_bundle(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_config(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_hook(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_nar(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_policy(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_request(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_spec(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_stats(int argc, char **argv, struct err *e) MUST_CHECK;

#endif
