/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook/cmd/preview.h"

#include <unistd.h>

#include "hook/bundle/bundle.h"
#include "hook/runtime/fit.h"
#include "hook/runtime/runtime.h"
#include "nar/base/io.h"
#include "nar/base/scope.h"

#include "nar/base/banned.h"

/* Find the runtime that the options name; RUNTIME_OTHER stands for all of them. */
static int parse_runtime(const char *name, enum runtime_kind *ret, struct err *e)
{
	*ret = RUNTIME_OTHER;
	if (name && !runtime_kind_parse(name, ret))
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
	runtime_fit_host(&p->machine.host, kind, a->bundle ? a->bundle : "/");
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
	    request_from_argument(c->args[0], &a->request, &p->conf, &p->settings, &p->request, e) <
		    0)
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
