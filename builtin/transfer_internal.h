/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BUILTIN_TRANSFER_INTERNAL_H
#define BUILTIN_TRANSFER_INTERNAL_H

#include <curl/curl.h>

#include "builtin/transfer.h"

/* What HTTP calls a success; 0 is that of other schemes. */
bool transfer_succeeded(CURLcode code, long status);
/* May it be worth another try? STATUS is 0 where there was none. */
bool transfer_is_transient(CURLcode code, long status);
/* How long to wait after attempt number ATTEMPT (from 1) failed. RANDOM is from 0 to 255. */
uint64_t transfer_delay_ms(uint64_t attempt, long status, unsigned random);

#endif
