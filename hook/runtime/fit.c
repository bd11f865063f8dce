/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/runtime/fit.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "nar/base/banned.h"

bool path_reachable(const char *path)
{
	char dir[4096];
	size_t len = strlen(path);
	struct stat st;

	if (len >= sizeof dir)
		return false;
	memcpy(dir, path, len + 1);
	for (char *slash = strrchr(dir, '/'); slash && slash != dir; slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (stat(dir, &st) < 0 || !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

/* Map root of the namespace to ID, which is the caller's, before the build's own ids. */
static void map_root(struct spec_idmap map[2], size_t *n, uint32_t id)
{
	if (*n != 1 || map[0].inside == 0)
		return;
	map[1] = map[0];
	map[0] = (struct spec_idmap){0, id, 1};
	*n = 2;
}

static void fit_ids(struct spec_host *h, enum runtime_kind kind, const char *bundle_path)
{
	if (!h->userns || (kind == RUNTIME_CRUN && (h->rootless || path_reachable(bundle_path))))
		return;
	if (!h->rootless) {
		map_root(h->uid_map, &h->n_uid_map, 0);
		map_root(h->gid_map, &h->n_gid_map, 0);
		return;
	}
	/* Without root only the caller's id can be mapped, and the runtime needs it to be root. */
	h->uid_map[0].inside = h->gid_map[0].inside = 0;
	h->uid = h->gid = 0;
}

/*
 * Return the flags of the mount on which SOURCE lies. CTX points to the descriptor of the bundle's
 * scratch directories; NULL: they do not exist yet.
 */
static unsigned mount_flags(const void *ctx, const char *source)
{
	const int *scratch_fd = ctx;
	struct statvfs st;
	unsigned flags = 0;

	/* A relative source is a scratch directory. If this fails, the runtime reports why. */
	if (source[0] == '/' ? statvfs(source, &st) < 0
			     : !scratch_fd || fstatvfs(*scratch_fd, &st) < 0)
		return 0;
	flags |= st.f_flag & ST_RDONLY ? SPEC_MOUNT_RO : 0;
	flags |= st.f_flag & ST_NODEV ? SPEC_MOUNT_NODEV : 0;
	flags |= st.f_flag & ST_NOEXEC ? SPEC_MOUNT_NOEXEC : 0;
	return flags;
}

void runtime_fit_host(struct spec_host *h, enum runtime_kind kind, const char *bundle_path)
{
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	bool knows_all = kind == RUNTIME_CRUN || kind == RUNTIME_RUNC;

	fit_ids(h, kind, bundle_path);
	h->last_cap = knows_all ? SPEC_CAP_MAX : SPEC_CAP_PORTABLE;
	while (h->last_cap > 0 && prctl(PR_CAPBSET_READ, h->last_cap, 0, 0, 0) < 0)
		h->last_cap--;
	h->has_kvm = access("/dev/kvm", F_OK) == 0;
	h->mount_flags = mount_flags;
	/*
	 * runsc has no openat2(2), and one errno for all that a filter refuses, which is not
	 * ENOSYS.
	 */
	h->hide_openat2 = h->hide_openat2 && kind != RUNTIME_RUNSC;
	if (pages > 0 && page_size > 0)
		h->ram_bytes = (uint64_t)pages * (uint64_t)page_size;
}
