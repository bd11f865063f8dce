/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BUILTIN_TRANSFER_INTERNAL_H
#define BUILTIN_TRANSFER_INTERNAL_H

#include <curl/curl.h>

#include "builtin/transfer.h"

/* What HTTP calls a success; 0 is that of other schemes. */
bool transfer_succeeded(CURLcode code, long status);

#endif
