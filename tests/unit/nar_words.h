/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/unit/nar_words.h: NARs, also broken ones, written down as words.
 *
 * Each word becomes a string of the format (length, bytes, padding); words are separated by blanks.
 * %XX is a byte. A word may start with
 *	@N:	N copies of the word behind it (@300:a is a string of 300 a)
 *	=	bytes as they are, without length and padding
 * and ~ is the empty string, M the magic string.
 */
#ifndef TESTS_UNIT_NAR_WORDS_H
#define TESTS_UNIT_NAR_WORDS_H

#include <stdlib.h>

#include "nar/base/buf.h"
#include "nar/hash.h"

static inline void nar_word_bytes(struct buf *b, const char *word, size_t n)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)word[i];

		if (c == '%') {
			assert_true(n - i > 2 && base16_decode(word + i + 1, 2, &c, 1));
			i += 2;
		}
		assert_ok(&e, buf_addc(b, (char)c, &e));
	}
}

static inline void nar_word(struct buf *b, const char *word, size_t n)
{
	struct err e = ERR_INIT;
	struct buf s = BUF_INIT(1 << 20);
	uint64_t times = 1;

	if (word[0] == '=') {
		nar_word_bytes(b, word + 1, n - 1);
		return;
	}
	if (word[0] == '@') {
		const char *colon = memchr(word, ':', n);
		size_t digits = (size_t)(colon - word - 1);

		assert_true(num_parse_u64(word + 1, digits, 1 << 16, &times));
		n -= digits + 2;
		word = colon + 1;
	}
	if (n == 1 && word[0] == 'M')
		nar_word_bytes(&s, "nix-archive-1", 13);
	else if (n != 1 || word[0] != '~')
		for (uint64_t i = 0; i < times; i++)
			nar_word_bytes(&s, word, n);
	for (int i = 0; i < 8; i++)
		assert_ok(&e, buf_addc(b, (char)(i < 4 ? s.len >> 8 * i : 0), &e));
	assert_ok(&e, buf_add(b, s.data, s.len, &e));
	while (b->len % 8)
		assert_ok(&e, buf_addc(b, '\0', &e));
	buf_done(&s);
}

static inline void nar_words(struct buf *b, const char *words)
{
	for (words += strspn(words, " "); *words; words += strspn(words, " ")) {
		size_t n = strcspn(words, " ");

		nar_word(b, words, n);
		words += n;
	}
}

/* Cases: the words of a NAR, and what it is refused with; NULL where it is accepted. */
struct nar_case {
	const char *name, *words, *refusal;
};

#define NODE_A "entry ( name a node ( type symlink target x ) )"

static const struct nar_case nar_cases[] = {
	{"empty-file", "M ( type regular contents ~ )", NULL},
	{"file", "M ( type regular contents abc )", NULL},
	{"file-of-8", "M ( type regular contents 12345678 )", NULL},
	{"executable", "M ( type regular executable ~ contents abc )", NULL},
	{"link", "M ( type symlink target /a/../b )", NULL},
	{"link-4095", "M ( type symlink target @4095:x )", NULL},
	{"empty-directory", "M ( type directory )", NULL},
	{"directory",
	 "M ( type directory entry ( name a node ( type regular contents x ) ) "
	 "entry ( name aa node ( type directory entry ( name %01 node ( type symlink target y ) ) "
	 ") ) "
	 "entry ( name %ff node ( type regular executable ~ contents ~ ) ) )",
	 NULL},
	{"name-255", "M ( type directory entry ( name @255:n node ( type directory ) ) )", NULL},
	{"name-with-dots", "M ( type directory entry ( name ... node ( type directory ) ) )", NULL},
	{"name-with-case-hack",
	 "M ( type directory entry ( name A~nix~case~hack~1 node ( type directory ) ) )", NULL},

	{"nothing", "", "input doesn't look like a Nix archive (at byte 0)"},
	{"other-magic", "nix-archive-2 ( type directory )", "doesn't look like a Nix archive"},
	{"longer-magic", "nix-archive-10 ( type directory )", "doesn't look like a Nix archive"},
	{"magic-padding", "=%0d%00%00%00%00%00%00%00nix-archive-1%00%00%01 ( type directory )",
	 "doesn't look like a Nix archive"},
	{"no-node", "M", "unexpected end-of-file (at byte 24)"},
	{"no-open-tag", "M [ type directory )", "expected tag '(', got '[' (at byte 24)"},
	{"no-type", "M ( kind directory )", "expected tag 'type', got 'kind' (at byte 40)"},
	{"unknown-type", "M ( type fifo )", "unknown file type 'fifo' (at byte 56)"},
	{"type-with-nul", "M ( type regular%00 contents ~ )", "unknown file type 'regular'"},
	{"no-contents", "M ( type regular )", "expected tag 'contents', got ')' (at byte 72)"},
	{"executable-after-contents", "M ( type regular contents ~ executable ~ )",
	 "expected tag ')', got 'executable'"},
	{"executable-value", "M ( type regular executable x contents ~ )", "string is too long"},
	{"executable-twice", "M ( type regular executable ~ executable ~ contents ~ )",
	 "expected tag 'contents', got 'executable'"},
	{"contents-twice", "M ( type regular contents ~ contents ~ )",
	 "expected tag ')', got 'contents'"},
	{"file-of-2-63", "M ( type regular contents =%00%00%00%00%00%00%00%80",
	 "a file of 9223372036854775808 bytes"},
	{"file-of-2-64", "M ( type regular contents =%ff%ff%ff%ff%ff%ff%ff%ff",
	 "bytes is too large (at byte 88)"},
	{"file-of-2-62", "M ( type regular contents =%00%00%00%00%00%00%00%40abc",
	 "unexpected end-of-file"},
	{"file-padding", "M ( type regular contents =%01%00%00%00%00%00%00%00x%00%00%00%00%00%01 )",
	 "non-zero padding (at byte 97)"},
	{"no-target", "M ( type symlink )", "expected tag 'target', got ')'"},
	{"empty-target", "M ( type symlink target ~ )", "NAR contains invalid symlink target ''"},
	{"target-with-nul", "M ( type symlink target a%00b )", "invalid symlink target 'a'"},
	{"target-4096", "M ( type symlink target @4096:x )", "string is too long (at byte 88)"},
	{"target-padding",
	 "M ( type symlink target =%01%00%00%00%00%00%00%00x%01%00%00%00%00%00%00 )",
	 "non-zero padding (at byte 97)"},
	{"executable-link", "M ( type symlink executable ~ target x )",
	 "expected tag 'target', got 'executable'"},
	{"tag-of-33", "M ( type @33:x )", "string is too long (at byte 56)"},
	{"tag-of-2-40", "M ( =%00%00%00%00%00%01%00%00", "string is too long (at byte 40)"},
	{"tag-padding", "M =%01%00%00%00%00%00%00%00(%00%00%00%00%00%00%ff type directory )",
	 "non-zero padding (at byte 33)"},
	{"directory-tag", "M ( type directory file )",
	 "expected tag 'entry' or ')', got 'file' (at byte 80)"},
	{"directory-with-contents", "M ( type directory contents x )",
	 "expected tag 'entry' or ')', got 'contents'"},
	{"name-empty", "M ( type directory entry ( name ~ node ( type directory ) ) )",
	 "NAR contains invalid file name ''"},
	{"name-dot", "M ( type directory entry ( name . node ( type directory ) ) )",
	 "NAR contains invalid file name '.'"},
	{"name-dot-dot", "M ( type directory entry ( name .. node ( type directory ) ) )",
	 "NAR contains invalid file name '..'"},
	{"name-slash", "M ( type directory entry ( name a/b node ( type directory ) ) )",
	 "NAR contains invalid file name 'a/b' (at byte 128)"},
	{"name-absolute", "M ( type directory entry ( name /etc node ( type directory ) ) )",
	 "NAR contains invalid file name '/etc'"},
	{"name-nul", "M ( type directory entry ( name a%00 node ( type directory ) ) )",
	 "NAR contains invalid file name 'a'"},
	{"name-256", "M ( type directory entry ( name @256:n node ( type directory ) ) )",
	 "string is too long"},
	{"names-unsorted",
	 "M ( type directory entry ( name b node ( type directory ) ) " NODE_A " )",
	 "NAR directory is not sorted: 'a' follows 'b'"},
	{"names-unsorted-high",
	 "M ( type directory entry ( name %80 node ( type directory ) ) " NODE_A " )",
	 "NAR directory is not sorted"},
	{"names-longer-first",
	 "M ( type directory entry ( name aa node ( type directory ) ) " NODE_A " )",
	 "NAR directory is not sorted"},
	{"names-twice", "M ( type directory " NODE_A " " NODE_A " )",
	 "NAR directory is not sorted: 'a' follows 'a'"},
	{"node-before-name", "M ( type directory entry ( node ( type directory ) name a ) )",
	 "expected tag 'name', got 'node'"},
	{"no-node-tag", "M ( type directory entry ( name a ( type directory ) ) )",
	 "expected tag 'node', got '('"},
	{"entry-not-closed",
	 "M ( type directory entry ( name a node ( type directory ) " NODE_A " ) )",
	 "expected tag ')', got 'entry'"},
	{"entry-empty", "M ( type directory entry ( ) )", "expected tag 'name', got ')'"},
	{"not-closed", "M ( type directory", "unexpected end-of-file (at byte 80)"},
	{"trailing-byte", "M ( type directory ) =x", "data after its end (at byte 96)"},
	{"trailing-zeros", "M ( type regular contents x ) ~", "data after its end"},
	{"two-nars", "M ( type directory ) M ( type directory )", "data after its end"},
};

#endif
