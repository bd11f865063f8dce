/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nar/base/scope.h: resources that are freed when their variable leaves its scope.
 *
 *	scoped_fd int fd = open(...);           closed on every way out
 *	return TAKE(fd, -1);                    ... unless ownership moves
 *
 * A scoped variable is initialised in its declaration. The cleanups keep errno, so that a failing
 * function can still report the errno it failed with. No descriptor is -1; 0 is a descriptor.
 */
#ifndef NAR_BASE_SCOPE_H
#define NAR_BASE_SCOPE_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Return the value of VAR and set VAR to EMPTY, which passes ownership on. */
#define TAKE(var, empty)                        \
	__extension__({                         \
		__typeof__(var) taken_ = (var); \
		(var) = (empty);                \
		taken_;                         \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))

static inline void scope_close(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		/* Never retried: Linux frees the number even when close(2) says EINTR. */
		close(*fd);
		errno = saved;
	}
}

static inline void scope_free(void *p)
{
	free(*(void **)p);
}

static inline void scope_closedir(DIR *const *d)
{
	if (*d) {
		int saved = errno;
		closedir(*d);
		errno = saved;
	}
}

static inline void scope_fclose(FILE *const *f)
{
	if (*f) {
		int saved = errno;
		fclose(*f);
		errno = saved;
	}
}

/* unused: clang calls a variable unused that only its cleanup uses. */
#define scoped_fd __attribute__((cleanup(scope_close), unused))
#define scoped_free __attribute__((cleanup(scope_free), unused))
#define scoped_dir __attribute__((cleanup(scope_closedir), unused))
#define scoped_file __attribute__((cleanup(scope_fclose), unused))

#endif
