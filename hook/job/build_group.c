/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/build_group.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/report/human.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/storepath.h"

#include "nar/base/banned.h"

/* A trivial build has about 60 threads of runsc's on a machine with two processors. */
#define GVISOR_PIDS 128
/* Threads of runc's, which are gone when the builder runs. */
#define RUNC_PIDS 64

void build_group_done(struct build_group *b)
{
	cgroup_group_done(&b->g);
	free(b->named);
	*b = BUILD_GROUP_INIT;
}

static struct cgroup_limits limits_of(const struct conf *c, const struct runtime *rt)
{
	struct cgroup_limits l = {
		.memory_max = c->memory_max,
		.memory_high = c->memory_high,
		.swap_max = c->swap_max,
		.pids_max = c->pids_max,
		.cpu_max = c->cpu_max,
		.cpu_weight = c->cpu_weight,
		.io_weight = c->io_weight,
	};

	l.bounds_swap = c->swap_max != CONF_UNLIMITED && (c->swap_max || c->memory_max);
	/* What stands for a process of gVisor's, and what gVisor is itself. */
	if (l.pids_max && rt->kind == RUNTIME_RUNSC)
		l.pids_max = l.pids_max * 2 + GVISOR_PIDS;
	/* runc begins in the group, and has one below with the exact limit for the container. */
	if (l.pids_max && rt->kind == RUNTIME_RUNC)
		l.pids_max += RUNC_PIDS;
	return l;
}

/* Tell whether this machine swaps; if that cannot be told, yes. */
static bool has_swap(void)
{
	scoped_buf struct buf b = BUF_INIT(1 << 16);
	struct err ignored = ERR_INIT;

	if (io_read_file(AT_FDCWD, "/proc/swaps", &b, &ignored) < 0 || !b.data)
		return true;
	/* A line of titles, and one for each device. */
	const char *nl = memchr(b.data, '\n', b.len);
	return nl && nl + 1 < b.data + b.len;
}

/* The name of a group as that of systemd's scope, in which an '@' would stand for a template. */
static char *scope_name(const char *name, struct err *e)
{
	char *scope = str_fmt(e, "%s.scope", name);

	for (char *p = scope; p && (p = strchr(p, '@'));)
		*p = '-';
	return scope;
}

static int choose(const struct job *j, bool uid_range, const char *name, const struct run *run,
		  struct build_group *ret, struct err *e)
{
	scoped_free char *scope = scope_name(name, e);
	const struct cgroup_wish wish = {
		.name = name,
		.parent = j->conf->cgroup_parent,
		.limits = &ret->limits,
		.counts = j->conf->cgroups == CGROUPS_ON || j->conf->cgroups == CGROUPS_AUTO,
		.optional = j->conf->cgroups == CGROUPS_AUTO,
		.v2 = uid_range,
		.keeper = run_pid(run),
		.scope = scope,
	};

	if (!scope)
		return -1;
	if (cgroup_choose(&wish, &ret->g, e) < 0)
		return uid_range && !cgroup_limits_controllers(&ret->limits)
			       ? err_wrap(e, "a build with the feature 'uid-range' needs a control "
					     "group of its own (see 'cgroups')")
			       : -1;
	ret->hands_over = uid_range;
	if (!ret->g.v2 || runtime_keeps_cgroup(j->runtime))
		return 0;
	ret->named = str_dup(ret->g.v2 + ret->g.v2_top_len, e);
	return ret->named ? 0 : -1;
}

/*
 * The name shows the derivation, by its hash, to people who look at the machine's groups. With v1,
 * runc moves the container in the hierarchy of v2, if there is one, to a group that has the
 * container's name ID and is where ours is: so ours has that name.
 */
static char *choose_name(const struct job *j, const char *id, const struct build_user *user,
			 struct err *e)
{
	if (runtime_makes_cgroups(j->runtime) && j->runtime->cgroups != CGROUP_V2)
		return str_dup(id, e);
	return str_fmt(e, CGROUP_BUILD_PREFIX "%.*s-%lu-%ld", STORE_HASH_LEN,
		       str_base(j->drv->path), (unsigned long)user->uid, (long)getpid());
}

/* With youki and unknown runtimes it has not been seen that a group is no trouble. */
static bool is_optional(const struct job *j)
{
	return j->conf->cgroups == CGROUPS_AUTO && j->runtime->kind != RUNTIME_YOUKI &&
	       j->runtime->kind != RUNTIME_OTHER;
}

/* A build that needs no group has none, because of *E. */
static int go_without(struct err *e)
{
	log_debug("the build has no control group of its own: %s", e->msg);
	err_clear(e);
	return 0;
}

int build_group_choose(const struct job *j, const char *id, bool uid_range,
		       const struct build_user *user, const struct run *run,
		       struct build_group *ret, struct err *e)
{
	struct build_group b = BUILD_GROUP_INIT;

	b.limits = limits_of(j->conf, j->runtime);
	const char *key = cgroup_limits_key(&b.limits, ~0u);
	if (key && j->conf->cgroups == CGROUPS_OFF)
		return err_set(e, ERR_INPUT,
			       "the limit '%s' needs control groups, and 'cgroups' is off", key);
	/* runsc shows a build groups of gVisor's instead. */
	uid_range =
		uid_range && j->conf->cgroups != CGROUPS_OFF && j->runtime->kind != RUNTIME_RUNSC;
	b.optional = !key && !uid_range && is_optional(j);
	if (!key && !uid_range && !b.optional && j->conf->cgroups != CGROUPS_ON)
		return 0;
	scoped_free char *name = choose_name(j, id, user, e);
	if (!name || choose(j, uid_range, name, run, &b, e) < 0) {
		const bool goes_on = name && b.optional;

		build_group_done(&b);
		return goes_on ? go_without(e) : -1;
	}
	*ret = b;
	return 0;
}

int build_group_make(struct build_group *b, const struct record *r, struct run *run,
		     const struct build_user *user, struct err *e)
{
	bool swap_unbounded;

	for (size_t i = 0; i < b->g.dirs.n; i++)
		if (record_cgroup(r, b->g.dirs.items[i], e) < 0)
			return -1;
	if (run_own_cgroups(run, &b->g.dirs, e) < 0)
		return -1;
	if (cgroup_make(&b->g, &b->limits, &swap_unbounded, e) < 0) {
		if (!b->optional)
			return -1;
		/* What was made is on the supervisor's list. */
		strv_done(&b->g.dirs);
		return go_without(e);
	}
	if (swap_unbounded && has_swap())
		log_warn("the limit 'swap-max' is not kept: this kernel does not count the swap of "
			 "control groups");
	return b->hands_over ? cgroup_hand_over(b->g.v2, user->uid, user->gid, e) : 0;
}

const char *build_group_dir(const struct build_group *b)
{
	return b->g.dirs.n ? b->g.dirs.items[b->g.memory] : NULL;
}

bool build_group_met_limit(const struct build_group *b, const struct run_result *r)
{
	const uint64_t max = b->limits.memory_max;
	const struct cgroup_value *peak = &r->usage.memory_peak_bytes;

	/* The peak does not quite get there where the last thing asked for is large. */
	return max && (!peak->known || peak->n >= max - max / 8);
}

int build_group_report_oom(const struct build_group *b, const char *drv, const struct runtime *rt,
			   const struct run_result *r, struct err *e)
{
	scoped_buf struct buf detail = BUF_INIT(ERR_MSG_MAX);
	char size[HUMAN_MAX];

	if (r->usage.memory_peak_bytes.known &&
	    buf_addf(&detail, e, "; its peak was %s",
		     human_bytes(r->usage.memory_peak_bytes.n, size)) < 0)
		return -1;
	/* The processes of gVisor are no business of a build's. */
	if (r->largest.name[0] && rt->kind != RUNTIME_RUNSC &&
	    buf_addf(&detail, e, "; its largest process was '%s' with %s", r->largest.name,
		     human_bytes(r->largest.bytes, size)) < 0)
		return -1;
	if (build_group_met_limit(b, r))
		return err_set(e, ERR_BUILD,
			       "builder for '%s' ran out of memory and was killed: it may use %s "
			       "(memory-max)%s; raise 'memory-max' if it needs more",
			       drv, human_bytes(b->limits.memory_max, size),
			       detail.data ? detail.data : "");
	return err_set(e, ERR_BUILD,
		       "builder for '%s' was killed because the machine ran out of memory%s; let "
		       "fewer builds run at once ('max-jobs'), or bound each ('memory-max')",
		       drv, detail.data ? detail.data : "");
}
