/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The NAR reader: what it accepts is written back to the same bytes, reading contents and skipping
 * them accept the same, in whatever pieces the bytes come, and a refusal has a message.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "nar/base/buf.h"
#include "nar/reader.h"
#include "nar/writer.h"
#include "tests/piecewise.h"

#include "nar/base/banned.h"

/* What the writer makes has to be the input, byte for byte. */
static int compare(void *ctx, char **buf, size_t n, struct err *e)
{
	struct piecewise *p = ctx;

	FUZZ_CHECK(n <= p->len - p->pos && memcmp((const char *)p->data + p->pos, *buf, n) == 0);
	p->pos += n;
	return 0;
}

static void check_event(const struct nar_event *ev)
{
	if (ev->type == NAR_LINK)
		FUZZ_CHECK(ev->size_bytes > 0 && ev->size_bytes <= NAR_TARGET_MAX);
	if (ev->type == NAR_DATA)
		FUZZ_CHECK(ev->size_bytes > 0);
	else if (ev->type != NAR_DIR_END)
		FUZZ_CHECK(strlen(ev->name) <= NAR_NAME_MAX && !strchr(ev->name, '/'));
}

static int read_all(const uint8_t *data, size_t size, size_t step, bool skip)
{
	struct err e = ERR_INIT;
	struct piecewise in = {data, size, 0, step}, out = {data, size, 0, 0};
	struct nar_source src = {read_piece, &in};
	/* A small buffer is filled more often, and large blocks are slow under AddressSanitizer. */
	const struct nar_limits lim = {.buf_bytes = NAR_READER_BUF_MIN};
	scoped_nar_reader struct nar_reader *r = nar_reader_new_source(&src, &lim, &e);
	char room[NAR_WRITER_MIN], *p = room;
	struct nar_writer w;
	struct nar_event ev;
	int rc;

	FUZZ_CHECK(r);
	nar_writer_init(&w, room, sizeof room, compare, &out);
	while ((rc = nar_next(r, &ev, &e)) > 0) {
		check_event(&ev);
		if (!skip)
			FUZZ_CHECK(nar_writer_event(&w, &ev, &e) == 0);
		else if (ev.type == NAR_FILE && nar_skip_contents(r, &e) < 0)
			rc = -1;
		if (rc < 0)
			break;
	}
	FUZZ_CHECK_ERR(rc, &e);
	if (rc == 0 && !skip) {
		FUZZ_CHECK(nar_writer_finish(&w) == size);
		FUZZ_CHECK(compare(&out, &p, w.len, &e) == 0 && out.pos == size);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int whole = read_all(data, size, SIZE_MAX, false);

	FUZZ_CHECK(read_all(data, size, SIZE_MAX, true) == whole);
	FUZZ_CHECK(read_all(data, size, 13, false) == whole);
	return 0;
}
