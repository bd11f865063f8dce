/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties are read back through parson's API; the expected values are those that
 * docs/profiles.md takes from Nix's and tvix's builders. One whole document each stands in
 * tests/golden/.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <parson.h>
#include <stdio.h>
#include <stdlib.h>

#include "nar/base/scope.h"
#include "specgen/spec.h"

#define DIGITS "00000000000000000000000000000000"
#define TEXT_MAX (1u << 20)

/* A request and a machine, printed, and the result read back. */
struct fixture {
	struct request r;
	struct spec_host h;
	enum spec_profile profile;
	char *text;
	JSON_Value *root;
};

static int setup(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = calloc(1, sizeof *f);
	struct request *r = &f->r;

	*state = f;
	spec_host_init(&f->h);
	f->h.arch = "x86_64";
	r->name = str_dup("x", &e);
	r->working_dir = str_dup("build", &e);
	r->inputs_dir = str_dup("nix/store", &e);
	r->constraints.system = str_dup("x86_64-linux", &e);
	assert_ok(&e, req_add_input(r, DIGITS "-a", "/nix/store/" DIGITS "-a", NULL, &e));
	assert_ok(&e, req_add_input(r, DIGITS "-b", NULL, NULL, &e));
	assert_ok(&e, strv_add(&r->args, "/nix/store/" DIGITS "-a/bin/sh", &e));
	assert_ok(&e, strv_add(&r->args, "-c", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "build", &e));
	assert_ok(&e, strv_add(&r->scratch_paths, "nix/store", &e));
	assert_ok(&e, req_add_output(r, "out", "nix/store/" DIGITS "-x", &e));
	assert_ok(&e, req_set_env(r, "A", "1\n\xc3\xa4", 4, &e));
	assert_ok(&e, req_set_env(r, "PATH", "/path-not-set", 13, &e));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->root)
		json_value_free(f->root);
	free(f->text);
	req_done(&f->r);
	free(f);
	return 0;
}

static const JSON_Object *print(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(TEXT_MAX);

	assert_ok(&e, spec_print(&f->r, f->profile, &f->h, &b, &e));
	if (f->root)
		json_value_free(f->root);
	free(f->text);
	f->text = b.data;
	f->root = json_parse_string(f->text);
	assert_non_null(f->root);
	return json_value_get_object(f->root);
}

/* The value at "a.b.c" below O. */
static const JSON_Value *at(const JSON_Object *o, const char *path)
{
	const JSON_Value *v = NULL;
	char key[64];

	for (; o; path += strcspn(path, ".") + 1) {
		size_t n = strcspn(path, ".");
		memcpy(key, path, n);
		key[n] = '\0';
		v = json_object_get_value(o, key);
		if (!path[n])
			return v;
		o = json_value_get_object(v);
	}
	return NULL;
}

/* The strings of an array as "a b c". */
static const char *words(const JSON_Value *v)
{
	static char text[4096];
	const JSON_Array *a = json_value_get_array(v);
	size_t len = 0;

	text[0] = '\0';
	if (!a)
		return "(none)";
	for (size_t i = 0; i < json_array_get_count(a); i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "",
					json_array_get_string(a, i));
	return text;
}

/* A member of each object of an array, as "a b c". */
static const char *column(const JSON_Value *v, const char *key)
{
	static char text[4096];
	const JSON_Array *a = json_value_get_array(v);
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_array_get_count(a); i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "",
					json_object_get_string(json_array_get_object(a, i), key));
	return text;
}

static const JSON_Object *mount_at(const JSON_Object *o, const char *destination)
{
	const JSON_Array *a = json_value_get_array(at(o, "mounts"));

	for (size_t i = 0; i < json_array_get_count(a); i++) {
		const JSON_Object *m = json_array_get_object(a, i);
		if (str_eq(json_object_get_string(m, "destination"), destination))
			return m;
	}
	return NULL;
}

static void assert_mount(const JSON_Object *o, const char *destination, const char *source,
			 const char *options)
{
	const JSON_Object *m = mount_at(o, destination);

	if (!m)
		fail_msg("nothing is mounted at %s", destination);
	assert_string_equal(json_object_get_string(m, "source"), source);
	assert_string_equal(words(json_object_get_value(m, "options")), options);
}

static void nix_process_is_that_of_nix(void **state)
{
	const JSON_Object *o = print(*state);

	assert_int_equal(json_value_get_number(at(o, "process.user.uid")), 1000);
	assert_int_equal(json_value_get_number(at(o, "process.user.gid")), 100);
	assert_int_equal(json_value_get_number(at(o, "process.user.umask")), 022);
	assert_int_equal(json_value_get_boolean(at(o, "process.terminal")), 0);
	assert_int_equal(json_value_get_boolean(at(o, "process.noNewPrivileges")), 1);
	assert_string_equal(words(at(o, "process.args")), "/nix/store/" DIGITS "-a/bin/sh -c");
	assert_string_equal(words(at(o, "process.env")), "A=1\n\xc3\xa4 PATH=/path-not-set");
	assert_string_equal(json_value_get_string(at(o, "process.cwd")), "/build");
	assert_null(at(o, "process.oomScoreAdj"));
	assert_string_equal(json_value_get_string(at(o, "hostname")), "localhost");
	assert_string_equal(json_value_get_string(at(o, "domainname")), "(none)");
	assert_int_equal(json_value_get_boolean(at(o, "root.readonly")), 0);
	assert_string_equal(words(at(o, "linux.maskedPaths")), "");
	assert_string_equal(words(at(o, "linux.readonlyPaths")), "");
}

static void nix_drops_no_capability_from_the_bounding_set_and_gives_none(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o = print(f);
	const JSON_Array *a = json_value_get_array(at(o, "process.capabilities.bounding"));

	assert_int_equal(json_array_get_count(a), 38);
	assert_string_equal(json_array_get_string(a, 0), "CAP_CHOWN");
	assert_string_equal(json_array_get_string(a, 21), "CAP_SYS_ADMIN");
	assert_string_equal(json_array_get_string(a, 37), "CAP_AUDIT_READ");
	assert_string_equal(words(at(o, "process.capabilities.effective")), "");
	assert_string_equal(words(at(o, "process.capabilities.permitted")), "");
	assert_string_equal(words(at(o, "process.capabilities.inheritable")), "");
	assert_string_equal(words(at(o, "process.capabilities.ambient")), "");
	f->h.last_cap = SPEC_CAP_MAX;
	a = json_value_get_array(at(print(f), "process.capabilities.bounding"));
	assert_int_equal(json_array_get_count(a), 41);
	assert_string_equal(json_array_get_string(a, 40), "CAP_CHECKPOINT_RESTORE");
}

static void a_range_of_ids_has_root_with_all_capabilities_and_sys(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o;

	f->r.constraints.uid_range = true;
	f->h.uid = f->h.gid = 0;
	o = print(f);
	assert_int_equal(
		json_array_get_count(json_value_get_array(at(o, "process.capabilities.effective"))),
		38);
	assert_int_equal(
		json_array_get_count(json_value_get_array(at(o, "process.capabilities.permitted"))),
		38);
	assert_string_equal(words(at(o, "process.capabilities.ambient")), "");
	assert_mount(o, "/sys", "none", "(none)");
}

static void nix_mounts_in_order_of_targets_and_kernel_file_systems_last(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const JSON_Object *o;

	assert_ok(&e, req_add_host_path(&f->r, "/dev/x", "/srv/x", false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/a", "/srv/a", false, true, &e));
	o = print(f);
	assert_string_equal(column(at(o, "mounts"), "destination"),
			    "/a /build /dev /dev/full /dev/null /dev/random /dev/tty /dev/urandom "
			    "/dev/x /dev/zero /nix/store /nix/store/" DIGITS "-a /nix/store/" DIGITS
			    "-b /proc /dev/shm /dev/pts");
	assert_mount(o, "/a", "/srv/a", "rbind ro nosuid");
	assert_mount(o, "/dev/x", "/srv/x", "rbind nosuid");
	assert_mount(o, "/dev", "root/dev", "rbind");
	assert_mount(o, "/dev/null", "/dev/null", "rbind");
	assert_mount(o, "/build", "scratch/build", "rbind rw nosuid");
	assert_mount(o, "/nix/store", "scratch/nix-store", "rbind rw nosuid");
	assert_mount(o, "/nix/store/" DIGITS "-a", "/nix/store/" DIGITS "-a",
		     "rbind ro nosuid nodev");
	assert_mount(o, "/nix/store/" DIGITS "-b", "inputs/" DIGITS "-b", "rbind ro nosuid nodev");
	assert_mount(o, "/proc", "none", "(none)");
	assert_mount(o, "/dev/shm", "none", "mode=1777");
	assert_mount(o, "/dev/pts", "none", "newinstance mode=0620 ptmxmode=0666");
}

static void what_the_bundle_has_in_place_is_not_mounted(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const bool inputs[] = {true, false};
	const JSON_Object *o;

	assert_ok(&e, req_add_host_path(&f->r, "/a", "/srv/a", false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/b", "/srv/b", true, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/p", "/proc", false, false, &e));
	f->h.placed_inputs = inputs;
	f->h.placed_host_paths = (const bool[]){false, true, false};
	o = print(f);
	assert_null(mount_at(o, "/nix/store/" DIGITS "-a"));
	assert_non_null(mount_at(o, "/nix/store/" DIGITS "-b"));
	assert_non_null(mount_at(o, "/a"));
	assert_null(mount_at(o, "/b"));
	assert_null(mount_at(o, "/p"));
}

static void host_paths_take_the_place_of_our_own_mounts(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const JSON_Object *o;

	f->h.sandbox_shell = "/sh";
	f->r.constraints.provide_bin_sh = true;
	assert_mount(print(f), "/bin/sh", "/sh", "rbind ro nosuid");
	assert_ok(&e, req_add_host_path(&f->r, "/bin/sh", "/bin/dash", false, false, &e));
	assert_mount(print(f), "/bin/sh", "/bin/dash", "rbind nosuid");
	assert_ok(&e, req_add_host_path(&f->r, "/dev", "/dev", false, false, &e));
	o = print(f);
	assert_mount(o, "/dev", "/dev", "rbind nosuid");
	assert_null(mount_at(o, "/dev/null"));
	assert_non_null(mount_at(o, "/dev/shm"));
}

/* Whatever else protects, as that may be a setting's, or the runtime's to break. */
static void nothing_that_is_mounted_from_the_machine_is_set_id(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	f->r.constraints.network = f->r.constraints.provide_bin_sh = true;
	f->h.sandbox_shell = "/sh";
	f->h.ca_bundle = "/ca.pem";
	f->h.has_resolv_conf = f->h.has_services = f->h.has_hosts = f->h.own_tmp = true;
	assert_ok(&e, req_add_host_path(&f->r, "/a", "/srv/a", false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/b", "/srv/b", false, true, &e));
	for (unsigned way = 0; way < 8; way++) {
		const JSON_Array *a;

		f->profile = way & 1 ? SPEC_TVIX : SPEC_NIX;
		f->h.userns = way & 2;
		f->h.no_new_privileges = way & 4;
		a = json_value_get_array(at(print(f), "mounts"));
		for (size_t i = 0; i < json_array_get_count(a); i++) {
			const JSON_Object *m = json_array_get_object(a, i);
			const char *target = json_object_get_string(m, "destination");

			/* Devices, and mount points for them. */
			if (str_eq(json_object_get_string(m, "type"), "bind") &&
			    !str_eq(target, "/dev") && !str_starts(target, "/dev/"))
				assert_non_null(strstr(words(json_object_get_value(m, "options")),
						       "nosuid"));
		}
	}
}

static unsigned flags_of(const void *ctx, const char *source)
{
	assert_string_equal(ctx, "ctx");
	return str_eq(source, "/sh")      ? SPEC_MOUNT_RO | SPEC_MOUNT_NOEXEC
	       : str_eq(source, "/srv/a") ? SPEC_MOUNT_RO | SPEC_MOUNT_NODEV
	       : source[0] == '/'         ? 0
					  : SPEC_MOUNT_NODEV;
}

static void no_flag_of_a_source_is_taken_off(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const JSON_Object *o;

	f->r.constraints.provide_bin_sh = true;
	f->h.sandbox_shell = "/sh";
	f->h.mount_flags = flags_of;
	f->h.mount_flags_ctx = "ctx";
	assert_ok(&e, req_add_host_path(&f->r, "/a", "/srv/a", false, false, &e));
	assert_ok(&e, req_add_host_path(&f->r, "/b", "/srv/b", false, false, &e));
	o = print(f);
	assert_mount(o, "/bin/sh", "/sh", "rbind ro nosuid noexec");
	assert_mount(o, "/a", "/srv/a", "rbind nosuid ro nodev");
	assert_mount(o, "/b", "/srv/b", "rbind nosuid");
	assert_mount(o, "/build", "scratch/build", "rbind rw nosuid nodev");
	/* Devices are to be used, and inputs have what there is. */
	assert_mount(o, "/dev", "root/dev", "rbind");
	assert_mount(o, "/nix/store/" DIGITS "-b", "inputs/" DIGITS "-b", "rbind ro nosuid nodev");
}

static void new_privileges_are_nix_s_to_allow(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(json_value_get_boolean(at(print(f), "process.noNewPrivileges")), 1);
	f->h.no_new_privileges = false;
	assert_int_equal(json_value_get_boolean(at(print(f), "process.noNewPrivileges")), 0);
}

static void the_network_brings_its_files_and_no_namespace(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o;

	f->h.has_resolv_conf = f->h.has_hosts = true;
	f->h.ca_bundle = "/ca.pem";
	o = print(f);
	assert_string_equal(column(at(o, "linux.namespaces"), "type"),
			    "pid ipc uts mount cgroup network user");
	assert_null(mount_at(o, "/etc/hosts"));
	f->r.constraints.network = true;
	o = print(f);
	assert_string_equal(column(at(o, "linux.namespaces"), "type"),
			    "pid ipc uts mount cgroup user");
	assert_mount(o, "/etc/resolv.conf", "/etc/resolv.conf", "rbind ro nosuid");
	assert_mount(o, "/etc/hosts", "/etc/hosts", "rbind ro nosuid");
	assert_null(mount_at(o, "/etc/services"));
	assert_mount(o, "/etc/ssl/certs/ca-certificates.crt", "/ca.pem", "rbind ro nosuid");
}

static void a_network_namespace_may_be_given(void **state)
{
	struct fixture *f = *state;
	const JSON_Array *a;

	f->h.netns = "/run/netns/x";
	a = json_value_get_array(at(print(f), "linux.namespaces"));
	assert_string_equal(json_object_get_string(json_array_get_object(a, 5), "path"),
			    "/run/netns/x");
}

static void kvm_is_bound_where_it_is_asked_for_and_there(void **state)
{
	struct fixture *f = *state;

	f->h.has_kvm = true;
	assert_null(mount_at(print(f), "/dev/kvm"));
	f->r.constraints.kvm = true;
	assert_mount(print(f), "/dev/kvm", "/dev/kvm", "rbind");
	f->h.has_kvm = false;
	assert_null(mount_at(print(f), "/dev/kvm"));
}

static void shm_sizes_in_percent_are_worked_out_as_the_kernel_does(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	f->h.ram_bytes = 4096 * 1001;
	assert_mount(print(f), "/dev/shm", "none", "mode=1777 size=2050048");
	free(f->r.constraints.shm_size);
	f->r.constraints.shm_size = str_dup("30%", &e);
	assert_mount(print(f), "/dev/shm", "none", "mode=1777 size=1230028");
	f->h.ram_bytes = 0;
	assert_mount(print(f), "/dev/shm", "none", "mode=1777 size=30%");
	free(f->r.constraints.shm_size);
	f->r.constraints.shm_size = str_dup("64m", &e);
	assert_mount(print(f), "/dev/shm", "none", "mode=1777 size=64m");
}

static void core_files_are_off_unless_the_caller_says_otherwise(void **state)
{
	struct fixture *f = *state;

	f->h.rlimits[0] = (struct spec_rlimit){"RLIMIT_NOFILE", 1024, UINT64_MAX};
	print(f);
	assert_non_null(strstr(f->text, "{\"type\": \"RLIMIT_NOFILE\", \"soft\": 1024, \"hard\": "
					"18446744073709551615}"));
	assert_non_null(strstr(f->text, "{\"type\": \"RLIMIT_CORE\", \"soft\": 0, \"hard\": "
					"18446744073709551615}"));
	f->h.rlimits[0] = (struct spec_rlimit){"RLIMIT_CORE", 0, 4096};
	print(f);
	assert_non_null(
		strstr(f->text, "{\"type\": \"RLIMIT_CORE\", \"soft\": 0, \"hard\": 4096}"));
	assert_null(strstr(f->text, "18446744073709551615"));
}

/* For each rule: names, argument, bit, error. */
/* "NAMES ERRNO: INDEX OP VALUE VALUE-TWO, ..." of each rule of the filter, one a line. */
static const char *filter_of(const JSON_Object *o)
{
	static char text[16384];
	const JSON_Array *rules = json_value_get_array(at(o, "linux.seccomp.syscalls"));
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_array_get_count(rules); i++) {
		const JSON_Object *r = json_array_get_object(rules, i);
		const JSON_Array *args = json_object_get_array(r, "args");

		assert_string_equal(json_object_get_string(r, "action"), "SCMP_ACT_ERRNO");
		len += (size_t)snprintf(text + len, sizeof text - len,
					"%s %d:", words(json_object_get_value(r, "names")),
					(int)json_object_get_number(r, "errnoRet"));
		for (size_t k = 0; args && k < json_array_get_count(args); k++) {
			const JSON_Object *arg = json_array_get_object(args, k);

			len += (size_t)snprintf(
				text + len, sizeof text - len, "%s %d %s %#llo %#llo", k ? "," : "",
				(int)json_object_get_number(arg, "index"),
				json_object_get_string(arg, "op") + 9,
				(unsigned long long)json_object_get_number(arg, "value"),
				(unsigned long long)json_object_get_number(arg, "valueTwo"));
		}
		len += (size_t)snprintf(text + len, sizeof text - len, "\n");
	}
	return text;
}

#define MODES(bit, creat)                                                       \
	"chmod fchmod creat mknod 1: 1 MASKED_EQ " bit " " bit "\n"             \
	"fchmodat fchmodat2 mknodat 1: 2 MASKED_EQ " bit " " bit "\n"           \
	"open 1: 1 MASKED_EQ " creat " " creat ", 2 MASKED_EQ " bit " " bit     \
	"\nopen 1: 1 MASKED_EQ 020000000 020000000, 2 MASKED_EQ " bit " " bit   \
	"\nopenat 1: 2 MASKED_EQ " creat " " creat ", 3 MASKED_EQ " bit " " bit \
	"\nopenat 1: 2 MASKED_EQ 020000000 020000000, 3 MASKED_EQ " bit " " bit "\n"
#define XATTRS                                                                             \
	"getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr getxattrat setxattrat " \
	"95:\n"
#define NO_SOCKET(n) "socket 97: 0 MASKED_EQ 037777777777 " n "\n"

static void seccomp_denies_set_id_bits_and_extended_attributes(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o;

	f->r.constraints.network = true;
	o = print(f);
	assert_string_equal(json_value_get_string(at(o, "linux.seccomp.defaultAction")),
			    "SCMP_ACT_ALLOW");
	assert_string_equal(words(at(o, "linux.seccomp.architectures")),
			    "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32");
	assert_string_equal(filter_of(o), MODES("04000", "0100") MODES("02000", "0100") XATTRS
			    "openat2 38:\nio_uring_setup 38:\n");
	f->h.hide_io_uring = false;
	assert_string_equal(filter_of(print(f)),
			    MODES("04000", "0100") MODES("02000", "0100") XATTRS "openat2 38:\n");
	f->h.hide_openat2 = false;
	f->h.arch = "mips64el";
	assert_string_equal(filter_of(print(f)),
			    MODES("04000", "0400") MODES("02000", "0400") XATTRS);
}

static void seccomp_leaves_a_build_without_network_four_address_families(void **state)
{
	struct fixture *f = *state;
	const char *sockets = strstr(filter_of(print(f)), "socket ");

	assert_non_null(sockets);
	assert_string_equal(
		sockets, NO_SOCKET("03") NO_SOCKET("04") NO_SOCKET("05") NO_SOCKET("06")
				 NO_SOCKET("07") NO_SOCKET("010") NO_SOCKET("011") NO_SOCKET("013")
					 NO_SOCKET("014") NO_SOCKET("015") NO_SOCKET("016")
						 NO_SOCKET("017") "socket 97: 0 GE 021 0\n");
	/* Its root makes networks for containers. */
	f->r.constraints.uid_range = true;
	sockets = strstr(filter_of(print(f)), "socket ");
	assert_non_null(sockets);
	assert_string_equal(sockets, NO_SOCKET("050"));
	f->r.constraints.network = true;
	assert_null(strstr(filter_of(print(f)), "socket "));
}

static void seccomp_covers_the_abis_of_the_machine(void **state)
{
	struct fixture *f = *state;

	f->h.arch = "aarch64";
	assert_string_equal(words(at(print(f), "linux.seccomp.architectures")),
			    "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM");
	f->h.arch = "riscv64";
	assert_null(at(print(f), "linux.seccomp.architectures"));
	f->h.filter_syscalls = false;
	assert_null(at(print(f), "linux.seccomp"));
}

static void ids_are_mapped_in_a_user_namespace_only(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o = print(f);

	assert_non_null(strstr(f->text, "{\"containerID\": 1000, \"hostID\": 872415232, \"size\": "
					"1}"));
	assert_non_null(at(o, "linux.gidMappings"));
	f->h.userns = false;
	f->h.uid = f->h.gid = 30001;
	o = print(f);
	assert_null(at(o, "linux.uidMappings"));
	assert_string_equal(column(at(o, "linux.namespaces"), "type"),
			    "pid ipc uts mount cgroup network");
	assert_int_equal(json_value_get_number(at(o, "process.user.uid")), 30001);
}

static void limits_and_cgroup_are_written_where_they_are_set(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o = print(f);

	assert_null(at(o, "linux.resources"));
	assert_null(at(o, "linux.cgroupsPath"));
	f->h.memory_max_bytes = 1ull << 40;
	f->h.pids_max = 100;
	f->h.cgroups_path = "/nix-oci-hook/x";
	o = print(f);
	assert_true(json_value_get_number(at(o, "linux.resources.memory.limit")) ==
		    1099511627776.0);
	assert_int_equal(json_value_get_number(at(o, "linux.resources.pids.limit")), 100);
	assert_string_equal(json_value_get_string(at(o, "linux.cgroupsPath")), "/nix-oci-hook/x");
}

static void tvix_is_what_its_generator_prints(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const JSON_Object *o;

	f->profile = SPEC_TVIX;
	f->h.userns = false;
	f->h.sandbox_shell = "/sh";
	f->h.has_resolv_conf = f->h.has_services = f->h.has_hosts = true;
	f->h.ca_bundle = "/ca.pem";
	f->r.constraints.provide_bin_sh = f->r.constraints.network = true;
	assert_ok(&e, req_add_host_path(&f->r, "/a", "/srv/a", false, false, &e));
	o = print(f);
	assert_string_equal(
		column(at(o, "mounts"), "destination"),
		"/proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup /tmp /build "
		"/nix/store /nix/store/" DIGITS "-a /nix/store/" DIGITS
		"-b /a /bin/sh /etc/resolv.conf /etc/services /etc/hosts");
	assert_mount(o, "/dev", "tmpfs", "nosuid strictatime mode=755 size=65536k");
	assert_mount(o, "/dev/pts", "devpts",
		     "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5");
	assert_mount(o, "/dev/shm", "shm", "nosuid noexec nodev mode=1777 size=65536k");
	assert_mount(o, "/dev/mqueue", "mqueue", "nosuid noexec nodev");
	assert_mount(o, "/sys", "sysfs", "nosuid noexec nodev ro");
	assert_mount(o, "/sys/fs/cgroup", "cgroup", "nosuid noexec nodev relatime ro");
	assert_mount(o, "/tmp", "tmpfs", "nosuid noatime mode=700");
	assert_mount(o, "/build", "scratch/build", "rbind rw nosuid");
	assert_mount(o, "/a", "/srv/a", "rbind ro nosuid");
	assert_string_equal(words(at(o, "process.capabilities.bounding")),
			    "CAP_AUDIT_WRITE CAP_KILL");
	assert_string_equal(words(at(o, "process.capabilities.ambient")),
			    "CAP_AUDIT_WRITE CAP_KILL");
	assert_string_equal(words(at(o, "linux.maskedPaths")),
			    "/proc/kcore /proc/latency_stats /proc/timer_list /proc/timer_stats "
			    "/proc/sched_debug /sys/firmware");
	assert_string_equal(words(at(o, "linux.readonlyPaths")),
			    "/proc/asound /proc/bus /proc/fs /proc/irq /proc/sys "
			    "/proc/sysrq-trigger");
	assert_string_equal(column(at(o, "linux.namespaces"), "type"), "pid ipc uts mount cgroup");
	assert_int_equal(json_value_get_boolean(at(o, "root.readonly")), 1);
	assert_int_equal(json_value_get_number(at(o, "process.user.uid")), 1000);
	assert_non_null(strstr(f->text, "{\"type\": \"RLIMIT_NOFILE\", \"soft\": 1024, \"hard\": "
					"1024}"));
	assert_null(strstr(f->text, "RLIMIT_CORE"));
	assert_null(at(o, "linux.seccomp"));
}

static void tvix_rootless_has_more_capabilities_and_binds_sys(void **state)
{
	struct fixture *f = *state;
	const JSON_Object *o;

	f->profile = SPEC_TVIX;
	f->h.rootless = true;
	o = print(f);
	assert_string_equal(
		words(at(o, "process.capabilities.permitted")),
		"CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL "
		"CAP_MKNOD CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID "
		"CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT");
	assert_mount(o, "/sys", "/sys", "nosuid noexec nodev ro rbind");
	assert_mount(o, "/dev/pts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620");
	assert_string_equal(column(at(o, "linux.namespaces"), "type"),
			    "pid ipc uts mount cgroup network user");
}

static void what_json_cannot_hold_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(TEXT_MAX);

	assert_ok(&e, req_set_env(&f->r, "Q", "\xe4", 1, &e));
	assert_err(&e, spec_print(&f->r, SPEC_NIX, &f->h, &b, &e),
		   "environment variable 'Q' is not UTF-8");
	assert_ok(&e, req_set_env(&f->r, "Q", "", 0, &e));
	assert_ok(&e, strv_add(&f->r.args, "\xff", &e));
	assert_err(&e, spec_print(&f->r, SPEC_NIX, &f->h, &b, &e), "argument 2 of the builder");
}

static void host_paths_that_json_cannot_hold_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	scoped_buf struct buf b = BUF_INIT(TEXT_MAX);

	assert_ok(&e, req_add_host_path(&f->r, "/\xff", "/a", false, false, &e));
	assert_err(&e, spec_print(&f->r, SPEC_NIX, &f->h, &b, &e), "is not UTF-8");
	assert_err(&e, spec_print(&f->r, SPEC_TVIX, &f->h, &b, &e), "is not UTF-8");
}

static void a_full_buffer_is_one_error(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	for (size_t max = 0; max < 20000; max += 97) {
		scoped_buf struct buf b = BUF_INIT(max);
		if (spec_print(&f->r, SPEC_NIX, &f->h, &b, &e) == 0)
			return;
		assert_non_null(strstr(e.msg, "limit of"));
		err_clear(&e);
	}
	fail_msg("%s", "the configuration is larger than 20000 bytes");
}

static void scratch_names_are_readable_and_distinct(void **state)
{
	static const char *const cases[][2] = {
		{"build", "build"}, {"nix/store", "nix-store"}, {"a-b", "a=2db"},
		{"a/-b", "a-=2db"}, {"a-/b", "a=2d-b"},         {"a=2db", "a=3d2db"},
	};
	struct err e = ERR_INIT;
	char longest[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *name = spec_scratch_name(cases[i][0], &e);
		assert_string_equal(name, cases[i][1]);
		free(name);
	}
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_null(spec_scratch_name(longest, &e));
	assert_non_null(strstr(e.msg, "limit of 255 bytes"));
}

static void profiles_have_names(void **state)
{
	enum spec_profile p = SPEC_TVIX;

	assert_true(spec_profile_parse("nix", &p) && p == SPEC_NIX);
	assert_true(spec_profile_parse("tvix", &p) && p == SPEC_TVIX);
	assert_false(spec_profile_parse("Nix", &p));
}

/* The whole document, byte for byte: NAME in tests/golden/. */
static void assert_golden(struct fixture *f, const char *name)
{
	struct err e = ERR_INIT;
	scoped_buf struct buf want = BUF_INIT(TEXT_MAX);
	const char *top = getenv("top_srcdir");
	scoped_free char *path = str_fmt(&e, "%s/tests/golden/%s", top ? top : ".", name);
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("there is no %s", path);
	assert_ok(&e, buf_read_fd(&want, fd, path, &e));
	print(f);
	assert_string_equal(f->text, want.data);
}

static void nix_prints_the_same_bytes_always(void **state)
{
	assert_golden(*state, "spec-nix.json");
}

static void tvix_prints_the_same_bytes_always(void **state)
{
	struct fixture *f = *state;

	f->profile = SPEC_TVIX;
	assert_golden(f, "spec-tvix.json");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nix_process_is_that_of_nix),
		CASE(nix_drops_no_capability_from_the_bounding_set_and_gives_none),
		CASE(a_range_of_ids_has_root_with_all_capabilities_and_sys),
		CASE(nix_mounts_in_order_of_targets_and_kernel_file_systems_last),
		CASE(what_the_bundle_has_in_place_is_not_mounted),
		CASE(host_paths_take_the_place_of_our_own_mounts),
		CASE(nothing_that_is_mounted_from_the_machine_is_set_id),
		CASE(no_flag_of_a_source_is_taken_off),
		CASE(new_privileges_are_nix_s_to_allow),
		CASE(the_network_brings_its_files_and_no_namespace),
		CASE(a_network_namespace_may_be_given),
		CASE(kvm_is_bound_where_it_is_asked_for_and_there),
		CASE(shm_sizes_in_percent_are_worked_out_as_the_kernel_does),
		CASE(core_files_are_off_unless_the_caller_says_otherwise),
		CASE(seccomp_denies_set_id_bits_and_extended_attributes),
		CASE(seccomp_leaves_a_build_without_network_four_address_families),
		CASE(seccomp_covers_the_abis_of_the_machine),
		CASE(ids_are_mapped_in_a_user_namespace_only),
		CASE(limits_and_cgroup_are_written_where_they_are_set),
		CASE(tvix_is_what_its_generator_prints),
		CASE(tvix_rootless_has_more_capabilities_and_binds_sys),
		CASE(what_json_cannot_hold_is_refused_by_name),
		CASE(host_paths_that_json_cannot_hold_are_refused),
		CASE(a_full_buffer_is_one_error),
		CASE(scratch_names_are_readable_and_distinct),
		CASE(profiles_have_names),
		CASE(nix_prints_the_same_bytes_always),
		CASE(tvix_prints_the_same_bytes_always),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
