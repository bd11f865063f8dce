/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin/builtin.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Libraries that the C library loads only when it needs them. */
static const char *const late[] = {
	"libgcc_s.so.1", /* for pthread_cancel(3), in the threads of libcurl's resolver */
#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
	"libnss_files.so.2", /* a part of libc.so since 2.34 */
	"libnss_dns.so.2",
#endif
};

static int print_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
	unsigned long loader = getauxval(AT_BASE);

	/* The program's name is empty, and the name of the kernel's object has no directory. */
	if (info->dlpi_name && info->dlpi_name[0] == '/')
		printf("%s %s\n", loader && info->dlpi_addr == loader ? "loader" : "lib",
		       info->dlpi_name);
	return 0;
}

int builtin_print_libs(struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(late); i++)
		(void)dlopen(late[i], RTLD_NOW); /* a missing library is not needed either */
	dl_iterate_phdr(print_object, NULL);
	if (fflush(stdout) != 0)
		return err_sys(e, "writing the list of libraries");
	return 0;
}
