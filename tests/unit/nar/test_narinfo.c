/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "nar/base/scope.h"
#include "nar/cacheinfo.h"
#include "nar/narinfo.h"

/* Written by Nix 2.8, with keys that were made for this. */
#define PUBLIC "test-1:y0rmxPsbkmUFHttrSiBYLNRY+jelaFHeLrIBKJ7aU3o="
#define SECRET                                                                                   \
	"test-1:HOdSAeeQfYqpqJBJCLKVl49vdAdaRgOU1HJOKh4OXiHLSubE+xuSZQUe22tKIFgs1Fj6N6VoUd4usgE" \
	"ontpTeg=="
#define SIG                                                                                        \
	"test-1:YBLsOHYF+rQ3WK8DzQ/4XIOUkq3373Toas7k0qbMkhAzzpH5OWtk4ASwa5AzDD4qTKqTTS9/TJPA135BY" \
	"MPbDQ=="
#define PATH_ "StorePath: /nix/store/69gd5pj9jqx2i4sqsplhg4s5svc9nd74-z.drv\n"
#define URL_ "URL: nar/0kbfzf4rkf5cjjwys9v5p06lxi196gl3mrjw2h6dk7sdb1ygqcb5.nar.xz\n"
#define NAR_                                                                     \
	"NarHash: sha256:1cf4nr1n77mjxbbyj6sv9203909xhf5yd3zh3pbps4pzmlz84wwc\n" \
	"NarSize: 544\n"
#define REFS_                                                     \
	"References: 5klx9pxl1c90q0j01ph753cpfm5dz3as-hello.txt " \
	"c8fbp2djmxk337s02kpm7xd6sp3v5wcw-y.drv\n"
#define CA_ "CA: text:sha256:0flviwkifnh2bgavbzsjm3m4vrj8s430yjckaykmkmw9hr398lv3\n"
#define WHOLE                                                                                \
	PATH_ URL_ "Compression: xz\n"                                                       \
		   "FileHash: sha256:0kbfzf4rkf5cjjwys9v5p06lxi196gl3mrjw2h6dk7sdb1ygqcb5\n" \
		   "FileSize: 364\n" NAR_ REFS_ "Sig: " SIG "\n" CA_

static void parse(const char *text, struct narinfo *ret)
{
	struct err e = ERR_INIT;

	assert_ok(&e, narinfo_parse(text, strlen(text), "/nix/store", "x.narinfo", ret, &e));
}

static void reads_and_prints_what_nix_writes(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	scoped_narinfo struct narinfo n = {0};

	parse(WHOLE, &n);
	assert_string_equal(n.compression, "xz");
	assert_true(n.has_file_hash);
	assert_int_equal(n.file_size_bytes, 364);
	assert_int_equal(n.nar_size_bytes, 544);
	assert_int_equal(n.refs.n, 2);
	assert_null(n.deriver);
	assert_ok(&e, narinfo_print(&n, &b, &e));
	assert_string_equal(b.data, WHOLE);
}

static void reads_any_order_and_what_may_be_left_out(void **state)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	scoped_narinfo struct narinfo n = {0}, m = {0};

	parse("X-New: what: ever\n" NAR_
	      "References: \nDeriver: unknown-deriver\nCA: \n" URL_ PATH_,
	      &n);
	assert_string_equal(n.compression, "bzip2");
	assert_false(n.has_file_hash);
	assert_null(n.deriver);
	assert_null(n.ca);
	assert_int_equal(n.refs.n, 0);
	assert_ok(&e, narinfo_print(&n, &b, &e));
	assert_string_equal(b.data, PATH_ URL_ "Compression: bzip2\n" NAR_ "References: \n");
	parse(PATH_ URL_ NAR_ "Deriver: c8fbp2djmxk337s02kpm7xd6sp3v5wcw-y.drv\n", &m);
	assert_string_equal(m.deriver, "c8fbp2djmxk337s02kpm7xd6sp3v5wcw-y.drv");
}

static void refuses_what_is_corrupt(void **state)
{
	static const struct {
		const char *text, *refusal;
	} cases[] = {
		{"", "NAR info file 'x.narinfo' is corrupt: StorePath missing"},
		{URL_ NAR_, "StorePath missing"},
		{PATH_ NAR_, "URL missing"},
		{PATH_ "URL: \n" NAR_, "URL missing"},
		{PATH_ URL_ "NarSize: 5\n", "NarHash missing"},
		{PATH_ URL_ "NarHash: md5:900150983cd24fb0d6963f7d28e17f72\n",
		 "NarSize missing or zero"},
		{PATH_ URL_ "NarHash: md5:900150983cd24fb0d6963f7d28e17f72\nNarSize: 0\n",
		 "NarSize missing or zero"},
		{PATH_ "nonsense\n", "expecting ':' at line 2"},
		{PATH_ "URL:x\n", "expecting ' ' after ':' at line 2"},
		{PATH_ "References:\nURL: x\n", "expecting ' ' after ':' at line 2"},
		{PATH_ "URL: x", "expecting '\\n' at line 2"},
		{PATH_ URL_ URL_ NAR_, "extra URL at line 3"},
		{PATH_ PATH_, "extra StorePath at line 2"},
		{WHOLE CA_, "extra CA at line 11"},
		{WHOLE REFS_, "extra References at line 11"},
		{PATH_ URL_ "NarSize: -1\n", "invalid NarSize at line 3"},
		{PATH_ URL_ "NarSize: 0x10\n", "invalid NarSize at line 3"},
		{PATH_ URL_ "NarSize: 9223372036854775808\n", "invalid NarSize"},
		{PATH_ "FileSize: 1 \n", "invalid FileSize at line 2"},
		{PATH_ "FileHash: 0kbfzf4rkf5cjjwys9v5p06lxi196gl3mrjw2h6dk7sdb1ygqcb5\n",
		 "corrupt at line 2: hash '0kbfzf4rkf5cjjwys9v5p06lxi196gl3mrjw2h6dk7sdb1ygqcb5' "
		 "does"},
		{PATH_ "URL: nar/a b\n", "the URL is not printable ASCII at line 2"},
		{PATH_ "URL: nar/a\r\n", "the URL is not printable ASCII at line 2"},
		{"StorePath: /nix/store/69gd5pj9jqx2i4sqsplhg4s5svc9nd74-z.drv\r\n",
		 "corrupt at line 1: path '69gd5pj9jqx2i4sqsplhg4s5svc9nd74-z.drv?' is not a "
		 "valid"},
		{"StorePath: /gnu/store/69gd5pj9jqx2i4sqsplhg4s5svc9nd74-z.drv\n",
		 "is not in the Nix store"},
		{"StorePath: 69gd5pj9jqx2i4sqsplhg4s5svc9nd74-z.drv\n", "is not in the Nix store"},
		{PATH_ "References: /nix/store/5klx9pxl1c90q0j01ph753cpfm5dz3as-x\n",
		 "corrupt at line 2: store path "},
		{PATH_ "Deriver: z\n", "corrupt at line 2: 'z' is too short"},
		{PATH_ "CA: fixed:sha256-x\n", "corrupt at line 2: content address hash must be"},
	};
	struct err e = ERR_INIT;
	struct narinfo n;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_err(&e,
			   narinfo_parse(cases[i].text, strlen(cases[i].text), "/nix/store",
					 "x.narinfo", &n, &e),
			   cases[i].refusal);
	assert_err(&e, narinfo_parse("URL: \0\n", 7, "/nix/store", "x.narinfo", &n, &e), "a NUL");
}

static void believes_signatures_by_trusted_keys_only(void **state)
{
	static const char *const changed[] = {
		PATH_ URL_ NAR_ "References: \nSig: " SIG "\n",
		"StorePath: /nix/store/69gd5pj9jqx2i4sqsplhg4s5svc9nd74-a.drv\n" URL_ NAR_ REFS_
		"Sig: " SIG "\n",
		PATH_ URL_ "NarHash: sha256:1cf4nr1n77mjxbbyj6sv9203909xhf5yd3zh3pbps4pzmlz84wwb\n"
			   "NarSize: 544\n" REFS_ "Sig: " SIG "\n",
		PATH_ URL_ "NarHash: sha256:1cf4nr1n77mjxbbyj6sv9203909xhf5yd3zh3pbps4pzmlz84wwc\n"
			   "NarSize: 545\n" REFS_ "Sig: " SIG "\n",
		PATH_ URL_ NAR_ REFS_,
		PATH_ URL_ NAR_ REFS_ "Sig: \nSig: test-1:\nSig: test-1:abcd\nSig: :\n",
		PATH_ URL_ "NarHash: md5:900150983cd24fb0d6963f7d28e17f72\nNarSize: 544\nSig: " SIG
			   "\n",
	};
	struct err e = ERR_INIT;
	scoped_ed25519_keys struct ed25519_keys keys = ED25519_KEYS_INIT,
						others = ED25519_KEYS_INIT;
	scoped_narinfo struct narinfo n = {0}, two = {0};

	parse(WHOLE, &n);
	assert_int_equal(narinfo_check_signed(&n, &keys, &e), 0);
	assert_ok(&e, ed25519_keys_add(&others,
				       "test-2:y0rmxPsbkmUFHttrSiBYLNRY+jelaFHeLrIBKJ7aU3o=", &e));
	assert_ok(&e, ed25519_keys_add(&others,
				       "test-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=", &e));
	assert_int_equal(narinfo_check_signed(&n, &others, &e), 0);
	assert_ok(&e, ed25519_keys_add(&keys, PUBLIC, &e));
	assert_int_equal(narinfo_check_signed(&n, &keys, &e), 1);
	/* A bad signature beside a good one is fine. */
	parse(PATH_ URL_ NAR_ REFS_ "Sig: other-1:AAAA\nSig: " SIG "\n", &two);
	assert_int_equal(narinfo_check_signed(&two, &keys, &e), 1);
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		scoped_narinfo struct narinfo c = {0};

		parse(changed[i], &c);
		assert_int_equal(narinfo_check_signed(&c, &keys, &e), 0);
		assert_false(err_is_set(&e));
	}
}

static void signs_as_nix_does(void **state)
{
	struct err e = ERR_INIT;
	scoped_narinfo struct narinfo n = {0};

	parse(PATH_ URL_ NAR_ REFS_, &n);
	assert_ok(&e, narinfo_sign(&n, SECRET, &e));
	assert_ok(&e, narinfo_sign(&n, SECRET, &e));
	assert_int_equal(n.sigs.n, 1);
	assert_string_equal(n.sigs.items[0], SIG);
	assert_err(&e, narinfo_sign(&n, PUBLIC, &e), "secret key is not valid");
	assert_err(&e, narinfo_sign(&n, "x", &e), "key is corrupt");
}

static void refuses_keys_that_are_none(void **state)
{
	static const char *const bad[] = {
		"", "a", ":", "a:", ":AAAA", "y0rmxPsbkmUFHttrSiBYLNRY+jelaFHeLrIBKJ7aU3o="};
	struct err e = ERR_INIT;
	scoped_ed25519_keys struct ed25519_keys keys = ED25519_KEYS_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_err(&e, ed25519_keys_add(&keys, bad[i], &e), "key is corrupt");
	assert_err(&e, ed25519_keys_add(&keys, "a:AAAA", &e), "public key is not valid");
	assert_int_equal(keys.n, 0);
}

static void needs_no_signature_where_the_path_says_what_is_in_it(void **state)
{
	struct err e = ERR_INIT;
	scoped_narinfo struct narinfo n = {0}, other = {0}, none = {0}, refs = {0};

	parse(WHOLE, &n);
	assert_int_equal(narinfo_check_ca(&n, &e), 1);
	parse(PATH_ URL_ NAR_ CA_, &other);
	assert_int_equal(narinfo_check_ca(&other, &e), 0);
	parse(PATH_ URL_ NAR_ REFS_, &none);
	assert_int_equal(narinfo_check_ca(&none, &e), 0);
	parse(PATH_ URL_ NAR_ REFS_ "CA: fixed:md5:900150983cd24fb0d6963f7d28e17f72\n", &refs);
	assert_int_equal(narinfo_check_ca(&refs, &e), 0);
	assert_false(err_is_set(&e));
}

static void knows_what_a_cache_says_of_itself(void **state)
{
	static const char text[] = "StoreDir: /nix/store\r\nsome line\n WantMassQuery: 0\n"
				   "WantMassQuery:1\nPriority:  40 \nOther: x";
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(1000);
	scoped_cacheinfo struct cacheinfo c = {0}, empty = {0};
	struct cacheinfo none;

	assert_ok(&e, cacheinfo_parse(text, sizeof text - 1, &c, &e));
	assert_string_equal(c.store_dir, "/nix/store");
	assert_true(c.want_mass_query);
	assert_int_equal(c.priority, 40);
	assert_ok(&e, cacheinfo_print(&c, &b, &e));
	assert_string_equal(b.data, "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
	assert_ok(&e, cacheinfo_check(&c, "http://x", "/nix/store", &e));
	assert_err(&e, cacheinfo_check(&c, "http://x", "/gnu/store", &e),
		   "binary cache 'http://x' is for Nix stores with prefix '/nix/store', not "
		   "'/gnu/store'");
	assert_ok(&e, cacheinfo_parse("", 0, &empty, &e));
	assert_int_equal(empty.priority, 50);
	assert_ok(&e, cacheinfo_check(&empty, "http://x", "/gnu/store", &e));
	assert_err(&e, cacheinfo_parse("Priority: -1\n", 13, &none, &e),
		   "Priority is '-1' instead of a number of at most");
	assert_err(&e, cacheinfo_parse("StoreDir: x\n", 12, &none, &e),
		   "StoreDir is 'x' instead of an absolute path");
	assert_err(&e, cacheinfo_parse("StoreDir: /a\nPriority: x\n", 25, &none, &e),
		   "Priority is 'x' instead of");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_prints_what_nix_writes),
		cmocka_unit_test(reads_any_order_and_what_may_be_left_out),
		cmocka_unit_test(refuses_what_is_corrupt),
		cmocka_unit_test(believes_signatures_by_trusted_keys_only),
		cmocka_unit_test(signs_as_nix_does),
		cmocka_unit_test(refuses_keys_that_are_none),
		cmocka_unit_test(needs_no_signature_where_the_path_says_what_is_in_it),
		cmocka_unit_test(knows_what_a_cache_says_of_itself),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("narinfo", tests, NULL, NULL);
}
