/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nix's requests: settings, then requests to build, then inputs and outputs, as far as the bytes
 * go. What is accepted holds no NUL, is within its limits and in order.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook/nix/protocol.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static void is_a_set(const struct strv *v)
{
	for (size_t i = 1; i < v->n; i++)
		FUZZ_CHECK(strcmp(v->items[i - 1], v->items[i]) < 0);
}

static void read_conversation(struct proto *p)
{
	struct err e = ERR_INIT;
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_try struct proto_try t = PROTO_TRY_INIT;
	scoped_job struct proto_job j = PROTO_JOB_INIT;
	int rc = proto_read_settings(p, &s, &e);

	FUZZ_CHECK_ERR(rc, &e);
	if (rc < 0)
		return;
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK(settings_get(&s, s.items[i].name) == s.items[i].value);
	rc = proto_read_try(p, &t, &e);
	FUZZ_CHECK_ERR(rc, &e);
	if (rc <= 0) {
		FUZZ_CHECK(!t.drv_path);
		return;
	}
	FUZZ_CHECK(t.system && t.drv_path);
	is_a_set(&t.features);
	rc = proto_read_job(p, &j, &e);
	FUZZ_CHECK_ERR(rc, &e);
	is_a_set(&j.inputs);
	is_a_set(&j.outputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	scoped_fd int fd = memfd_create("request", MFD_CLOEXEC);
	scoped_proto struct proto p = {.fd = -1};

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(io_write(fd, data, size, "request", &e) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	FUZZ_CHECK(proto_init(&p, fd, &e) == 0);
	read_conversation(&p);
	return 0;
}
