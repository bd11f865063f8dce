/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BUILTIN_TRANSFER_INTERNAL_H
#define BUILTIN_TRANSFER_INTERNAL_H

#include <curl/curl.h>

#include "builtin/transfer.h"

/* Tell whether a transfer succeeded. STATUS is that of HTTP, or 0 for another scheme. */
bool transfer_succeeded(CURLcode code, long status);

#endif
