/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filter of system calls, whole. */
#include "tests/unit/specgen/spec.h"

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(seccomp_denies_set_id_bits_and_extended_attributes),
		CASE(seccomp_leaves_a_build_without_network_four_address_families),
		CASE(seccomp_covers_the_abis_of_the_machine),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
