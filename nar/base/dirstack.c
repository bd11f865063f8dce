/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/base/dirstack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nar/base/buf.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define BASE ((size_t)16)

/*
 * Tell whether directory I stays open while TOP is the last. A multiple of a power P of BASE stays
 * until TOP is BASE * P below it; the root always stays.
 */
static bool stays(size_t i, size_t top)
{
	size_t step = 1;

	while (i && i % (step * BASE) == 0)
		step *= BASE;
	return i == 0 || top - i < step * BASE;
}

/* Close L, if it is open, and remember which directory it is for open_again(). -1: errno. */
static int close_level(struct dirstack_level *l)
{
	struct stat st;

	if (l->fd < 0)
		return 0;
	if (fstat(l->fd, &st) < 0)
		return -1;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	close(TAKE(l->fd, -1));
	return 0;
}

/*
 * Close the directories that stayed open until TOP became the last: at most one for each power of
 * BASE. -1: errno.
 */
static int close_some(struct dirstack *d, size_t top)
{
	for (size_t back = BASE; back <= top; back *= BASE)
		if (!stays(top - back, top) && close_level(&d->levels[top - back]) < 0)
			return -1;
	return 0;
}

int dirstack_push(struct dirstack *d, int fd, struct err *e)
{
	scoped_fd int mine = fd;

	if (mem_grow(&d->levels, &d->cap, d->n + 1, sizeof *d->levels, e) < 0)
		return -1;
	d->levels[d->n++] = (struct dirstack_level){.fd = TAKE(mine, -1)};
	if (close_some(d, d->n - 1) < 0)
		return err_sys(e, "getting status of a directory");
	return 0;
}

/* Open directory I by its name in directory I - 1, which is open. -1: errno. */
static int open_again(struct dirstack *d, size_t i)
{
	struct dirstack_level *l = &d->levels[i];
	struct stat st;
	scoped_fd int fd = openat(d->levels[i - 1].fd, d->name_of(d->ctx, i),
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_dev != l->dev || st.st_ino != l->ino) {
		errno = ESTALE;
		return -1;
	}
	l->fd = TAKE(fd, -1);
	return 0;
}

int dirstack_fd(struct dirstack *d)
{
	assert(d->n > 0);
	size_t top = d->n - 1, i = top;

	while (d->levels[i].fd < 0)
		i--;
	for (; i < top; i++) {
		if (open_again(d, i + 1) < 0)
			return -1;
		if (!stays(i, top) && close_level(&d->levels[i]) < 0)
			return -1;
	}
	return d->levels[top].fd;
}

void dirstack_pop(struct dirstack *d)
{
	assert(d->n > 0);
	int fd = d->levels[--d->n].fd;

	if (fd >= 0)
		close(fd);
}

void dirstack_done(struct dirstack *d)
{
	int saved = errno;

	while (d->n)
		dirstack_pop(d);
	free(TAKE(d->levels, NULL));
	d->cap = 0;
	errno = saved;
}
