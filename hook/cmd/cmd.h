/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/cmd.h: the verbs of the command line.
 *
 * A verb is a function in hook/cmd/cmd_<verb>.c and a line in the table of main.c; it reads its
 * options by hook/cmd/cli.h.
 *
 * It returns the exit code; or -1 with *E set, which main() prints, to exit with CMD_FAILED. Its
 * argv[0] is the verb. Results go to stdout, whose write errors main() finds; all else through
 * hook/base/log.h. Only main() exits.
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
 * What main() of a program does: open standard streams that are missing, RUN, print its error, and
 * see that what went to standard output has arrived. The exit code.
 */
int cmd_main(int (*run)(int argc, char **argv, struct err *e), int argc, char **argv);

/* The verbs, sorted. */
int cmd_build(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_bundle(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_config(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_hook(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_nar(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_request(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_spec(int argc, char **argv, struct err *e) MUST_CHECK;

#endif
