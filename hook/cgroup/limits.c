/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cgroup/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static const struct {
	enum cgroup_controller c;
	const char *v2, *v1;
} names[] = {
	{CGROUP_MEMORY, "memory", "memory"}, {CGROUP_PIDS, "pids", "pids"},
	{CGROUP_CPU, "cpu", "cpu"},          {CGROUP_IO, "io", "blkio"},
	{CGROUP_CPUACCT, NULL, "cpuacct"},
};
static_assert(ARRAY_SIZE(names) == CGROUP_CONTROLLERS, "a controller is missing");

const char *cgroup_controller_name(enum cgroup_controller c, bool v1)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].c == c)
			return v1 ? names[i].v1 : names[i].v2;
	return NULL;
}

/* CPU time is given out by the tenth of a second, which is the kernel's default. */
#define CPU_PERIOD_USEC 100000
#define USEC_PER_MILLI (CPU_PERIOD_USEC / 1000)

/* How a file wants its number. */
enum form {
	AS_IT_IS,
	MEMORY_AND_SWAP, /* v1's is the sum of both */
	QUOTA,           /* microseconds of each period */
	QUOTA_PERIOD,    /* the same with the period behind it */
	SHARES,          /* 1024 is the default of 100 */
	WEIGHT_1000,     /* at most 1000; 100 is the default */
};

/* Each limit with the files that keep it, of which a machine has one. */
static const struct limit {
	const char *key;
	enum cgroup_controller controller;
	size_t offset; /* of its number in struct cgroup_limits */
	const char *file;
	enum form form;
} limits[] = {
#define LIMIT(member) offsetof(struct cgroup_limits, member)
	{"memory-max", CGROUP_MEMORY, LIMIT(memory_max), "memory.max", AS_IT_IS},
	{"memory-max", CGROUP_MEMORY, LIMIT(memory_max), "memory.limit_in_bytes", AS_IT_IS},
	{"memory-high", CGROUP_MEMORY, LIMIT(memory_high), "memory.high", AS_IT_IS},
	/* After the limit of memory, which must not be above the sum. */
	{"swap-max", CGROUP_MEMORY, LIMIT(swap_max), "memory.swap.max", AS_IT_IS},
	{"swap-max", CGROUP_MEMORY, LIMIT(swap_max), "memory.memsw.limit_in_bytes",
	 MEMORY_AND_SWAP},
	{"pids-max", CGROUP_PIDS, LIMIT(pids_max), "pids.max", AS_IT_IS},
	{"cpu-max", CGROUP_CPU, LIMIT(cpu_max), "cpu.max", QUOTA_PERIOD},
	{"cpu-max", CGROUP_CPU, LIMIT(cpu_max), "cpu.cfs_quota_us", QUOTA},
	{"cpu-weight", CGROUP_CPU, LIMIT(cpu_weight), "cpu.weight", AS_IT_IS},
	{"cpu-weight", CGROUP_CPU, LIMIT(cpu_weight), "cpu.shares", SHARES},
	{"io-weight", CGROUP_IO, LIMIT(io_weight), "io.bfq.weight", WEIGHT_1000},
	{"io-weight", CGROUP_IO, LIMIT(io_weight), "io.weight", AS_IT_IS},
	{"io-weight", CGROUP_IO, LIMIT(io_weight), "blkio.bfq.weight", WEIGHT_1000},
	{"io-weight", CGROUP_IO, LIMIT(io_weight), "blkio.weight", WEIGHT_1000},
#undef LIMIT
};

static bool is_swap(const struct limit *limit)
{
	return limit->offset == offsetof(struct cgroup_limits, swap_max);
}

static uint64_t number_of(const struct cgroup_limits *l, const struct limit *limit)
{
	uint64_t n;

	memcpy(&n, (const char *)l + limit->offset, sizeof n);
	return n;
}

static bool is_set(const struct cgroup_limits *l, const struct limit *limit)
{
	return is_swap(limit) ? l->bounds_swap : number_of(l, limit) != 0;
}

unsigned cgroup_limits_controllers(const struct cgroup_limits *l)
{
	unsigned set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (is_set(l, &limits[i]))
			set |= limits[i].controller;
	return set;
}

const char *cgroup_limits_key(const struct cgroup_limits *l, unsigned controllers)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (is_set(l, &limits[i]) && limits[i].controller & controllers)
			return limits[i].key;
	return NULL;
}

static uint64_t weight_1000(uint64_t n)
{
	return n <= 100 ? n : 100 + (n - 100) * 900 / 9900;
}

static void print_number(const struct limit *limit, const struct cgroup_limits *l, char ret[64])
{
	uint64_t n = number_of(l, limit);

	switch (limit->form) {
	case AS_IT_IS:
		break;
	case MEMORY_AND_SWAP:
		if (__builtin_add_overflow(n, l->memory_max, &n))
			n = INT64_MAX;
		break;
	case QUOTA_PERIOD:
		snprintf(ret, 64, "%" PRIu64 " %d", n * USEC_PER_MILLI, CPU_PERIOD_USEC);
		return;
	case QUOTA:
		n *= USEC_PER_MILLI;
		break;
	case SHARES:
		n = n * 1024 / 100 < 2 ? 2 : n * 1024 / 100;
		break;
	case WEIGHT_1000:
		n = weight_1000(n);
		break;
	}
	snprintf(ret, 64, "%" PRIu64, n);
}

/* Write LIMIT into one of DIRS. 1: done; 0: none of them has the file; -1: *E. */
static int write_limit(const struct limit *limit, const struct cgroup_limits *l,
		       const struct strv *dirs, struct err *e)
{
	char text[64];

	print_number(limit, l, text);
	for (size_t i = 0; i < dirs->n; i++) {
		scoped_free char *path = str_fmt(e, "%s/%s", dirs->items[i], limit->file);

		if (!path)
			return -1;
		scoped_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || write(fd, text, strlen(text)) < 0) {
			err_sys(e, "writing '%s' to '%s'", text, path);
			return err_wrap(e, "the limit '%s' cannot be kept", limit->key);
		}
		return 1;
	}
	return 0;
}

/* Keep the limit whose files are in the rows from I on, before row END. As write_limit(). */
static int keep_one(size_t i, size_t end, const struct cgroup_limits *l, const struct strv *dirs,
		    struct err *e)
{
	int rc = 0;

	for (; rc == 0 && i < end; i++)
		/* Without a limit of memory there is no sum to be bounded. */
		if (limits[i].form != MEMORY_AND_SWAP || l->memory_max)
			rc = write_limit(&limits[i], l, dirs, e);
	return rc;
}

int cgroup_limits_write(const struct cgroup_limits *l, const struct strv *dirs,
			bool *ret_swap_unbounded, struct err *e)
{
	bool swap_unbounded = false;

	for (size_t i = 0, end; i < ARRAY_SIZE(limits); i = end) {
		for (end = i + 1;
		     end < ARRAY_SIZE(limits) && str_eq(limits[end].key, limits[i].key);)
			end++;
		const int rc = is_set(l, &limits[i]) ? keep_one(i, end, l, dirs, e) : 1;
		if (rc < 0)
			return -1;
		if (rc == 0 && is_swap(&limits[i]))
			swap_unbounded = true;
		else if (rc == 0)
			return err_set(e, ERR_SYSTEM,
				       "the limit '%s' cannot be kept: the control groups of this "
				       "machine have no file '%s'",
				       limits[i].key, limits[i].file);
	}
	*ret_swap_unbounded = swap_unbounded;
	return 0;
}
