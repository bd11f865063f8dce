/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/report/human.h"

#include <stdio.h>
#include <time.h>

#include "nar/base/banned.h"

const char *human_bytes(uint64_t n, char ret[static HUMAN_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n;
	unsigned i = 0;

	/* 1023.7 KiB would be printed as 1024 KiB. */
	for (; v >= 1023.5; i++)
		v /= 1024;
	snprintf(ret, HUMAN_MAX, i && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[i]);
	return ret;
}

const char *human_time(uint64_t us, char ret[static HUMAN_MAX])
{
	const uint64_t minutes = us / 60000000;

	if (us < 9995000)
		snprintf(ret, HUMAN_MAX, "%.2fs", (double)us / 1e6);
	else if (minutes < 60)
		snprintf(ret, HUMAN_MAX, "%.1fs", (double)us / 1e6);
	else
		snprintf(ret, HUMAN_MAX, "%lluh%02llum", (unsigned long long)minutes / 60,
			 (unsigned long long)minutes % 60);
	return ret;
}

const char *human_date(uint64_t us_since_1970, char ret[static HUMAN_MAX])
{
	const time_t t = (time_t)(us_since_1970 / 1000000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(ret, HUMAN_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(ret, HUMAN_MAX, "?");
	return ret;
}
