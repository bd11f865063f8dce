/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nar/secretkey.h"

#include <stdlib.h>
#include <string.h>

#include "nar/base/buf.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"
#include "nar/ed25519.h"

#include "nar/base/banned.h"

/* One byte more than a file may contain, for the NUL at its end. */
#define BLOCK_BYTES (SECRETKEY_FILE_MAX + 1)

static void wipe(char *const *block)
{
	if (!*block)
		return;
	explicit_bzero(*block, BLOCK_BYTES);
	free(*block);
}
#define scoped_block __attribute__((cleanup(wipe)))

void secretkeys_done(struct secretkeys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		wipe(&keys->items[i]);
	free(keys->items);
	*keys = (struct secretkeys)SECRETKEYS_INIT;
}

/* Read FD to its end into BLOCK, without the blanks at the end. */
static int read_block(int fd, char *block, const char *file, struct err *e)
{
	ssize_t n = io_read(fd, block, BLOCK_BYTES, file, e);

	if (n < 0)
		return -1;
	if (n == BLOCK_BYTES)
		return err_set(e, ERR_LIMIT, "'%s' is larger than the limit of %d bytes", file,
			       SECRETKEY_FILE_MAX);
	block[n] = '\0';
	while (n && strchr(" \t\r\n", block[n - 1]))
		block[--n] = '\0';
	/* Bytes after a NUL would be ignored. */
	if (strlen(block) != (size_t)n)
		return err_set(e, ERR_INPUT, "in '%s': key is corrupt", file);
	return 0;
}

int secretkeys_read(struct secretkeys *keys, const char *file, struct err *e)
{
	scoped_fd int fd = io_open_input(file, e);
	scoped_block char *block = fd < 0 ? NULL : mem_new(1, BLOCK_BYTES, e);

	if (!block || read_block(fd, block, file, e) < 0)
		return err_wrap(e, "the secret key");
	if (ed25519_secret_check(block, e) < 0)
		return err_wrap(e, "the secret key: in '%s'", file);
	if (mem_grow(&keys->items, &keys->cap, keys->n + 1, sizeof *keys->items, e) < 0)
		return -1;
	keys->items[keys->n++] = TAKE(block, NULL);
	return 0;
}
