/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/job/reporting.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/drv/attrs.h"
#include "hook/job/asker.h"
#include "hook/report/journal.h"
#include "hook/report/line.h"
#include "hook/report/metrics.h"
#include "nar/base/clock.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

void reporting_begin(struct reporting *r)
{
	pid_t client;
	uid_t uid;

	report_init(&r->report);
	r->since_us = clock_now_us();
	r->launcher_fd = -1;
	r->active = (struct active)ACTIVE_INIT;
	phases_init(&r->phases, &r->report);
	r->report.n[REPORT_START_US] = clock_real_us();
	r->report.n[REPORT_PID] = (uint64_t)getpid();
	r->report.n[REPORT_NIX_PID] = (uint64_t)getppid();
	if (asker_client(getppid(), &client, &uid)) {
		r->report.n[REPORT_CLIENT_PID] = (uint64_t)client;
		r->report.n[REPORT_CLIENT_UID] = uid;
	}
}

void reporting_done(struct reporting *r)
{
	if (!r->since_us)
		return; /* not begun */
	if (r->launcher_fd >= 0)
		close(TAKE(r->launcher_fd, -1));
	active_done(&r->active);
	report_done(&r->report);
}

void reporting_took(struct reporting *r, enum report_number which, uint64_t since_us)
{
	report_add(&r->report, which, clock_now_us() - since_us);
}

/* ---- while it runs ---- */

void reporting_open_active(const struct job *j)
{
	struct err e = ERR_INIT;

	active_done(&j->reporting->active); /* of the try before */
	if (active_open(&j->reporting->active, j->store->state_dir, &e) < 0)
		log_warn("the build is not among the active ones: %s", e.msg);
}

void reporting_fill_active(const struct job *j, struct run *run, uid_t uid, const char *cgroup)
{
	struct reporting *r = j->reporting;
	struct err e = ERR_INIT;

	if (r->active.path &&
	    (run_own_tree(run, r->active.path, &e) < 0 ||
	     report_set_text(&r->report, REPORT_DERIVATION, j->drv->path, &e) < 0 ||
	     active_write(&r->active, &r->report, run_pid(run), uid, cgroup, &e) < 0))
		log_warn("the build is not among the active ones: %s", e.msg);
}

static void hear_log(void *ctx, const char *data, size_t n)
{
	phases_feed(ctx, data, n);
}

/*
 * No runtime tells when the builder begins. But the launcher removes its own file just before, and
 * that changes the time of the file's status, which can be asked for as long as it is open here.
 */
static int open_launcher(const struct bundle *b, const char *launcher)
{
	struct err ignored = ERR_INIT;
	scoped_free char *path = str_fmt(&ignored, "%s/%s", b->build_dir, str_base(launcher));

	return path ? open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
}

void reporting_run_begin(struct reporting *r, struct run *run, const struct bundle *b,
			 const char *launcher)
{
	if (r->launcher_fd >= 0)
		close(r->launcher_fd);
	r->launcher_fd = open_launcher(b, launcher);
	r->try_us = clock_now_us();
	r->try_real_us = clock_real_us();
	report_add(&r->report, REPORT_TRIES, 1);
	run_listen(run, hear_log, &r->phases);
}

/* How long it took to start the builder. The time of a file is that of the last tick. */
static uint64_t container_start(const struct reporting *r, uint64_t total_us)
{
	struct stat st;

	if (r->launcher_fd < 0 || fstat(r->launcher_fd, &st) < 0 || st.st_nlink > 0)
		return REPORT_UNKNOWN;
	const uint64_t at = clock_timespec_us(&st.st_ctim);
	const uint64_t us = at > r->try_real_us ? at - r->try_real_us : 0;
	return us <= total_us ? us : REPORT_UNKNOWN;
}

/* Add V to WHICH, a sum over all tries, where V is known. */
static bool note_sum(struct report *r, enum report_number which, const struct cgroup_value *v)
{
	if (v->known)
		report_add(r, which, v->n);
	return v->known;
}

/* Raise WHICH, the highest value of all tries, to N. */
static void note_peak(struct report *r, enum report_number which, uint64_t n)
{
	if (!report_knows(r, which) || r->n[which] < n)
		r->n[which] = n;
}

static void note_known_peak(struct report *r, enum report_number which,
			    const struct cgroup_value *v)
{
	if (v->known)
		note_peak(r, which, v->n);
}

/*
 * Note what the build's control group counted. What it did not count is taken from U, which counts
 * the processes that were waited for.
 */
static void note_costs(struct report *r, const struct cgroup_usage *g, const struct run_rusage *u)
{
	if (!note_sum(r, REPORT_CPU_USER_US, &g->cpu_user_usec) && u)
		report_add(r, REPORT_CPU_USER_US, u->cpu_user_us);
	if (!note_sum(r, REPORT_CPU_SYSTEM_US, &g->cpu_system_usec) && u)
		report_add(r, REPORT_CPU_SYSTEM_US, u->cpu_system_us);
	if (!note_sum(r, REPORT_IO_READ_BYTES, &g->io_read_bytes) && u)
		report_add(r, REPORT_IO_READ_BYTES, u->read_bytes);
	if (!note_sum(r, REPORT_IO_WRITTEN_BYTES, &g->io_written_bytes) && u)
		report_add(r, REPORT_IO_WRITTEN_BYTES, u->written_bytes);
	if (u)
		note_peak(r, REPORT_LARGEST_PROC_BYTES, u->largest_bytes);
	note_known_peak(r, REPORT_MEMORY_PEAK_BYTES, &g->memory_peak_bytes);
	note_known_peak(r, REPORT_SWAP_PEAK_BYTES, &g->swap_peak_bytes);
	note_known_peak(r, REPORT_PIDS_PEAK, &g->pids_peak);
	note_sum(r, REPORT_PRESSURE_MEMORY_US, &g->memory_pressure.some_usec);
	note_sum(r, REPORT_PRESSURE_IO_US, &g->io_pressure.some_usec);
	note_sum(r, REPORT_PRESSURE_CPU_US, &g->cpu_pressure.some_usec);
}

void reporting_run_end(struct reporting *r, const struct run_result *res)
{
	const uint64_t total = clock_now_us() - r->try_us;
	const uint64_t start = container_start(r, total);

	phases_end(&r->phases);
	r->report.n[REPORT_LOG_BYTES] = r->phases.bytes;
	if (start != REPORT_UNKNOWN)
		report_add(&r->report, REPORT_CONTAINER_US, start);
	report_add(&r->report, REPORT_BUILD_US, start != REPORT_UNKNOWN ? total - start : total);
	note_costs(&r->report, &res->usage, res->has_rusage ? &res->rusage : NULL);
}

void reporting_outputs(struct reporting *r, const struct outputs_cost *cost, bool valid,
		       uint64_t since_us)
{
	r->report.n[REPORT_OUTPUTS_US] = clock_now_us() - since_us - cost->registration_us;
	if (cost->registration_us)
		r->report.n[REPORT_REGISTRATION_US] = cost->registration_us;
	if (valid)
		r->report.n[REPORT_OUTPUTS_BYTES] = cost->bytes;
}

int reporting_say(const struct job *j, const char *text, struct err *e)
{
	struct phases *p = &j->reporting->phases;
	scoped_buf struct buf b = BUF_INIT(ERR_MSG_MAX + 64);

	/* The builder's last words may lack their line feed. */
	if ((p->inside && buf_addc(&b, '\n', e) < 0) || buf_addf(&b, e, "note: %s\n", text) < 0)
		return -1;
	p->inside = false;
	return io_write(j->log_fd, b.data, b.len, "the build's log", e);
}

/* ---- the end ---- */

static enum report_end end_of(const struct run_result *res, int rc, const struct err *why)
{
	if (rc >= 0)
		return REPORT_SUCCESS;
	if (why->kind == ERR_STOPPED)
		return REPORT_STOPPED;
	if (why->kind != ERR_BUILD)
		return REPORT_ERROR;
	switch (res->end) {
	case RUN_EXITED:
		return res->status ? REPORT_EXITED : REPORT_REFUSED;
	case RUN_SIGNALED:
		return REPORT_SIGNALED;
	case RUN_TIMED_OUT:
		return REPORT_TIMEOUT;
	case RUN_SILENT:
		return REPORT_SILENCE;
	case RUN_OOM:
		return REPORT_OOM;
	case RUN_FLOODED:
		return REPORT_FLOODED;
	}
	return REPORT_ERROR;
}

static void fill_end(struct report *r, const struct run_result *res)
{
	const bool ran = r->end != REPORT_ERROR && r->end != REPORT_STOPPED;

	if (ran && res->end == RUN_EXITED)
		r->n[REPORT_EXIT_CODE] = (uint64_t)res->status;
	if (ran && (res->end == RUN_SIGNALED || res->end == RUN_OOM))
		r->n[REPORT_SIGNAL] = (uint64_t)res->status;
}

static int fill_names(struct report *r, const struct drv *d, struct err *e)
{
	scoped_attrs struct attrs attrs = ATTRS_INIT;
	const char *pname, *version;

	if (report_set_text(r, REPORT_DERIVATION, d->path, e) < 0 ||
	    report_set_text(r, REPORT_NAME, d->name, e) < 0 ||
	    report_set_text(r, REPORT_SYSTEM, d->system, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_outputs && i < REPORT_OUTPUTS_MAX; i++)
		if (strv_add(&r->outputs, d->outputs[i].name, e) < 0)
			return -1;
	if (attrs_open(&attrs, d, e) < 0)
		return -1;
	pname = attrs_text(&attrs, "pname");
	version = attrs_text(&attrs, "version");
	if (pname && report_set_text(r, REPORT_PNAME, pname, e) < 0)
		return -1;
	return version ? report_set_text(r, REPORT_PACKAGE_VERSION, version, e) : 0;
}

static int fill(const struct job *j, struct err *e)
{
	struct report *r = &j->reporting->report;
	uint64_t bytes;

	if (fill_names(r, j->drv, e) < 0 ||
	    (j->runtime->name && report_set_text(r, REPORT_RUNTIME, j->runtime->name, e) < 0))
		return -1;
	r->n[REPORT_INPUTS] = j->inputs->n;
	const int known = store_nar_sizes(j->store, j->inputs, &bytes, e);
	if (known > 0)
		r->n[REPORT_INPUTS_BYTES] = bytes;
	if (j->conf->memory_max)
		r->n[REPORT_MEMORY_MAX_BYTES] = j->conf->memory_max;
	if (j->conf->memory_high)
		r->n[REPORT_MEMORY_HIGH_BYTES] = j->conf->memory_high;
	if (j->conf->swap_max && j->conf->swap_max != CONF_UNLIMITED)
		r->n[REPORT_SWAP_MAX_BYTES] = j->conf->swap_max;
	if (j->conf->cpu_max)
		r->n[REPORT_CPU_MAX_MILLI] = j->conf->cpu_max;
	if (j->conf->pids_max)
		r->n[REPORT_PIDS_MAX] = j->conf->pids_max;
	return known < 0 ? -1 : 0;
}

static int write_line(const struct job *j, struct err *e)
{
	const struct reporting *r = j->reporting;
	scoped_buf struct buf b = BUF_INIT(REPORT_LINE_MAX + 2);

	if (!report_line_wanted(j->conf, r->report.end))
		return 0;
	/* The builder's last words may lack their line feed. */
	if ((r->phases.inside && buf_addc(&b, '\n', e) < 0) || report_line(&r->report, &b, e) < 0)
		return -1;
	return b.len ? io_write(j->log_fd, b.data, b.len, "the build's log", e) : 0;
}

void reporting_end(const struct job *j, const struct run_result *res, int rc, const struct err *why)
{
	struct report *r = &j->reporting->report;
	struct err e = ERR_INIT;

	r->n[REPORT_WALL_US] = clock_now_us() - j->reporting->since_us;
	r->end = end_of(res, rc, why);
	fill_end(r, res);
	if (fill(j, &e) < 0 || (rc < 0 && report_set_text(r, REPORT_MESSAGE, why->msg, &e) < 0)) {
		log_debug("the report of '%s' is not complete: %s", j->drv->path, e.msg);
		err_clear(&e);
	}
	if (r->text[REPORT_DERIVATION] && journal_append(j->conf, r, &e) < 0) {
		log_warn("the build is not in the journal: %s", e.msg);
		err_clear(&e);
	}
	if (r->text[REPORT_DERIVATION] && metrics_update(j->conf, r, &e) < 0) {
		log_warn("the build is not counted: %s", e.msg);
		err_clear(&e);
	}
	/* Where nobody reads the log any more, it is known by other means. */
	if (write_line(j, &e) < 0)
		log_debug("%s", e.msg);
}
