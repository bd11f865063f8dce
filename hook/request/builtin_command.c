/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Make the command for one of Nix's builtin builders: the program that does its work, and a file
 * with its parameters. The builder gets neither arguments nor the environment of the derivation.
 * Its attributes are read from the environment of the .drv, as in Nix, so structured attributes are
 * not found.
 */
#include "hook/request/maker_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "hook/host/machine.h"
#include "nar/base/scope.h"
#include "nar/hash.h"

#include "nar/base/banned.h"

/* Paths in the sandbox of the program and of all that it needs. */
#define PROGRAM_DIR "/.nix-oci-hook"
#define PROGRAM_PATH PROGRAM_DIR "/builtin"
#define LOADER_PATH PROGRAM_DIR "/loader"
#define LIB_DIR PROGRAM_DIR "/lib"
/* Names in the build directory; the last two are Nix's. */
#define PARAMS_NAME ".builtin"
#define NETRC_NAME "netrc"
#define CA_NAME "ca-certificates.crt"
#define PRIVATE_MODE 0600
#define FILE_MAX (16u << 20)

static int add_param(struct buf *b, const char *name, const char *value, struct err *e)
{
	if (!value)
		return 0;
	return buf_addf(b, e, "%s=%s", name, value) < 0 ? -1 : buf_addc(b, '\0', e);
}

/* Add attributes as parameters, with placeholders replaced. As in Nix, a NUL ends the value. */
static int add_attributes(struct maker *m, const char *const *names, struct buf *b, struct err *e)
{
	for (; *names; names++) {
		scoped_buf struct buf value = BUF_INIT(REQ_JSON_MAX);
		const char *raw = drv_env(m->in->drv, *names, NULL);

		if (!raw)
			continue;
		if (buf_reserve(&value, 0, e) < 0 ||
		    rewrite(&m->rewrites, raw, strlen(raw), &value, e) < 0 ||
		    add_param(b, *names, value.data, e) < 0)
			return -1;
	}
	return 0;
}

static int add_settings(struct maker *m, struct buf *b, struct err *e)
{
	static const char *const names[] = {"connect-timeout", "stalled-download-timeout",
					    "download-attempts", "download-speed",
					    "user-agent-suffix"};
	bool http2;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (add_param(b, names[i], settings_get(m->in->settings, names[i]), e) < 0)
			return -1;
	if (settings_bool(m->in->settings, "http2", true, &http2, e) < 0)
		return -1;
	return add_param(b, "http2", http2 ? "1" : "0", e);
}

/* Add the URLs of a flat fixed output on hashed-mirrors: `<mirror>/<algorithm>/<hexadecimal>`. */
static int add_mirrors(struct maker *m, struct buf *b, struct err *e)
{
	const struct drv_output *o = drv_output(m->in->drv, "out");
	scoped_strv struct strv mirrors = STRV_INIT;
	char digest[HASH_TEXT_MAX];

	if (!drv_is_fixed(m->in->drv) || !o || o->method != CA_FLAT)
		return 0;
	if (settings_list(m->in->settings, "hashed-mirrors", &mirrors, e) < 0)
		return -1;
	hash_print(&o->hash, HASH_BASE16, false, digest);
	for (size_t i = 0; i < mirrors.n; i++) {
		const char *mirror = mirrors.items[i];
		scoped_free char *url =
			str_fmt(e, "%s%s%s/%s", mirror, str_ends(mirror, "/") ? "" : "/",
				hash_algo_name(o->algo), digest);

		if (!url || add_param(b, "mirror", url, e) < 0)
			return -1;
	}
	return 0;
}

/* Add the variables that libcurl reads, because Nix runs builtin builders with its environment. */
static int add_proxies(struct maker *m, struct buf *b, struct err *e)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY",
					    "ftp_proxy",  "FTP_PROXY",   "all_proxy",
					    "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

	for (char *const *v = m->in->environ; v && *v; v++)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (str_starts(*v, names[i]) && (*v)[strlen(names[i])] == '=' &&
			    add_param(b, "env", *v, e) < 0)
				return -1;
	return 0;
}

/*
 * Add the machine's file SOURCE (NULL: none) as NAME in the build directory, readable by the build
 * user only, and its path as parameter PARAM. If it cannot be opened the builder gets an empty
 * file, as with Nix; an empty netrc is left out.
 */
static int add_machine_file(struct maker *m, const char *source, const char *name,
			    const char *param, struct buf *b, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(FILE_MAX);
	scoped_free char *inside = str_fmt(e, "%s/%s", m->build_dir, name);
	scoped_fd int fd = source ? open(source, O_RDONLY | O_CLOEXEC) : -1;

	if (!inside || buf_reserve(&text, 0, e) < 0)
		return -1;
	if (fd >= 0 && buf_read_fd(&text, fd, source, e) < 0)
		return -1;
	if (!text.len && str_eq(name, NETRC_NAME))
		return 0;
	if (req_add_file(m->r, inside + 1, PRIVATE_MODE, text.data, text.len, e) < 0)
		return -1;
	return add_param(b, param, inside, e);
}

static int add_netrc(struct maker *m, struct buf *b, struct err *e)
{
	const char *setting = settings_get(m->in->settings, "netrc-file");
	const char *dir = getenv("NIX_CONF_DIR");
	scoped_free char *def = str_fmt(e, "%s/netrc", dir ? dir : "/etc/nix");

	if (!def)
		return -1;
	return add_machine_file(m, setting ? setting : def, NETRC_NAME, "netrc", b, e);
}

static int add_fetchurl(struct maker *m, struct buf *b, struct err *e)
{
	static const char *const attributes[] = {"url", "unpack", "executable", NULL};
	scoped_free char *ca = NULL;

	if (add_attributes(m, attributes, b, e) < 0 ||
	    (!drv_has_network(m->in->drv) && add_param(b, "pure", "1", e) < 0) ||
	    add_mirrors(m, b, e) < 0 || add_settings(m, b, e) < 0 || add_proxies(m, b, e) < 0)
		return -1;
	if (!m->in->builtin_secrets)
		return 0;
	if (machine_ca_bundle(m->in->settings, &ca, e) < 0)
		return -1;
	return add_machine_file(m, ca, CA_NAME, "ca", b, e) < 0 ? -1 : add_netrc(m, b, e);
}

static int add_buildenv(struct maker *m, struct buf *b, struct err *e)
{
	static const char *const attributes[] = {"derivations", "manifest", NULL};

	return add_attributes(m, attributes, b, e);
}

static int add_unpack_channel(struct maker *m, struct buf *b, struct err *e)
{
	static const char *const attributes[] = {"channelName", "src", NULL};

	return add_attributes(m, attributes, b, e);
}

/* The builtin builders by their builtin_name(), and what adds their parameters. */
static const struct {
	const char *name;
	int (*add)(struct maker *m, struct buf *b, struct err *e);
} builtins[] = {
	{"buildenv", add_buildenv},
	{"fetchurl", add_fetchurl},
	{"unpack-channel", add_unpack_channel},
};

static int add_params(struct maker *m, const char *name, const char *path, struct err *e)
{
	const struct drv_output *o = drv_output(m->in->drv, "out");
	scoped_buf struct buf b = BUF_INIT(REQ_JSON_MAX);
	size_t i = 0;

	if (buf_reserve(&b, 0, e) < 0)
		return -1;
	if (o) {
		scoped_free char *out = drv_build_path(m->in->drv, o, m->in->store->dir, e);

		if (!out || add_param(&b, "out", out, e) < 0)
			return -1;
	}
	while (i < ARRAY_SIZE(builtins) && !str_eq(builtins[i].name, name))
		i++;
	assert(i < ARRAY_SIZE(builtins));
	if (builtins[i].add(m, &b, e) < 0)
		return -1;
	return req_add_file(m->r, path + 1, PRIVATE_MODE, b.data, b.len, e);
}

static int add_bind(struct maker *m, const char *target, const char *source, struct err *e)
{
	/* Links are followed here, because a bundle would make the link again. */
	scoped_free char *real = realpath(source, NULL);

	if (!real)
		return err_sys(e, "finding '%s', which builtin builders need", source);
	return req_add_host_path(m->r, target, real, false, true, e);
}

int maker_add_builtin_program(struct maker *m, struct err *e)
{
	const struct builtin_program *p = m->in->builtin;

	if (add_bind(m, PROGRAM_PATH, p->path, e) < 0 ||
	    (p->loader && add_bind(m, LOADER_PATH, p->loader, e) < 0))
		return -1;
	for (size_t i = 0; i < p->libs.n; i++) {
		const char *lib = p->libs.items[i];
		scoped_free char *target = str_fmt(e, "%s/%s", LIB_DIR, str_base(lib));

		if (!target || add_bind(m, target, lib, e) < 0)
			return -1;
	}
	return 0;
}

int maker_add_builtin(struct maker *m, struct err *e)
{
	const char *name = builtin_name(m->in->drv);
	const struct builtin_program *p = m->in->builtin;
	scoped_free char *params = str_fmt(e, "%s/%s", m->build_dir, PARAMS_NAME);
	const char *const with_loader[] = {LOADER_PATH, "--library-path", LIB_DIR, NULL};

	if (!params)
		return -1;
	for (size_t i = 0; p->loader && with_loader[i]; i++)
		if (strv_add(&m->r->args, with_loader[i], e) < 0)
			return -1;
	if (strv_add(&m->r->args, PROGRAM_PATH, e) < 0 || strv_add(&m->r->args, name, e) < 0 ||
	    strv_add(&m->r->args, params, e) < 0)
		return -1;
	return add_params(m, name, params, e);
}
