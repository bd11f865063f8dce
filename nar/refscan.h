/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/refscan.h: which of many store path hashes occur in a stream of bytes.
 *
 * A needle is the 32-digit hash part of a store path. The scan is exact: a needle is found at any
 * alignment, inside longer runs of digits and across the ends of buffers, as Nix's RefScanSink
 * finds it; each is reported once. One object may scan several streams one after the other
 * (refscan_reset() between them).
 */
#ifndef NAR_REFSCAN_H
#define NAR_REFSCAN_H

#include <stddef.h>

#include "nar/base/err.h"

struct refscan;

/* NULL: *E. */
struct refscan *refscan_new(struct err *e) MUST_CHECK;
/*
 * Add the 32 digits at HASH as the needle of the next number, from 0 on; they are refused
 * (ERR_INPUT) where they are not nixbase32. A needle may be added twice: it is then found under
 * both numbers. Not between two feeds of one stream.
 */
int refscan_add(struct refscan *s, const char *hash, struct err *e) MUST_CHECK;
/* Forget what was found and the end of the last buffer; the needles stay. */
void refscan_reset(struct refscan *s);
void refscan_feed(struct refscan *s, const void *data, size_t n);
/* How many needles were added, and whether the one that was added as number I occurred. */
size_t refscan_count(const struct refscan *s);
bool refscan_found(const struct refscan *s, size_t i);
void refscan_free(struct refscan *s);

#endif
