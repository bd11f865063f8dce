/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Print what Nix sent to a build hook, read from standard input: settings as "set NAME=VALUE", each
 * request, and after WANTED requests (the first argument) the inputs and outputs.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook/nix/protocol.h"

#include "nar/base/banned.h"

static int decode(struct proto *p, uint64_t wanted, struct err *e)
{
	scoped_settings struct settings s = SETTINGS_INIT;
	scoped_job struct proto_job j = PROTO_JOB_INIT;

	if (proto_read_settings(p, &s, e) < 0)
		return -1;
	for (size_t i = 0; i < s.n; i++)
		printf("set %s=%s\n", s.items[i].name, s.items[i].value);
	for (uint64_t i = 0; i < wanted; i++) {
		scoped_try struct proto_try t = PROTO_TRY_INIT;
		int rc = proto_read_try(p, &t, e);

		if (rc < 0)
			return -1;
		if (rc == 0)
			return err_set(e, ERR_INPUT, "only %llu requests came",
				       (unsigned long long)i);
		printf("try %d %s %s", t.local_possible, t.system, t.drv_path);
		for (size_t f = 0; f < t.features.n; f++)
			printf(" %s", t.features.items[f]);
		putchar('\n');
	}
	if (proto_read_job(p, &j, e) < 0)
		return -1;
	for (size_t i = 0; i < j.inputs.n; i++)
		printf("input %s\n", j.inputs.items[i]);
	for (size_t i = 0; i < j.outputs.n; i++)
		printf("output %s\n", j.outputs.items[i]);
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	scoped_proto struct proto p = {.fd = -1};
	scoped_try struct proto_try more = PROTO_TRY_INIT;
	uint64_t wanted;

	if (argc != 2 || !num_parse_u64(argv[1], strlen(argv[1]), 100, &wanted))
		return 2;
	if (proto_init(&p, STDIN_FILENO, &e) < 0 || decode(&p, wanted, &e) < 0 ||
	    proto_read_try(&p, &more, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	if (more.drv_path) {
		fprintf(stderr, "one request more came\n");
		return 1;
	}
	return 0;
}
