/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties are read back through parson's API; the expected values are those that
 * docs/profiles.md takes from Nix's and tvix's builders. One whole document each stands in
 * tests/golden/.
 */
#include "tests/unit/specgen/spec.h"

#include <fcntl.h>

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nix_process_is_that_of_nix),
		CASE(nix_drops_no_capability_from_the_bounding_set_and_gives_none),
		CASE(a_range_of_ids_has_root_with_all_capabilities_and_sys),
		CASE(new_privileges_are_nix_s_to_allow),
		CASE(the_network_brings_its_files_and_no_namespace),
		CASE(a_network_namespace_may_be_given),
		CASE(core_files_are_off_unless_the_caller_says_otherwise),
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
