/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/refscan.h: find which of many store path hashes occur in a stream of bytes.
 *
 * A needle is the 32-digit hash part of a store path. The scan is exact, like Nix's RefScanSink: it
 * finds a needle at any alignment, inside longer runs of digits and across the ends of buffers. One
 * object may scan several streams in turn, with refscan_reset() between them.
 */
#ifndef NAR_REFSCAN_H
#define NAR_REFSCAN_H

#include <stddef.h>

#include "nar/base/err.h"

struct refscan;

/* NULL: *E. */
struct refscan *refscan_new(struct err *e) MUST_CHECK;
/*
 * Add the 32 digits at HASH as a needle, which gets the next number, from 0 on. Digits that are not
 * nixbase32 are ERR_INPUT. A needle may be added twice: it is then found under both numbers. Do not
 * call it in the middle of a stream.
 */
int refscan_add(struct refscan *s, const char *hash, struct err *e) MUST_CHECK;
/* Begin another stream with the same needles: none is found yet. */
void refscan_reset(struct refscan *s);
/* Scan the next N bytes of the stream. */
void refscan_feed(struct refscan *s, const void *data, size_t n);
/* Return how many needles were added. Only tests use it. */
size_t refscan_count(const struct refscan *s);
/* Tell whether needle number I occurred. */
bool refscan_found(const struct refscan *s, size_t i);
void refscan_free(struct refscan *s);

#endif
