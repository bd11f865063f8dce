/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "nar/base/scope.h"
#include "nar/hash.h"

#define SHA512_ABC                                                         \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void hashes_as_the_standards_say(void **state)
{
	static const char *const want[] = {
		[HASH_MD5] = "900150983cd24fb0d6963f7d28e17f72",
		[HASH_SHA1] = "a9993e364706816aba3e25717850c26c9cd0d89d",
		[HASH_SHA256] = SHA256_ABC,
		[HASH_SHA512] = SHA512_ABC,
		[HASH_BLAKE3] = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
	};
	struct err e = ERR_INIT;
	struct hash_ctx c = {0};

	for (int a = 0; a < HASH_ALGO_COUNT; a++) {
		char text[HASH_TEXT_MAX];
		struct hash h, parsed;

		if (!hash_algo_works((enum hash_algo)a)) {
			assert_int_equal(a, HASH_BLAKE3);
			assert_err(&e, hash_start(&c, HASH_BLAKE3, &e), "built without blake3");
			continue;
		}
		assert_ok(&e, hash_start(&c, (enum hash_algo)a, &e));
		assert_ok(&e, hash_update(&c, "a", 1, &e));
		assert_ok(&e, hash_update(&c, "bc", 2, &e));
		assert_ok(&e, hash_finish(&c, &h, &e));
		hash_print(&h, HASH_BASE16, false, text);
		assert_string_equal(text, want[a]);
		for (int f = HASH_BASE16; f <= HASH_SRI; f++) {
			hash_print(&h, (enum hash_format)f, true, text);
			assert_ok(&e, hash_parse_any(text, strlen(text), &parsed, &e));
			assert_true(hash_equal(&h, &parsed));
			hash_print(&h, (enum hash_format)f, false, text);
			assert_ok(&e, hash_parse(text, strlen(text), h.algo, &parsed, &e));
			assert_true(hash_equal(&h, &parsed));
		}
	}
	hash_ctx_done(&c);
	hash_ctx_done(&c);
}

/* Its authors' test vectors: byte i is i % 251. Around what is hashed as a tree, and beyond. */
static void hashes_as_blake3_does(void **state)
{
	static const struct {
		size_t n;
		const char *want;
	} vectors[] = {
		{0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
		{1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
		{1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
		{1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
		{102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
	};
	static uint8_t data[102400];
	struct err e = ERR_INIT;
	char text[HASH_TEXT_MAX];
	struct hash h;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i % 251);
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		assert_ok(&e, hash_parse(vectors[i].want, 64, HASH_BLAKE3, &h, &e));
		if (hash_algo_works(HASH_BLAKE3))
			assert_ok(&e, hash_bytes(HASH_BLAKE3, data, vectors[i].n, &h, &e));
		hash_print(&h, HASH_BASE16, false, text);
		assert_string_equal(text, vectors[i].want);
	}
}

static void spells_as_nix_hash_does(void **state)
{
	struct err e = ERR_INIT;
	char text[HASH_TEXT_MAX];
	struct hash h;

	assert_ok(&e, hash_bytes(HASH_SHA256, "abc", 3, &h, &e));
	hash_print(&h, HASH_NIX32, false, text);
	assert_string_equal(text, "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s");
	hash_print(&h, HASH_SRI, false, text);
	assert_string_equal(text, "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
	hash_print(&h, HASH_BASE64, true, text);
	assert_string_equal(text, "sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

static void nixbase32_goes_both_ways_at_every_length(void **state)
{
	uint8_t in[70], out[70];
	char text[128];

	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof in; n++) {
		nix32_encode(in, n, text);
		assert_int_equal(strlen(text), nix32_len(n));
		assert_true(nix32_decode(text, strlen(text), out, n));
		assert_memory_equal(in, out, n);
		base64_encode(in, n, text);
		assert_true(base64_decode(text, strlen(text), out, n));
		assert_memory_equal(in, out, n);
	}
}

static void nixbase32_refuses_spilt_bits_and_other_letters(void **state)
{
	uint8_t out[32];

	assert_true(nix32_decode("7z", 2, out, 1));
	assert_int_equal(out[0], 255);
	assert_false(nix32_decode("8z", 2, out, 1));
	assert_false(nix32_decode("zz", 2, out, 1));
	assert_false(nix32_decode("0", 1, out, 1));
	assert_false(nix32_decode("000", 3, out, 1));
	for (const char *p = "eoutABZ/: \n\xe9"; *p; p++) {
		char text[2] = {'0', *p};
		assert_false(nix32_decode(text, 2, out, 1));
		assert_false(nix32_is_digit((unsigned char)*p));
	}
	assert_false(nix32_is_digit(0));
}

static void base64_is_strict(void **state)
{
	uint8_t out[4];

	assert_true(base64_decode("YQ==", 4, out, 1));
	assert_false(base64_decode("YR==", 4, out, 1)); /* bits past the byte */
	assert_false(base64_decode("YQ=a", 4, out, 1));
	assert_false(base64_decode("YQ", 2, out, 1));
	assert_false(base64_decode("Y===", 4, out, 1));
	assert_false(base64_decode("YWI=", 4, out, 1));
	assert_true(base64_decode("YWI=", 4, out, 2));
	assert_false(base64_decode("YWI=", 4, out, 3));
	assert_false(base64_decode("YW-j", 4, out, 3));
	assert_true(base64_decode("", 0, out, 0));
}

static void refuses_hashes_that_are_none(void **state)
{
	struct err e = ERR_INIT;
	struct hash h;

	assert_err(&e, hash_parse("abc", 3, HASH_SHA256, &h, &e),
		   "hash 'abc' has wrong length for hash algorithm 'sha256'");
	assert_err(&e, hash_parse("md5:900150983cd24fb0d6963f7d28e17f72", 36, HASH_SHA1, &h, &e),
		   "should have type 'sha1'");
	assert_err(&e, hash_parse("900150983cd24fb0d6963f7d28e17f7g", 32, HASH_MD5, &h, &e),
		   "invalid base-16 hash '900150983cd24fb0d6963f7d28e17f7g'");
	assert_err(&e, hash_parse_any(SHA256_ABC, 64, &h, &e), "does not name one of");
	/* SRI is base64 only, and names its algorithm. */
	assert_err(&e, hash_parse_any("sha256-" SHA256_ABC, 71, &h, &e), "wrong length");
	assert_err(&e, hash_parse_any("sha3-abc", 8, &h, &e), "does not name one of");
	assert_err(&e, hash_parse_any("", 0, &h, &e), "does not name one of");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_as_the_standards_say),
		cmocka_unit_test(hashes_as_blake3_does),
		cmocka_unit_test(spells_as_nix_hash_does),
		cmocka_unit_test(nixbase32_goes_both_ways_at_every_length),
		cmocka_unit_test(nixbase32_refuses_spilt_bits_and_other_letters),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(refuses_hashes_that_are_none),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
