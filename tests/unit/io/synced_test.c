/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's word on its clock, where we may not ask for it: a seccomp filter answers as a service
 * manager's would.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "synced.h"

/* The calls that ask end at once with this errno; 0: with TIME_OK. */
static void answer_with(unsigned error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_adjtime, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_adjtimex, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(2);
}

static int synced_if(unsigned error)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		answer_with(error);
		_exit(clock_synced());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_good(void **state)
{
	assert_int_equal(synced_if(0), 1);
}

static void test_may_not_ask(void **state)
{
	assert_int_equal(synced_if(EPERM), 0);
	assert_int_equal(synced_if(ENOSYS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_may_not_ask),
	};

	if (getenv("CORDON_EMULATED")) {
		puts("1..0 # SKIP the emulator has no seccomp");
		return 0;
	}
	return cmocka_run_group_tests_name("synced", tests, NULL, NULL);
}
