/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin/params.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

int params_load(struct params *p, const char *path, struct err *e)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, "opening '%s'", path);
	if (buf_reserve(&p->text, 0, e) < 0 || buf_read_fd(&p->text, fd, path, e) < 0)
		return -1;
	if (p->text.len && p->text.data[p->text.len - 1] != '\0')
		return err_set(e, ERR_INPUT, "'%s' ends in the middle of a record", path);
	if (unlink(path) < 0)
		return err_sys(e, "removing '%s'", path);
	return 0;
}

const char *params_next(const struct params *p, const char *name, size_t *pos)
{
	size_t name_len = strlen(name);

	while (*pos < p->text.len) {
		const char *record = p->text.data + *pos;

		*pos += strlen(record) + 1;
		if (strncmp(record, name, name_len) == 0 && record[name_len] == '=')
			return record + name_len + 1;
	}
	return NULL;
}

const char *params_get(const struct params *p, const char *name)
{
	size_t pos = 0;

	return params_next(p, name, &pos);
}

bool params_true(const struct params *p, const char *name)
{
	const char *value = params_get(p, name);

	return value && str_eq(value, "1");
}

int params_u64(const struct params *p, const char *name, uint64_t def, uint64_t *ret, struct err *e)
{
	const char *value = params_get(p, name);

	*ret = def;
	if (value && !num_parse_u64(value, strlen(value), UINT64_MAX, ret))
		return err_set(e, ERR_INPUT, "'%s' is not a number: '%s'", name, value);
	return 0;
}

void params_done(struct params *p)
{
	buf_done(&p->text);
}
