/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe.h: what the parts of the probe share. See probe.c.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdio.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* "ok" for 0, else the errno's name. */
const char *error_name(int err);
/* Print a line; bytes that would break it are shown as \xHH. */
void say(const char *key, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, of a system call that returned RC. */
void say_err(const char *key, long rc);
/* A string that lasts until the call after the next. */
char *keyf(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* The start of the file at PATH, with a NUL behind it. -1: errno. */
ssize_t slurp(const char *path, char *buf, size_t size);
/* A line of what the file at PATH holds, or why not. */
void say_file(const char *path);

/* ---- probe_files.c ---- */

void show_mounts(void);
void show_files(void);
/* SELF: an input that is a file. */
void try_files(const char *self);

/* ---- probe_calls.c ---- */

void try_calls(void);
void try_network(void);

/* ---- probe_cgroup.c ---- */

/* Only for root, as it mounts. */
void try_cgroup(void);

#endif
