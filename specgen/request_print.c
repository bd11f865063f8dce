/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "specgen/request.h"

#include <stdio.h>

#include "specgen/json.h"

#include "nar/base/banned.h"

static void print_opt(struct jw *w, const char *key, const char *s)
{
	if (s)
		jw_bstring(w, key, s);
}

static void print_list(struct jw *w, const char *key, const struct strv *v)
{
	jw_array(w, key);
	for (size_t i = 0; i < v->n; i++)
		jw_bstring(w, NULL, v->items[i]);
	jw_end(w);
}

static void print_inputs(struct jw *w, const struct request *r)
{
	jw_array(w, "inputs");
	for (size_t i = 0; i < r->n_inputs; i++) {
		jw_inline_object(w, NULL);
		jw_bstring(w, "path", r->inputs[i].path);
		print_opt(w, "source", r->inputs[i].source);
		print_opt(w, "nar_hash", r->inputs[i].nar_hash);
		jw_end(w);
	}
	jw_end(w);
}

static void print_outputs(struct jw *w, const struct request *r)
{
	jw_array(w, "outputs");
	for (size_t i = 0; i < r->n_outputs; i++) {
		jw_inline_object(w, NULL);
		jw_bstring(w, "name", r->outputs[i].name);
		jw_bstring(w, "path", r->outputs[i].path);
		jw_end(w);
	}
	jw_end(w);
}

static void print_env(struct jw *w, const struct request *r)
{
	jw_array(w, "environment_vars");
	for (size_t i = 0; i < r->n_env; i++) {
		jw_inline_object(w, NULL);
		jw_bstring(w, "key", r->env[i].key);
		jw_bytes(w, "value", r->env[i].value, r->env[i].value_len);
		jw_end(w);
	}
	jw_end(w);
}

static void print_files(struct jw *w, const struct request *r)
{
	char mode[12];

	jw_array(w, "additional_files");
	for (size_t i = 0; i < r->n_files; i++) {
		jw_inline_object(w, NULL);
		jw_bstring(w, "path", r->files[i].path);
		snprintf(mode, sizeof mode, "%04o", (unsigned)r->files[i].mode);
		jw_string(w, "mode", mode);
		jw_bytes(w, "contents", r->files[i].contents, r->files[i].len);
		jw_end(w);
	}
	jw_end(w);
}

static void print_constraints(struct jw *w, const struct request *r)
{
	jw_object(w, "constraints");
	jw_bstring(w, "system", r->constraints.system);
	jw_u64(w, "min_memory_bytes", r->constraints.min_memory_bytes);
	jw_array(w, "host_paths");
	for (size_t i = 0; i < r->constraints.n_host_paths; i++) {
		const struct req_host_path *h = &r->constraints.host_paths[i];
		jw_inline_object(w, NULL);
		jw_bstring(w, "target", h->target);
		jw_bstring(w, "source", h->source);
		jw_bool(w, "optional", h->optional);
		jw_bool(w, "readonly", h->readonly);
		jw_end(w);
	}
	jw_end(w);
	jw_bool(w, "network_access", r->constraints.network);
	jw_bool(w, "provide_bin_sh", r->constraints.provide_bin_sh);
	jw_bool(w, "uid_range", r->constraints.uid_range);
	jw_bool(w, "kvm", r->constraints.kvm);
	print_opt(w, "shm_size", r->constraints.shm_size);
	jw_end(w);
}

int req_print(const struct request *r, struct buf *b, struct err *e)
{
	struct jw w = JW_INIT(b, e);

	if (req_check(r, e) < 0)
		return -1;
	jw_object(&w, NULL);
	jw_u64(&w, "version", REQ_VERSION);
	jw_bstring(&w, "name", r->name);
	print_inputs(&w, r);
	print_list(&w, "command_args", &r->args);
	print_opt(&w, "argv0", r->argv0);
	jw_bstring(&w, "working_dir", r->working_dir);
	print_list(&w, "scratch_paths", &r->scratch_paths);
	jw_bstring(&w, "inputs_dir", r->inputs_dir);
	print_outputs(&w, r);
	print_env(&w, r);
	print_constraints(&w, r);
	print_files(&w, r);
	print_list(&w, "refscan_needles", &r->needles);
	jw_end(&w);
	return jw_done(&w);
}
