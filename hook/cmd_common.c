/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd_common.h"

#include <fcntl.h>
#include <unistd.h>

#include "hook/builtin.h"
#include "hook/bundle.h"
#include "hook/derivation.h"
#include "hook/drvrequest.h"
#include "hook/store.h"
#include "nar/io.h"
#include "nar/scope.h"

#include "nar/banned.h"

static int from_derivation(const char *arg, const struct conf *c, const struct settings *s,
			   struct request *ret, struct err *e)
{
	scoped_store struct store store = {0};
	scoped_drv struct drv drv = DRV_INIT;
	scoped_builtin struct builtin_program builtin = BUILTIN_PROGRAM_INIT;
	scoped_strv struct strv inputs = STRV_INIT;
	scoped_free char *path = NULL;
	scoped_free char *real = NULL;

	if (store_open(&store, s, REG_AUTO, e) < 0)
		return -1;
	path = arg[0] == '/' ? str_dup(arg, e) : str_fmt(e, "%s/%s", store.dir, str_base(arg));
	if (!path)
		return -1;
	real = store_real_path(&store, path, e);
	if (!real || drv_read(path, real, store.dir, &drv, e) < 0 ||
	    drvrequest_inputs(&drv, &store, &inputs, e) < 0)
		return -1;
	if (drv_is_builtin(&drv) && builtin_find(c, &builtin, e) < 0)
		return -1;
	const struct drvrequest_in in = {&drv, s, &store, &inputs, environ, &builtin, false};
	return drvrequest_make(&in, ret, e);
}

int request_from_file(const char *arg, struct request *ret, struct err *e)
{
	scoped_buf struct buf text = BUF_INIT(REQ_JSON_MAX);
	scoped_fd int fd =
		str_eq(arg, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : io_open_input(arg, e);

	if (fd < 0)
		return err_is_set(e) ? -1 : err_sys(e, "reading standard input");
	if (buf_read_fd(&text, fd, arg, e) < 0)
		return -1;
	if (req_parse(text.data ? text.data : "", text.len, ret, e) < 0)
		return err_wrap(e, "reading '%s'", arg);
	return 0;
}

int request_from_argument(const char *arg, const struct conf *c, const struct settings *s,
			  struct request *ret, struct err *e)
{
	return str_ends(arg, ".drv") ? from_derivation(arg, c, s, ret, e)
				     : request_from_file(arg, ret, e);
}

static int parse_runtime(const char *name, enum runtime_kind *ret, struct err *e)
{
	static const struct {
		const char *name;
		enum runtime_kind kind;
	} kinds[] = {
		{"crun", RUNTIME_CRUN},
		{"runc", RUNTIME_RUNC},
		{"runsc", RUNTIME_RUNSC},
		{"youki", RUNTIME_YOUKI},
	};

	*ret = RUNTIME_OTHER;
	for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++) {
		if (str_eq(name, kinds[i].name)) {
			*ret = kinds[i].kind;
			return 0;
		}
	}
	if (name)
		return err_set(e, ERR_INPUT,
			       "there is no runtime '%s'; there are crun, runc, runsc and youki",
			       name);
	return 0;
}

static int describe(struct preview *p, const struct preview_args *a, enum runtime_kind kind,
		    struct err *e)
{
	p->as_root = geteuid() == 0 && !a->rootless;
	p->user = (struct build_user)BUILD_USER_INIT;
	p->user.uid = p->user.gid = SPEC_BUILD_ID;
	p->user.count = p->request.constraints.uid_range ? 65536 : 1;
	if (machine_describe(&p->conf, &p->settings, &p->request, p->as_root ? &p->user : NULL,
			     &p->machine, e) < 0)
		return -1;
	p->machine.host.rootless = !p->as_root;
	bundle_fit_host(&p->machine.host, kind, a->bundle ? a->bundle : "/");
	return 0;
}

int preview_prepare(struct preview *p, const struct cli *c, const struct preview_args *a,
		    struct err *e)
{
	enum runtime_kind kind;

	conf_init(&p->conf);
	if (parse_runtime(a->runtime, &kind, e) < 0 ||
	    conf_load(&p->conf, c->config_path, &c->conf_options, e) < 0)
		return -1;
	if (a->profile && !spec_profile_parse(a->profile, &p->conf.profile))
		return err_set(e, ERR_INPUT, "there is no profile '%s'; there are nix and tvix",
			       a->profile);
	if (settings_from_nix(&p->settings, e) < 0 ||
	    request_from_argument(c->args[0], &p->conf, &p->settings, &p->request, e) < 0)
		return -1;
	return describe(p, a, kind, e);
}

void preview_done(struct preview *p)
{
	machine_done(&p->machine);
	req_done(&p->request);
	settings_done(&p->settings);
	conf_done(&p->conf);
}
