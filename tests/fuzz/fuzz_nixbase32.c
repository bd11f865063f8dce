/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nixbase32, base16 and base64: bytes go both ways, and each value has one spelling. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "nar/hash.h"

#include "nar/base/banned.h"

#define BYTES_MAX 80

static void bytes_go_both_ways(const uint8_t *data, size_t n)
{
	char text[2 * BYTES_MAX + 1];
	uint8_t back[BYTES_MAX];

	nix32_encode(data, n, text);
	FUZZ_CHECK(strlen(text) == nix32_len(n));
	FUZZ_CHECK(nix32_decode(text, strlen(text), back, n) && memcmp(back, data, n) == 0);
	base16_encode(data, n, text);
	FUZZ_CHECK(base16_decode(text, strlen(text), back, n) && memcmp(back, data, n) == 0);
	base64_encode(data, n, text);
	FUZZ_CHECK(base64_decode(text, strlen(text), back, n) && memcmp(back, data, n) == 0);
}

static void accepted_text_is_the_only_spelling(const char *text, size_t len)
{
	char again[2 * BYTES_MAX + 1];
	uint8_t bytes[BYTES_MAX];

	for (size_t n = 0; n < BYTES_MAX; n++) {
		if (nix32_decode(text, len, bytes, n)) {
			nix32_encode(bytes, n, again);
			FUZZ_CHECK(strlen(again) == len && memcmp(again, text, len) == 0);
		}
		if (base64_decode(text, len, bytes, n)) {
			base64_encode(bytes, n, again);
			FUZZ_CHECK(strlen(again) == len && memcmp(again, text, len) == 0);
		}
	}
}

static void hashes_print_back(const char *text, size_t len)
{
	struct err e = ERR_INIT;
	struct hash h, again;
	int rc = hash_parse_any(text, len, &h, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0)
		return;
	for (int f = HASH_BASE16; f <= HASH_SRI; f++) {
		char out[HASH_TEXT_MAX];

		hash_print(&h, (enum hash_format)f, true, out);
		FUZZ_CHECK(hash_parse_any(out, strlen(out), &again, &e) == 0);
		FUZZ_CHECK(hash_equal(&h, &again));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bytes_go_both_ways(data, size < BYTES_MAX ? size : BYTES_MAX);
	accepted_text_is_the_only_spelling((const char *)data, size);
	hashes_print_back((const char *)data, size);
	return 0;
}
