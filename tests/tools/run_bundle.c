/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run_bundle: run one bundle by hook/run/run.h and say how it ended. For
 * tests/hostile/containers.sh.
 *
 *	run_bundle [-t TIMEOUT] [-s SILENCE] [-p PERSONALITY] [-b BUILDER] [-n] [-m BYTES] RUNTIME
 *		BUNDLE STATE_DIR ID
 *
 * The log goes to standard output, the end to standard error: "exited 7". STATE_DIR is made, and
 * with a tree `owned` below it handed to the supervisor. -m: in a control group that bounds memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hook/cgroup/group.h"
#include "hook/run/run.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

struct options {
	struct run_limits lim;
	struct conf conf;
	struct cgroup_limits limits;
	uid_t uid;
	bool network;
};

static uint64_t number(const char *s)
{
	uint64_t n = 0;

	if (!num_parse_u64(s, strlen(s), UINT64_MAX, &n)) {
		fprintf(stderr, "'%s' is no number\n", s);
		exit(2);
	}
	return n;
}

/* The group of the container ID, if it is limited; *RET_ENTERS: the runtime is started in it. */
static int make_group(struct run *r, const struct options *o, const struct runtime *rt,
		      const char *id, bool *ret_enters, struct err *e)
{
	const struct cgroup_wish wish = {.name = id, .limits = &o->limits};
	struct cgroup_group g;
	bool swap_unbounded;

	if (cgroup_choose(&wish, &g, e) < 0)
		return -1;
	if (run_own_cgroups(r, &g.dirs, e) < 0)
		return -1;
	*ret_enters = !g.v2 || runtime_keeps_cgroup(rt);
	const int rc = cgroup_make(&g, &o->limits, &swap_unbounded, e);
	cgroup_group_done(&g);
	return rc;
}

static int go(struct run *r, const struct options *o, char **argv, struct run_result *ret,
	      struct err *e)
{
	scoped_runtime struct runtime rt = {0};

	if (runtime_find(&o->conf, &rt, e) < 0 || run_own_tree(r, argv[2], e) < 0)
		return -1;
	scoped_fd int fd = io_mkdir(AT_FDCWD, argv[2], 0700, e);
	if (fd < 0 || io_write_file(fd, "owned", 0600, "", 0, e) < 0)
		return -1;
	struct run_place at = {argv[1], argv[2], fd, -1, NULL};
	if (make_group(r, o, &rt, argv[3], &at.enters_group, e) < 0)
		return -1;
	const struct run_job job = {
		.runtime = &rt,
		.at = &at,
		.id = argv[3],
		.network = o->network,
		.uid = o->uid,
		.limits = &o->lim,
		.log_fd = STDOUT_FILENO,
	};
	return run_container(r, &job, ret, e);
}

static void say(const struct run_result *r)
{
	static const char *const names[] = {
		[RUN_EXITED] = "exited", [RUN_SIGNALED] = "signaled", [RUN_TIMED_OUT] = "timeout",
		[RUN_SILENT] = "silent", [RUN_OOM] = "oom",           [RUN_FLOODED] = "flooded",
	};

	fprintf(stderr, "%s %d\n", names[r->end], r->status);
}

int main(int argc, char **argv)
{
	struct options o = {.uid = 0};
	struct err e = ERR_INIT;
	struct run_result ret;
	int opt;

	while ((opt = getopt(argc, argv, "t:s:p:b:u:nm:")) >= 0)
		switch (opt) {
		case 't':
			o.lim.timeout_s = number(optarg);
			break;
		case 's':
			o.lim.max_silent_s = number(optarg);
			break;
		case 'p':
			o.lim.personality = number(optarg);
			break;
		case 'b':
			o.lim.builder = optarg;
			break;
		case 'u':
			o.uid = (uid_t)number(optarg);
			break;
		case 'n':
			o.network = true;
			break;
		case 'm':
			o.limits.memory_max = number(optarg);
			break;
		default:
			return 2;
		}
	if (argc - optind != 4)
		return 2;
	o.conf.runtime = argv[optind];
	struct run *r = run_start((const int[]){-1}, &e);
	int rc = r ? go(r, &o, argv + optind, &ret, &e) : -1;
	if (rc == 0)
		say(&ret);
	else
		fprintf(stderr, "error %d: %s\n", (int)e.kind, e.msg);
	err_clear(&e);
	if (r && run_finish(r, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		return 1;
	}
	return rc < 0;
}
