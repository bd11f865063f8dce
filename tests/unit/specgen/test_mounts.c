/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is mounted where; the values are those of docs/profiles.md. */
#include "tests/unit/specgen/spec.h"

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nix_mounts_in_order_of_targets_and_kernel_file_systems_last),
		CASE(what_the_bundle_has_in_place_is_not_mounted),
		CASE(host_paths_take_the_place_of_our_own_mounts),
		CASE(nothing_that_is_mounted_from_the_machine_is_set_id),
		CASE(no_flag_of_a_source_is_taken_off),
		CASE(kvm_is_bound_where_it_is_asked_for_and_there),
		CASE(shm_sizes_in_percent_are_worked_out_as_the_kernel_does),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("mounts", tests, NULL, NULL);
}
