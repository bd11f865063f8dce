/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hook/json/jdoc.h"
#include "nar/base/scope.h"
#include "specgen/json.h"

#include "nar/base/banned.h"

static const char *const text_names[] = {
	[REPORT_DERIVATION] = "derivation", [REPORT_NAME] = "name",
	[REPORT_PNAME] = "pname",           [REPORT_PACKAGE_VERSION] = "package_version",
	[REPORT_SYSTEM] = "system",         [REPORT_RUNTIME] = "runtime",
	[REPORT_MESSAGE] = "message",       [REPORT_FORGET] = "forget",
};
static_assert(ARRAY_SIZE(text_names) == REPORT_TEXTS, "a name for each text");

static const char *const number_names[] = {
	[REPORT_PID] = "pid",
	[REPORT_NIX_PID] = "nix_pid",
	[REPORT_CLIENT_PID] = "client_pid",
	[REPORT_CLIENT_UID] = "client_uid",
	[REPORT_SLOT] = "slot",
	[REPORT_START_US] = "start_us",
	[REPORT_WALL_US] = "wall_us",
	[REPORT_WAIT_SLOT_US] = "wait_slot_us",
	[REPORT_WAIT_MEMORY_US] = "wait_memory_us",
	[REPORT_WAIT_INPUTS_US] = "wait_inputs_us",
	[REPORT_INPUTS_US] = "inputs_us",
	[REPORT_CONTAINER_US] = "container_us",
	[REPORT_BUILD_US] = "build_us",
	[REPORT_OUTPUTS_US] = "outputs_us",
	[REPORT_REGISTRATION_US] = "registration_us",
	[REPORT_CPU_USER_US] = "cpu_user_us",
	[REPORT_CPU_SYSTEM_US] = "cpu_system_us",
	[REPORT_MEMORY_PEAK_BYTES] = "memory_peak_bytes",
	[REPORT_LARGEST_PROC_BYTES] = "largest_process_bytes",
	[REPORT_SWAP_PEAK_BYTES] = "swap_peak_bytes",
	[REPORT_IO_READ_BYTES] = "io_read_bytes",
	[REPORT_IO_WRITTEN_BYTES] = "io_written_bytes",
	[REPORT_PRESSURE_MEMORY_US] = "pressure_memory_us",
	[REPORT_PRESSURE_IO_US] = "pressure_io_us",
	[REPORT_PRESSURE_CPU_US] = "pressure_cpu_us",
	[REPORT_PIDS_PEAK] = "pids_peak",
	[REPORT_INPUTS] = "inputs",
	[REPORT_INPUTS_BYTES] = "inputs_bytes",
	[REPORT_OUTPUTS_BYTES] = "outputs_bytes",
	[REPORT_LOG_BYTES] = "log_bytes",
	[REPORT_MEMORY_MAX_BYTES] = "memory_max_bytes",
	[REPORT_MEMORY_HIGH_BYTES] = "memory_high_bytes",
	[REPORT_SWAP_MAX_BYTES] = "swap_max_bytes",
	[REPORT_CPU_MAX_MILLI] = "cpu_max_milli",
	[REPORT_PIDS_MAX] = "pids_max",
	[REPORT_EXIT_CODE] = "exit_code",
	[REPORT_SIGNAL] = "signal",
	[REPORT_TRIES] = "tries",
};
static_assert(ARRAY_SIZE(number_names) == REPORT_NUMBERS, "a name for each number");

static const char *const end_names[] = {
	[REPORT_SUCCESS] = "success", [REPORT_EXITED] = "exit",     [REPORT_SIGNALED] = "signal",
	[REPORT_OOM] = "oom",         [REPORT_TIMEOUT] = "timeout", [REPORT_SILENCE] = "silence",
	[REPORT_FLOODED] = "flood",   [REPORT_REFUSED] = "refused", [REPORT_STOPPED] = "stopped",
	[REPORT_ERROR] = "error",
};
static_assert(ARRAY_SIZE(end_names) == REPORT_ENDS, "a name for each end");

void report_init(struct report *r)
{
	*r = (struct report)REPORT_INIT;
	for (size_t i = 0; i < REPORT_NUMBERS; i++)
		r->n[i] = REPORT_UNKNOWN;
	r->end = REPORT_ERROR;
}

void report_done(struct report *r)
{
	for (size_t i = 0; i < REPORT_TEXTS; i++)
		free(r->text[i]);
	strv_done(&r->outputs);
	for (size_t i = 0; i < r->n_phases; i++)
		free(r->phases[i].name);
	free(r->phases);
	report_init(r);
}

const char *report_end_name(enum report_end end)
{
	return end_names[end];
}

const char *report_number_name(enum report_number number)
{
	return number_names[number];
}

/* How many bytes of S, at most MAX, are whole characters. */
static size_t cut_at(const char *s, size_t max)
{
	size_t n = 0;

	while (s[n]) {
		const size_t c = utf8_len(s + n, strnlen(s + n, 4));

		if (c == 0 || n + c > max)
			break;
		n += c;
	}
	return n;
}

static bool is_plain(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return str_is_utf8(s);
}

int report_set_text(struct report *r, enum report_text which, const char *s, struct err *e)
{
	scoped_free char *line = str_ndup(s, strcspn(s, "\n"), e);

	if (!line)
		return -1;
	if (!is_plain(line))
		return 0;
	line[cut_at(line, REPORT_TEXT_MAX)] = '\0';
	free(r->text[which]);
	r->text[which] = TAKE(line, NULL);
	return 0;
}

int report_add_phase(struct report *r, const char *name, uint64_t us, struct err *e)
{
	if (r->n_phases >= REPORT_PHASES_MAX || strlen(name) > REPORT_PHASE_NAME_MAX ||
	    !is_plain(name))
		return 0;
	if (mem_grow(&r->phases, &r->phases_cap, r->n_phases + 1, sizeof *r->phases, e) < 0)
		return -1;
	char *copy = str_dup(name, e);
	if (!copy)
		return -1;
	r->phases[r->n_phases++] = (struct report_phase){copy, us};
	return 0;
}

/* As builtins.parseDrvName: the version begins with the first '-' that no letter follows. */
static size_t name_without_version(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		const char c = name[n] == '-' ? name[n + 1] : '\0';

		if (c && !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			break;
	}
	return n ? n : strlen(name);
}

const char *report_group(const struct report *r, size_t *ret_len)
{
	const char *name = r->text[REPORT_NAME];

	if (r->text[REPORT_PNAME] && r->text[REPORT_PNAME][0]) {
		*ret_len = strlen(r->text[REPORT_PNAME]);
		return r->text[REPORT_PNAME];
	}
	if (!name || !*name)
		name = r->text[REPORT_DERIVATION] ? str_base(r->text[REPORT_DERIVATION]) : "";
	if (!*name)
		name = "?";
	*ret_len = name_without_version(name);
	return name;
}

/* ---- printing ---- */

static void print_phases(struct jw *w, const struct report *r)
{
	if (!r->n_phases)
		return;
	jw_array(w, "phases");
	for (size_t i = 0; i < r->n_phases; i++) {
		jw_object(w, NULL);
		jw_string(w, "phase", r->phases[i].name);
		jw_u64(w, "us", r->phases[i].us);
		jw_end(w);
	}
	jw_end(w);
}

int report_print(const struct report *r, struct buf *b, struct err *e)
{
	struct jw w = JW_INIT(b, e);

	jw_inline_object(&w, NULL);
	jw_u64(&w, "version", REPORT_VERSION);
	for (size_t i = 0; i < REPORT_TEXTS; i++)
		if (r->text[i])
			jw_string(&w, text_names[i], r->text[i]);
	if (r->outputs.n) {
		jw_array(&w, "outputs");
		for (size_t i = 0; i < r->outputs.n && i < REPORT_OUTPUTS_MAX; i++)
			jw_string(&w, NULL, r->outputs.items[i]);
		jw_end(&w);
	}
	if (!r->text[REPORT_FORGET])
		jw_string(&w, "end", end_names[r->end]);
	for (size_t i = 0; i < REPORT_NUMBERS; i++)
		if (r->n[i] != REPORT_UNKNOWN)
			jw_u64(&w, number_names[i], r->n[i]);
	print_phases(&w, r);
	jw_end(&w);
	return jw_done(&w);
}

/* ---- reading ---- */

static int wrong(const char *key, struct err *e)
{
	return err_set(e, ERR_INPUT, "a report whose '%s' is not what it should be", key);
}

static int parse_texts(const struct jdoc *o, struct report *r, struct err *e)
{
	for (size_t i = 0; i < REPORT_TEXTS; i++) {
		const struct jdoc *v = jdoc_get(o, text_names[i]);
		const char *text = jdoc_text(v);

		if (!v)
			continue;
		if (!text || strlen(text) > REPORT_TEXT_MAX || !is_plain(text))
			return wrong(text_names[i], e);
		r->text[i] = str_dup(text, e);
		if (!r->text[i])
			return -1;
	}
	if (!r->text[REPORT_DERIVATION] && !r->text[REPORT_FORGET])
		return wrong(text_names[REPORT_DERIVATION], e);
	return 0;
}

static int parse_numbers(const struct jdoc *o, struct report *r, struct err *e)
{
	for (size_t i = 0; i < REPORT_NUMBERS; i++) {
		const struct jdoc *v = jdoc_get(o, number_names[i]);

		if (!v)
			continue;
		/* Sums of them have to fit as well. */
		if (v->type != JDOC_UINT || v->natural > INT64_MAX)
			return wrong(number_names[i], e);
		r->n[i] = v->natural;
	}
	return report_knows(r, REPORT_START_US) ? 0 : wrong(number_names[REPORT_START_US], e);
}

static int parse_end(const struct jdoc *o, struct report *r, struct err *e)
{
	const char *text = jdoc_text(jdoc_get(o, "end"));

	if (r->text[REPORT_FORGET])
		return 0;
	for (int i = 0; text && i < REPORT_ENDS; i++)
		if (str_eq(end_names[i], text)) {
			r->end = (enum report_end)i;
			return 0;
		}
	return wrong("end", e);
}

static int parse_outputs(const struct jdoc *o, struct report *r, struct err *e)
{
	const struct jdoc *v = jdoc_get(o, "outputs");

	if (!v)
		return 0;
	if (v->type != JDOC_ARRAY || v->array.n > REPORT_OUTPUTS_MAX)
		return wrong("outputs", e);
	for (size_t i = 0; i < v->array.n; i++) {
		const char *text = jdoc_text(&v->array.items[i]);

		if (!text || strlen(text) > REPORT_TEXT_MAX || !is_plain(text))
			return wrong("outputs", e);
		if (strv_add(&r->outputs, text, e) < 0)
			return -1;
	}
	return 0;
}

static int parse_phases(const struct jdoc *o, struct report *r, struct err *e)
{
	const struct jdoc *v = jdoc_get(o, "phases");

	if (!v)
		return 0;
	if (v->type != JDOC_ARRAY || v->array.n > REPORT_PHASES_MAX)
		return wrong("phases", e);
	for (size_t i = 0; i < v->array.n; i++) {
		const char *name = jdoc_text(jdoc_get(&v->array.items[i], "phase"));
		const struct jdoc *us = jdoc_get(&v->array.items[i], "us");

		if (!name || !us || us->type != JDOC_UINT || us->natural > INT64_MAX)
			return wrong("phases", e);
		if (report_add_phase(r, name, us->natural, e) < 0)
			return -1;
	}
	return 0;
}

int report_parse(const char *line, size_t len, struct report *ret, struct err *e)
{
	scoped_jdoc struct jdoc doc = JDOC_INIT;
	scoped_report struct report r = REPORT_INIT;

	report_init(&r);
	if (len > REPORT_JSON_MAX)
		return err_set(e, ERR_LIMIT, "a report of more than %u bytes", REPORT_JSON_MAX);
	if (jdoc_parse(line, len, &doc, e) < 0)
		return -1;
	const struct jdoc *version = jdoc_get(&doc, "version");
	if (!version || version->type != JDOC_UINT)
		return wrong("version", e);
	if (version->natural != REPORT_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			       "a report of version %llu; this program reads %d",
			       (unsigned long long)version->natural, REPORT_VERSION);
	if (parse_texts(&doc, &r, e) < 0 || parse_numbers(&doc, &r, e) < 0 ||
	    parse_end(&doc, &r, e) < 0 || parse_outputs(&doc, &r, e) < 0 ||
	    parse_phases(&doc, &r, e) < 0)
		return -1;
	*ret = r;
	report_init(&r);
	return 0;
}
