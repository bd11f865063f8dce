/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * builtin:unpack-channel, by which nix-channel --update unpacks a channel: a tar or zip archive of
 * one directory, which gets the channel's name.
 *
 * The archive is a stranger's. libarchive follows no link that it has made and no "..", and
 * absolute names are made relative. This program is the only process in its sandbox, and may write
 * only to its output. Owners are not restored, and modes only as far as umask allows.
 */
#include "builtin/builtin.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "builtin/say.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

#define BLOCK_BYTES 16384
#define EXTRACT_FLAGS \
	(ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT)

static void scope_archive(struct archive **a)
{
	archive_read_free(*a);
}
#define scoped_archive __attribute__((cleanup(scope_archive)))

static int archive_err(struct archive *a, const char *doing, const char *what, struct err *e)
{
	const char *text = archive_error_string(a);

	return err_set(e, ERR_INPUT, "%s '%s': %s", doing, what, text ? text : "unknown error");
}

/* Returns OUT/NAME, on the heap, for a NAME that may be absolute; NULL: *E. */
static char *path_below(const char *out, const char *name, struct err *e)
{
	return str_fmt(e, "%s/%s", out, name + strspn(name, "/"));
}

/* Move ENTRY, and its target if it is a hard link, below OUT. */
static int move_below(struct archive_entry *entry, const char *out, struct err *e)
{
	scoped_free char *path = path_below(out, archive_entry_pathname(entry), e);
	const char *linked = archive_entry_hardlink(entry);
	scoped_free char *target = linked ? path_below(out, linked, e) : NULL;

	if (!path || (linked && !target))
		return -1;
	archive_entry_copy_pathname(entry, path);
	if (target)
		archive_entry_copy_hardlink(entry, target);
	/* Some archives contain directories that nobody may enter. */
	if (archive_entry_filetype(entry) == AE_IFDIR)
		archive_entry_set_mode(entry, archive_entry_mode(entry) | 0500);
	return 0;
}

static int extract(struct archive *a, const char *src, const char *out, struct err *e)
{
	struct archive_entry *entry;
	int rc;

	while ((rc = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
		const char *name = rc == ARCHIVE_OK || rc == ARCHIVE_WARN
					   ? archive_entry_pathname(entry)
					   : NULL;

		if (!name)
			return archive_err(a, "cannot get a member of archive", src, e);
		if (rc == ARCHIVE_WARN)
			say_warning("getting archive member '%s': %s", name,
				    archive_error_string(a));
		if (move_below(entry, out, e) < 0)
			return -1;
		if (archive_read_extract(a, entry, EXTRACT_FLAGS) != ARCHIVE_OK)
			return archive_err(a, "unpacking", src, e);
	}
	return archive_read_close(a) == ARCHIVE_OK ? 0 : archive_err(a, "closing", src, e);
}

static int unpack(const char *src, const char *out, struct err *e)
{
	scoped_archive struct archive *a = archive_read_new();

	if (!a)
		return err_memory(e);
	/* This also enables filters that start a program; the container has none. */
	archive_read_support_filter_all(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_zip(a);
	archive_read_support_format_empty(a);
	/* Treat the files that macOS adds beside each file as ordinary files. */
	archive_read_set_option(a, NULL, "mac-ext", NULL);
	if (archive_read_open_filename(a, src, BLOCK_BYTES) != ARCHIVE_OK)
		return archive_err(a, "failed to open archive", src, e);
	return extract(a, src, out, e);
}

/* Returns the name of the only entry of OUT, on the heap; on failure *E is set. */
static char *only_entry(const char *out, const char *src, struct err *e)
{
	scoped_dir DIR *d = opendir(out);
	scoped_free char *name = NULL;
	const struct dirent *entry;

	if (!d) {
		err_sys(e, "failed to read directory '%s'", out);
		return NULL;
	}
	while (errno = 0, entry = readdir(d)) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (name) {
			err_set(e, ERR_INPUT, "channel tarball '%s' contains more than one file",
				src);
			return NULL;
		}
		name = str_dup(entry->d_name, e);
		if (!name)
			return NULL;
	}
	if (errno)
		err_sys(e, "failed to read directory '%s'", out);
	else if (!name)
		err_set(e, ERR_INPUT, "channel tarball '%s' is empty", src);
	return TAKE(name, NULL);
}

int builtin_unpack_channel(const struct params *p, struct err *e)
{
	const char *out = params_get(p, "out"), *channel = params_get(p, "channelName");
	const char *src = params_get(p, "src");

	if (!out)
		return err_set(e, ERR_INPUT, "'builtin:unpack-channel' requires an 'out' output");
	if (!channel || !src)
		return err_set(e, ERR_INPUT, "attribute '%s' missing",
			       channel ? "src" : "channelName");
	if (!*channel || strchr(channel, '/') || str_eq(channel, ".") || str_eq(channel, ".."))
		return err_set(e, ERR_INPUT,
			       "channelName is not allowed to contain filesystem separators, got "
			       "'%s'",
			       channel);
	if (mkdir(out, 0755) < 0)
		return err_sys(e, "creating directory '%s'", out);
	if (unpack(src, out, e) < 0)
		return -1;
	scoped_free char *name = only_entry(out, src, e);
	if (!name || err_is_set(e))
		return -1;
	scoped_free char *from = str_fmt(e, "%s/%s", out, name);
	scoped_free char *to = str_fmt(e, "%s/%s", out, channel);
	if (!from || !to)
		return -1;
	if (rename(from, to) < 0)
		return err_sys(e, "failed to rename '%s' to '%s'", from, to);
	return 0;
}
