/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/banned.h: turn calls that this project does without into errors. Include it last.
 *
 * Use instead: struct buf or snprintf with a checked size for strings, num_parse_u64() for numbers,
 * posix_spawn or fork+exec with an argument vector for programs.
 */
#ifndef NAR_BASE_BANNED_H
#define NAR_BASE_BANNED_H

#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok strtok_r
#pragma GCC poison atoi atol atoll strtol strtoul strtoll strtoull strtod
#pragma GCC poison alloca popen gets mktemp tmpnam
/* A macro, because poison would also forbid struct drv its member `system`. */
#define system(command) _Static_assert(0, "system(3) is banned")

#endif
