/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/host/memory_budget.h"

#include <fcntl.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define MEMINFO_MAX (1u << 16)
/* With `auto` this part of the machine's memory is for everything else. */
#define KEPT_BACK_DIVISOR 10

/* Find the line "KEY:   N kB" in TEXT. */
static bool find_kib(const char *text, const char *key, uint64_t *ret)
{
	const size_t len = strlen(key);

	for (const char *p = text; *p; p = *p ? p + 1 : p) {
		if (strncmp(p, key, len) == 0 && p[len] == ':') {
			p += len + 1;
			p += strspn(p, " ");
			return num_parse_u64(p, strspn(p, "0123456789"), UINT64_MAX >> 10, ret);
		}
		p = strchrnul(p, '\n');
	}
	return false;
}

int memory_info_parse(const char *text, struct memory_info *ret, struct err *e)
{
	uint64_t total, available;

	if (!find_kib(text, "MemTotal", &total) || !find_kib(text, "MemAvailable", &available))
		return err_set(
			e, ERR_SYSTEM,
			"/proc/meminfo does not tell how much memory there is; 'memory-budget' "
			"has to be a size in bytes");
	*ret = (struct memory_info){total << 10, available << 10};
	return 0;
}

int memory_info_read(struct memory_info *ret, struct err *e)
{
	scoped_buf struct buf b = BUF_INIT(MEMINFO_MAX);

	if (io_read_file(AT_FDCWD, "/proc/meminfo", &b, e) < 0 || buf_addc(&b, '\0', e) < 0)
		return -1;
	return memory_info_parse(b.data, ret, e);
}

uint64_t memory_budget(const struct conf_amount *amount, const struct memory_info *info,
		       uint64_t in_use)
{
	const uint64_t kept_back = info->total / KEPT_BACK_DIVISOR;
	const uint64_t could_have = info->available + in_use;

	switch (amount->kind) {
	case AMOUNT_BYTES:
		return amount->n;
	case AMOUNT_PERCENT:
		return info->total / 100 * amount->n;
	case AMOUNT_AUTO:
		return could_have > kept_back ? could_have - kept_back : 0;
	}
	return 0;
}
