/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peak FILE COMMAND...: run COMMAND and write to FILE how much of it was in memory at most, in KiB.
 * Its exit code, or 128 and more where a signal ended it. A small program, as a child counts what
 * its parent had when it was forked.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;

	if (argc < 3)
		return 2;
	pid_t pid = vfork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
		return 126;
	FILE *f = fopen(argv[1], "we");
	if (!f || fprintf(f, "%ld\n", usage.ru_maxrss) < 0 || fclose(f) != 0)
		return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
