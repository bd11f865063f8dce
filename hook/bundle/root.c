/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root file system of a bundle. Modes, owners and contents are as in Nix's sandbox; their
 * source is Nix's src/libstore/unix/build/{chroot,linux}-derivation-builder.cc.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hook/bundle/bundle_internal.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

static int make_dir(const struct bundle_work *w, int dirfd, const char *name, mode_t mode,
		    struct err *e)
{
	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return err_sys(e, "creating the directory '%s' in the bundle '%s'", name, w->path);
	return 0;
}

static int make_file(const struct bundle_work *w, int dirfd, const char *name, struct err *e)
{
	/* mknodat(2) is one system call, open(2) and close(2) are two. */
	if (mknodat(dirfd, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
		return err_sys(e, "creating the file '%s' in the bundle '%s'", name, w->path);
	return 0;
}

/*
 * Make a place at the sandbox's path TARGET for SOURCE. If TARGET lies behind a link, nothing is
 * made: the runtime follows the link and makes the mount point.
 */
static int place_at(const struct bundle_work *w, const char *target, const char *source,
		    const struct stat *st, bool *ret_placed, struct err *e)
{
	scoped_fd int fd = -1;
	const char *name;

	*ret_placed = false;
	if (bundle_open_parent(w, target, false, &fd, &name, e) < 0)
		return -1;
	if (fd < 0 || !*name)
		return 0;
	return bundle_place(fd, name, source, st, ret_placed, e);
}

/* Make an empty file to mount the machine's file TARGET on; if that is a link, it is followed. */
static int place_file(const struct bundle_work *w, const char *target, struct err *e)
{
	const struct stat file = {.st_mode = S_IFREG};
	bool placed;

	if (spec_has_target(w->r, target))
		return 0;
	return place_at(w, target, target, &file, &placed, e);
}

bool bundle_owns_machine(const struct spec_host *h)
{
	if (geteuid() != 0 || !h->userns)
		return geteuid() == 0;
	for (size_t i = 0; i < h->n_uid_map; i++)
		if (h->uid_map[i].inside == 0)
			return true;
	return false;
}

/*
 * Make root/dev/null.
 *
 * crun replaces the machine's null device at descriptors 0 to 2 by the sandbox's /dev/null. Then it
 * gives the files at these descriptors to the build's user. If /dev/null were a bind of the
 * machine's, the build would own the machine's null device and could lock out all others. So where
 * the runtime has the power to do that, the bundle gets a device of its own.
 *
 * On a file system without devices (nodev), the child that becomes the runtime mounts one
 * (lacks_null). If H says that it will not, the machine's is bound.
 */
static int make_null(struct bundle_work *w, struct err *e)
{
	if (bundle_owns_machine(w->h) && io_make_null(w->dev, "null") == 0) {
		scoped_fd int fd = openat(w->dev, "null", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			w->own_null = true;
			return 0;
		}
		if (unlinkat(w->dev, "null", 0) < 0)
			return err_sys(e, "removing 'dev/null' in the bundle '%s'", w->path);
		w->own_null = w->lacks_null = w->h->own_null;
	}
	return make_file(w, w->dev, "null", e);
}

static int make_dev(struct bundle_work *w, struct err *e)
{
	w->dev = io_mkdir(w->root, "dev", 0755, e);
	if (w->dev < 0)
		return -1;
	if (w->profile == SPEC_TVIX)
		return 0;
	if (!spec_has_target(w->r, "/dev/null") && make_null(w, e) < 0)
		return -1;
	/* An existing "null" stays as it is. */
	for (size_t i = 0; spec_dev_nodes[i]; i++)
		if (make_file(w, w->dev, spec_dev_nodes[i], e) < 0)
			return -1;
	for (size_t i = 0; spec_dev_links[i].name; i++)
		if (symlinkat(spec_dev_links[i].target, w->dev, spec_dev_links[i].name) < 0)
			return err_sys(e, "creating the link 'dev/%s' in the bundle '%s'",
				       spec_dev_links[i].name, w->path);
	if (w->r->constraints.kvm && w->h->has_kvm && make_file(w, w->dev, "kvm", e) < 0)
		return -1;
	/* runc gives a tmpfs the mode of its mount point, whatever the mount options say. */
	return make_dir(w, w->dev, "shm", 01777, e) < 0 || make_dir(w, w->dev, "pts", 0755, e) < 0
		       ? -1
		       : 0;
}

static int write_etc(const struct bundle_work *w, struct err *e)
{
	const struct spec_host *h = w->h;
	scoped_buf struct buf passwd = BUF_INIT(16384), group = BUF_INIT(4096);
	static const char hosts[] = "127.0.0.1 localhost\n::1 localhost\n";
	static const char nsswitch[] = "hosts: files dns\nservices: files\n";
	const char *build = w->r->working_dir;

	if (buf_addf(&passwd, e,
		     "root:x:0:0:Nix build user:/%s:/noshell\n"
		     "nixbld:x:%u:%u:Nix build user:/%s:/noshell\n"
		     "nobody:x:65534:65534:Nobody:/:/noshell\n",
		     build, h->uid, h->gid, build) < 0 ||
	    buf_addf(&group, e, "root:x:0:\nnixbld:!:%u:\nnogroup:x:65534:\n", h->gid) < 0 ||
	    io_write_file(w->etc, "passwd", 0644, passwd.data, passwd.len, e) < 0 ||
	    io_write_file(w->etc, "group", 0644, group.data, group.len, e) < 0)
		return -1;
	if (w->r->constraints.network)
		return io_write_file(w->etc, "nsswitch.conf", 0644, nsswitch, sizeof nsswitch - 1,
				     e);
	return io_write_file(w->etc, "hosts", 0644, hosts, sizeof hosts - 1, e);
}

static int make_scratch_points(const struct bundle_work *w, struct err *e)
{
	for (size_t i = 0; i < w->r->scratch_paths.n; i++) {
		const char *path = w->r->scratch_paths.items[i], *slash;
		scoped_fd int fd = fcntl(w->root, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return err_sys(e, "duplicating a descriptor");
		for (; (slash = strchr(path, '/')); path = slash + 1)
			if (bundle_descend(w, &fd, path, (size_t)(slash - path), false, e) < 0)
				return -1;
		if (fd < 0 || make_dir(w, fd, path, 0755, e) < 0)
			return fd < 0 ? err_set(e, ERR_INPUT,
						"the request's scratch path '%s' leads through a "
						"file or a link",
						w->r->scratch_paths.items[i])
				      : -1;
	}
	return 0;
}

int bundle_make_root(struct bundle_work *w, struct err *e)
{
	bool range = w->r->constraints.uid_range;

	w->root = io_mkdir(w->top, "root", range ? 0755 : 0750, e);
	if (w->root < 0)
		return -1;
	if (w->uid != (uid_t)-1 && fchown(w->root, range ? w->uid : (uid_t)-1, w->gid) < 0)
		return err_sys(e, "changing the owner of the root directory in '%s'", w->path);
	w->etc = io_mkdir(w->root, "etc", 0755, e);
	/* Profile tvix mounts a tmpfs on /tmp, which runc gives the mode of the mount point. */
	if (w->etc < 0 ||
	    make_dir(w, w->root, "tmp", w->profile == SPEC_TVIX ? 0700 : 01777, e) < 0 ||
	    make_dir(w, w->root, "proc", 0755, e) < 0 || make_dev(w, e) < 0 ||
	    make_scratch_points(w, e) < 0)
		return -1;
	if ((range || w->profile == SPEC_TVIX) && make_dir(w, w->root, "sys", 0755, e) < 0)
		return -1;
	/* tvix's sandbox has no files in /etc. */
	return w->profile == SPEC_TVIX ? 0 : write_etc(w, e);
}

/* Tell what is at the source of input IN. An input that may be missing counts as a directory. */
static int stat_input(const struct bundle_work *w, const struct req_input *in, struct stat *ret,
		      struct err *e)
{
	if (!in->source)
		return err_set(e, ERR_INPUT,
			       "the request does not say where the input '%s' is on this machine",
			       in->path);
	if (fstatat(AT_FDCWD, in->source, ret, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != ENOENT || !w->job->missing)
		return err_sys(e, "getting attributes of path '%s'", in->source);
	w->job->missing(w->job->ctx, in);
	*ret = (struct stat){.st_mode = S_IFDIR};
	return 0;
}

/*
 * Make mount points for the inputs. The mount points of files are one file with several names: on a
 * disk a link costs a part of what another inode costs, to make and to remove.
 */
static int place_inputs(struct bundle_work *w, struct err *e)
{
	scoped_fd int dir = -1;
	const char *name, *file = NULL;
	scoped_free char *inside = str_fmt(e, "/%s/x", w->r->inputs_dir);

	if (!inside || bundle_open_parent(w, inside, false, &dir, &name, e) < 0)
		return -1;
	for (size_t i = 0; i < w->r->n_inputs; i++) {
		const struct req_input *in = &w->r->inputs[i];
		struct stat st;
		if (stat_input(w, in, &st, e) < 0)
			return -1;
		const bool is_file = !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode);
		/* If the file has as many names as the file system allows, a new file is made. */
		if (is_file && file && linkat(dir, file, dir, in->path, 0) == 0)
			continue;
		if (is_file)
			file = in->path;
		if (bundle_place(dir, in->path, in->source, &st, &w->placed_inputs[i], e) < 0)
			return -1;
	}
	return 0;
}

static int place_host_paths(struct bundle_work *w, struct err *e)
{
	for (size_t i = 0; i < w->r->constraints.n_host_paths; i++) {
		const struct req_host_path *p = &w->r->constraints.host_paths[i];
		struct stat st;
		if (str_eq(p->source, "/proc"))
			continue;
		if (fstatat(AT_FDCWD, p->source, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (!p->optional || (errno != ENOENT && errno != ENOTDIR))
				return err_sys(e, "getting attributes of path '%s'", p->source);
			w->placed_host_paths[i] = true;
			continue;
		}
		if (place_at(w, p->target, p->source, &st, &w->placed_host_paths[i], e) < 0)
			return -1;
	}
	return 0;
}

static int place_machine_files(const struct bundle_work *w, struct err *e)
{
	const struct {
		bool there;
		const char *target;
	} files[] = {
		{w->h->has_resolv_conf, "/etc/resolv.conf"},
		{w->h->has_services, "/etc/services"},
		{w->h->has_hosts, "/etc/hosts"},
		{w->h->ca_bundle && w->profile == SPEC_NIX, "/etc/ssl/certs/ca-certificates.crt"},
	};

	if (w->r->constraints.provide_bin_sh && w->h->sandbox_shell &&
	    place_file(w, "/bin/sh", e) < 0)
		return -1;
	for (size_t i = 0; w->r->constraints.network && i < ARRAY_SIZE(files); i++)
		if (files[i].there && place_file(w, files[i].target, e) < 0)
			return -1;
	return 0;
}

int bundle_make_mount_points(struct bundle_work *w, struct err *e)
{
	if (place_inputs(w, e) < 0 || place_host_paths(w, e) < 0 || place_machine_files(w, e) < 0)
		return -1;
	if (w->profile == SPEC_TVIX)
		return 0;
	if (w->r->constraints.uid_range)
		return bundle_give(w, w->etc, "", e);
	if (fchmod(w->etc, 0555) < 0)
		return err_sys(e, "making /etc in the bundle '%s' read-only", w->path);
	return 0;
}

int bundle_make_files(struct bundle_work *w, struct err *e)
{
	for (size_t i = 0; i < w->r->n_files; i++) {
		const struct req_file *f = &w->r->files[i];
		bool owned = bundle_scratch_index(w->r, f->path) >= 0;
		scoped_free char *target = str_fmt(e, "/%s", f->path);
		scoped_fd int fd = -1;
		const char *name;
		if (!target || bundle_open_parent(w, target, owned, &fd, &name, e) < 0)
			return -1;
		if (fd < 0 || !*name)
			return err_set(e, ERR_INPUT,
				       "the additional file '%s' lies behind a file or a link",
				       f->path);
		if (io_write_file(fd, name, f->mode, f->contents, f->len, e) < 0)
			return err_wrap(e, "laying out the file '%s'", f->path);
		if (owned && bundle_give(w, fd, name, e) < 0)
			return -1;
	}
	return 0;
}
