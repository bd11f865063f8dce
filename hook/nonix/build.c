/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/nonix/build.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/base/log.h"
#include "hook/inputs/input_cache.h"
#include "hook/nonix/caches.h"
#include "hook/nonix/progress.h"
#include "hook/nonix/target.h"
#include "hook/nonix/upload.h"
#include "hook/nonix/work.h"
#include "hook/run/run.h"
#include "hook/runtime/runtime.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/cache/dest.h"
#include "nar/storepath.h"
#include "specgen/json.h"

#include "nar/base/banned.h"

#define JSON_MAX (64u << 20)
#define LEVEL_MAX 22 /* the highest level of zstd; other methods have fewer levels */
/* The store directory, below the run's directory in the cache of inputs. */
#define STORE_NAME "store"
/*
 * Where Nix has its locks of build users. If Nix is installed, use them, so that no build user is
 * given out twice.
 */
#define NIX_STATE_DIR "/nix/var/nix"

/* ---- signals ---- */

static volatile sig_atomic_t signal_caught;
static int signal_pipe[2] = {-1, -1};

static void on_signal(int sig)
{
	const int saved = errno;

	signal_caught = sig;
	if (write(signal_pipe[1], "", 1) < 0)
		errno = 0; /* the pipe is full, so its reader wakes up anyway */
	errno = saved;
}

/* Catch each signal once; the second one kills this process. */
static int catch_signals(struct err *e)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "making a pipe");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], &sa, NULL) < 0)
			return err_sys(e, "catching signals");
	return 0;
}

/* Die of the caught signal, if there is one, so that the parent sees the signal. */
static void die_of_signal(void)
{
	if (!signal_caught)
		return;
	fflush(stdout);
	signal(signal_caught, SIG_DFL);
	raise(signal_caught);
}

/* ---- the state of the program ---- */

struct build {
	const struct build_options *o;
	struct conf *conf;
	const struct settings *settings;
	struct progress show;
	struct cache_options cache;
	struct compress_options compress;
	struct caches caches;
	struct build_source source;
	struct build_target target;
	struct build_fetch fetch;
	struct input_cache *icache;
	struct store store;
	struct run *run; /* the program's supervisor */
};

static int on_progress(void *ctx, const struct cache_progress *p)
{
	struct build *b = ctx;

	progress_progress(&b->show, p);
	return signal_caught != 0;
}

static void on_note(void *ctx, const char *text)
{
	struct build *b = ctx;

	progress_clear(&b->show);
	log_warn("%s", text);
}

static void build_done(struct build *b)
{
	struct err cleanup = ERR_INIT;

	progress_clear(&b->show);
	target_done(&b->target);
	build_fetch_done(&b->fetch);
	store_done(&b->store);
	caches_done(&b->caches);
	cache_set_free(b->caches.set);
	/* The supervisor removes the run's directory: input_cache_free() unlocks it only after. */
	if (b->run && run_finish(b->run, &cleanup) < 0)
		log_warn("%s", cleanup.msg);
	input_cache_free(b->icache);
}
#define scoped_build __attribute__((cleanup(build_done), unused))

static int open_caches(struct build *b, struct err *e)
{
	const struct strv *from = b->o->from;

	b->cache = b->o->cache;
	b->cache.store_dir = STORE_DIR_DEFAULT;
	b->cache.progress = on_progress;
	b->cache.note = on_note;
	b->cache.ctx = b;
	b->cache.no_sync = b->conf->sync == SYNC_OFF;
	b->caches.store_dir = STORE_DIR_DEFAULT;
	b->caches.set = cache_set_open((const char *const *)from->items, from->n, &b->cache, e);
	if (!b->caches.set)
		return -1;
	b->source = caches_source(&b->caches);
	return 0;
}

/* ---- the cache that gets the outputs ---- */

/* Read the parameters of DEST's URL, which are Nix's. The command line counts more. */
static int read_parameters(struct build *b, const struct cache_dest *dest, struct err *e)
{
	const char *compression = cache_dest_param(dest, "compression");
	const char *level = cache_dest_param(dest, "compression-level");
	const char *key = cache_dest_param(dest, "secret-key");
	uint64_t n = 0;

	if (compression && !b->o->compression_given &&
	    compression_parse(compression, &b->compress.compression, e) < 0)
		return err_wrap(e, "in '%s'", b->o->to);
	if (level && !num_parse_u64(level, strlen(level), LEVEL_MAX, &n))
		return err_set(e, ERR_INPUT, "in '%s': the compression-level is '%s', not a number",
			       b->o->to, level);
	if (level)
		b->compress.level = (int)n;
	return key ? secretkeys_read(b->o->secret_keys, key, e) : 0;
}

/* Find out whether DEST contains all outputs of the target: undamaged, and signed if O has keys. */
static int has_all(const struct build *b, struct cache_dest *dest, bool *ret, struct err *e)
{
	const struct drv *d = &b->target.drv;

	*ret = false;
	for (size_t i = 0; i < d->n_outputs; i++) {
		scoped_narinfo struct narinfo n = {0};
		int has;

		if (!d->outputs[i].path)
			return 0;
		has = upload_find(dest, b->caches.store_dir, d->outputs[i].path, &n, e);
		if (has <= 0)
			return has;
		if (b->o->secret_keys->n && !n.sigs.n)
			return 0;
	}
	*ret = true;
	return 0;
}

/*
 * Open the cache for the outputs, so that its faults are found before anything is built. A dry run
 * skips this, because opening creates files in the cache. *RET_PUBLISHED: all outputs are there.
 */
static int look_at_dest(struct build *b, bool *ret_published, struct err *e)
{
	scoped_cache_dest struct cache_dest *dest = NULL;

	*ret_published = false;
	b->compress = b->o->compress;
	if (b->o->dry_run)
		return 0;
	dest = cache_dest_open(b->o->to, &b->cache, e);
	if (!dest || read_parameters(b, dest, e) < 0)
		return -1;
	return b->o->rebuild ? 0 : has_all(b, dest, ret_published, e);
}

/* ---- a dry run ---- */

static void print_plan(const struct build *b)
{
	const struct build_target *t = &b->target;
	char download[PROGRESS_SIZE_MAX], unpacked[PROGRESS_SIZE_MAX];
	const size_t n = b->fetch.paths.n;

	printf(t->n_builds == 1 ? "this derivation will be built:\n"
				: "these %zu derivations will be built:\n",
	       t->n_builds);
	for (size_t i = 0; i < t->n_builds; i++)
		printf("  %s\n", t->builds[i]->drv.path);
	if (!n)
		return;
	progress_size(b->fetch.download_bytes, download);
	progress_size(b->fetch.nar_bytes, unpacked);
	if (n == 1)
		printf("this path will be fetched (%s download, %s unpacked):\n", download,
		       unpacked);
	else
		printf("these %zu paths will be fetched (%s download, %s unpacked):\n", n, download,
		       unpacked);
	for (size_t i = 0; i < n; i++)
		printf("  %s\n", b->fetch.paths.items[i]);
}

static int print_json(struct buf *text, struct jw *w, struct err *e)
{
	if (jw_done(w) < 0)
		return -1;
	fwrite(text->data, 1, text->len, stdout);
	return 0;
}

static int print_plan_json(const struct build *b, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(JSON_MAX);
	struct jw w = JW_INIT(&text, e);

	jw_object(&w, NULL);
	jw_array(&w, "build");
	for (size_t i = 0; i < b->target.n_builds; i++)
		jw_string(&w, NULL, b->target.builds[i]->drv.path);
	jw_end(&w);
	jw_array(&w, "fetch");
	for (size_t i = 0; i < b->fetch.paths.n; i++)
		jw_string(&w, NULL, b->fetch.paths.items[i]);
	jw_end(&w);
	jw_u64(&w, "downloadSize", b->fetch.download_bytes);
	jw_u64(&w, "narSize", b->fetch.nar_bytes);
	jw_end(&w);
	return print_json(&text, &w, e);
}

/* ---- results ---- */

static int print_result_json(const struct drv *d, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(JSON_MAX);
	struct jw w = JW_INIT(&text, e);

	/* The format of `nix build --json`. */
	jw_array(&w, NULL);
	jw_object(&w, NULL);
	if (str_ends(d->path, ".drv"))
		jw_string(&w, "drvPath", d->path);
	jw_object(&w, "outputs");
	for (size_t i = 0; i < d->n_outputs; i++)
		jw_string(&w, d->outputs[i].name, d->outputs[i].path);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	return print_json(&text, &w, e);
}

static int print_result(const struct build *b, const struct drv *d, struct err *e)
{
	if (b->o->json)
		return print_result_json(d, e);
	for (size_t i = 0; i < d->n_outputs; i++)
		printf("%s\n", d->outputs[i].path);
	return 0;
}

/* ---- the directory of the run ---- */

static int open_icache(struct build *b, struct err *e)
{
	const struct conf *c = b->conf;
	struct input_cache_options o = {.dir = c->cache_dir, .max_bytes = c->cache_size};

	if (!c->cache_dir[0])
		return err_set(e, ERR_INPUT,
			       "key 'cache-dir' has to be set where neither $XDG_CACHE_HOME nor "
			       "$HOME is");
	/* A dry run creates no cache; a missing cache is an empty one. */
	if (b->o->dry_run && access(c->cache_dir, F_OK) < 0)
		return 0;
	bool fsync_paths;
	if (settings_bool(b->settings, "sync-before-registering", false, &o.sync, e) < 0 ||
	    settings_bool(b->settings, "fsync-store-paths", false, &fsync_paths, e) < 0)
		return -1;
	o.sync = o.sync || fsync_paths;
	b->icache = input_cache_open(&o, e);
	return b->icache ? 0 : -1;
}

/*
 * Start the supervisor, which removes everything that is made from here on. The run's directory
 * gets the mode 0755, so that builds can reach their bundles through it, as through a store.
 */
static int start_run(struct build *b, struct err *e)
{
	const char *dir = input_cache_run_dir(b->icache);
	const int none = -1;

	b->run = run_start(&none, e);
	if (!b->run || run_own_tree(b->run, dir, e) < 0)
		return -1;
	input_cache_leave_run_dir(b->icache);
	if (input_cache_start(b->icache, e) < 0 ||
	    run_hold(b->run, input_cache_fd(b->icache), e) < 0)
		return -1;
	if (fchmod(input_cache_fd(b->icache), 0755) < 0)
		return err_sys(e, "setting the mode of '%s'", dir);
	scoped_fd int fd = io_mkdir(input_cache_fd(b->icache), STORE_NAME, 0755, e);
	return fd < 0 ? err_wrap(e, "in '%s'", dir) : 0;
}

static int open_store(struct build *b, const char *run_dir, struct err *e)
{
	scoped_free char *real_dir = str_fmt(e, "%s/" STORE_NAME, run_dir);
	const char *state_dir =
		access(NIX_STATE_DIR, W_OK) == 0 ? NIX_STATE_DIR : b->conf->state_dir;

	return real_dir ? store_open_mem(&b->store, b->caches.store_dir, real_dir, state_dir, e)
			: -1;
}

/* ---- the steps ---- */

static int plan(struct build *b, struct err *e)
{
	const struct decide_here here = {b->settings, &b->store, &b->conf->policy};

	if (target_plan(&b->target, &b->source, &b->caches, b->o->recursive, e) < 0 ||
	    open_icache(b, e) < 0 ||
	    open_store(b, b->icache ? input_cache_run_dir(b->icache) : "/nonexistent", e) < 0 ||
	    target_check(&b->target, &here, e) < 0)
		return -1;
	return caches_missing(&b->caches, &b->target.fetch, b->icache, &b->fetch, e);
}

static int pin(struct build *b, struct err *e)
{
	const struct strv *paths = &b->target.fetch;
	scoped_free const struct hash **hashes =
		mem_new(paths->n ? paths->n : 1, sizeof *hashes, e);

	if (!hashes)
		return -1;
	for (size_t i = 0; i < paths->n; i++)
		hashes[i] = &cache_find(b->caches.set, paths->items[i])->info.nar_hash;
	return input_cache_pin(b->icache, hashes, paths->n, e);
}

static int fetch(struct build *b, struct err *e)
{
	struct err trim = ERR_INIT;
	char download[PROGRESS_SIZE_MAX];
	int rc;

	if (pin(b, e) < 0)
		return -1;
	/* Entries may have been removed between the plan and the pins: look again. */
	build_fetch_done(&b->fetch);
	if (caches_missing(&b->caches, &b->target.fetch, b->icache, &b->fetch, e) < 0)
		return -1;
	b->caches.announce = !b->show.live;
	rc = caches_fetch(&b->caches, &b->fetch.paths, b->icache, e);
	progress_status(&b->show, "%s", "");
	if (rc < 0)
		return -1;
	if (b->fetch.paths.n)
		log_msg(LOG_INFO, "fetched %zu path%s (%s download)", b->fetch.paths.n,
			b->fetch.paths.n == 1 ? "" : "s",
			progress_size(b->fetch.download_bytes, download));
	if (input_cache_grew(b->icache) && input_cache_trim(b->icache, &trim) < 0)
		log_warn("keeping the cache of inputs small: %s", trim.msg);
	return caches_learn(&b->caches, &b->target.known, &b->store, e);
}

static int work(struct build *b, enum work_end *ret, struct err *e)
{
	scoped_runtime struct runtime runtime = {0};

	if (runtime_find(b->conf, &runtime, e) < 0)
		return -1;
	if (runtime.passed_over)
		log_msg(LOG_INFO, "builds run in '%s', as other runtimes cannot run here: %s",
			runtime.path, runtime.passed_over);
	const struct work w = {
		.conf = b->conf,
		.settings = b->settings,
		.runtime = &runtime,
		.store = &b->store,
		.show = &b->show,
		.to = b->o->to,
		.cache = &b->cache,
		.compress = b->compress,
		.secret_keys = b->o->secret_keys,
		.request = b->target.is_request ? &b->target.request : NULL,
		.max_jobs = b->o->max_jobs,
		.keep_going = b->o->keep_going,
		.stop_fd = signal_pipe[0],
		.hold_fd = run_fd(b->run),
	};
	return work_run(&w, b->target.builds, b->target.n_builds, ret, e);
}

static int build(struct build *b, struct err *e)
{
	const struct drv *d = &b->target.builds[b->target.n_builds - 1]->drv;
	enum work_end end = WORK_FAILED;

	b->conf->inputs = INPUTS_NAR; /* there is no store to bind them from */
	if (start_run(b, e) < 0 || fetch(b, e) < 0 || work(b, &end, e) < 0)
		return -1;
	switch (end) {
	case WORK_DONE:
		return print_result(b, d, e);
	case WORK_FAILED:
		return 1;
	case WORK_BUILD_FAILED:
		return 100;
	case WORK_TIMED_OUT:
		return 101;
	}
	return 1;
}

static int run(struct build *b, struct err *e)
{
	bool published;

	if (open_caches(b, e) < 0 || target_read(&b->target, b->o->target, &b->caches, e) < 0 ||
	    look_at_dest(b, &published, e) < 0)
		return -1;
	if (published) {
		log_msg(LOG_INFO, "all outputs are in '%s' already (--rebuild builds them again)",
			b->o->to);
		return print_result(b, &b->target.drv, e);
	}
	if (plan(b, e) < 0) {
		const char *trouble = cache_trouble(b->caches.set);

		/* Missing paths may be in a cache that did not answer. */
		if (trouble)
			log_warn("%s", trouble);
		return -1;
	}
	if (!b->o->dry_run)
		return build(b, e);
	if (b->o->json)
		return print_plan_json(b, e);
	print_plan(b);
	return 0;
}

/* Run the steps, and clean up. */
static int run_scoped(const struct build_options *o, struct conf *c, const struct settings *s,
		      struct err *e)
{
	scoped_build struct build b = {
		.o = o,
		.conf = c,
		.settings = s,
		.target = {.drv = DRV_INIT},
	};

	progress_init(&b.show);
	return run(&b, e);
}

int build_run(const struct build_options *o, struct conf *c, const struct settings *s,
	      struct err *e)
{
	int rc;

	if (catch_signals(e) < 0)
		return -1;
	rc = run_scoped(o, c, s, e);
	die_of_signal();
	return rc;
}
