/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/request/pre_build_hook.h"

#include <string.h>

#include "hook/base/subprocess.h"
#include "hook/request/pre_build_hook_internal.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define SETTING "pre-build-hook"
#define OUTPUT_MAX (16u << 20)

bool pre_build_hook_is_set(const struct settings *s)
{
	const char *program = settings_get(s, SETTING);

	return program && program[0];
}

int pre_build_hook_parse(const char *text, size_t len, struct strv *ret, struct err *e)
{
	const char *p = text, *end = text + len, *lf;
	bool in_paths = false;

	for (; p < end && (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1) {
		scoped_free char *line = str_ndup(p, (size_t)(lf - p), e);

		if (!line)
			return -1;
		if (in_paths && !line[0])
			in_paths = false;
		else if (in_paths && strv_add(ret, line, e) < 0)
			return -1;
		else if (!in_paths && !str_eq(line, "extra-sandbox-paths") &&
			 !str_eq(line, "extra-chroot-dirs"))
			return err_set(e, ERR_INPUT, "unknown pre-build hook command '%s'", line);
		else
			in_paths = true;
	}
	return 0;
}

int pre_build_hook_run(const struct request_source *in, const char *root, int log_fd,
		       struct request *r, struct err *e)
{
	const char *program = settings_get(in->settings, SETTING);
	/* argv of exec is not const for historical reasons only. */
	const char *const argv[] = {program, in->drv->path, root, NULL};
	scoped_buf struct buf out = BUF_INIT(OUTPUT_MAX);
	scoped_strv struct strv paths = STRV_INIT;

	if (subprocess_run_told((char *const *)(uintptr_t)argv, log_fd,
				settings_quote(in->settings), &out, e) < 0 ||
	    pre_build_hook_parse(out.data, out.len, &paths, e) < 0)
		return -1;
	if (request_add_host_paths(in, &paths, r, e) < 0)
		return err_wrap(e, "the paths that the pre-build hook '%s' has printed", program);
	return 0;
}
