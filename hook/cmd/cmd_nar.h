/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hook/cmd/cmd_nar.h: the commands of the verb `nar`. Each is a function as for a verb
 * (hook/cmd/cmd.h).
 */
#ifndef HOOK_CMD_CMD_NAR_H
#define HOOK_CMD_CMD_NAR_H

#include "nar/base/err.h"

int cmd_nar_cat(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_nar_dump(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_nar_hash(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_nar_ls(int argc, char **argv, struct err *e) MUST_CHECK;
int cmd_nar_restore(int argc, char **argv, struct err *e) MUST_CHECK;

#endif
