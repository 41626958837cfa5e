/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every instance has a file prefix of its own, made from its run directory, and its DPDK run-time files lie
 * in that directory, so labs run beside each other. Memory: huge pages from a mounted hugetlbfs if we may
 * write there (then dpdk-dumpcap can attach), else anonymous huge pages, else (--no-huge) ordinary ones of a
 * size fixed now.
 */
#include "eal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#define ARGUMENTS_MAX (16u + ENGINE_PORTS_MAX)
#define ARGUMENT_ROOM 1536u
#define HUGE_DIR      "/sys/kernel/mm/hugepages"
#define HUGE_2M       HUGE_DIR "/hugepages-2048kB"
#define PREFIX_ROOM   24u
#define MIB           (1ull << 20)

struct arguments {
	int n;
	char *word[ARGUMENTS_MAX + 1];
};

static __attribute__((format(printf, 2, 3))) void add(struct arguments *a, const char *format, ...)
{
	char text[ARGUMENT_ROOM];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	a->word[a->n++] = strdup(text);
}

static void forget(struct arguments *a)
{
	for (int i = 0; i < a->n; i++)
		free(a->word[i]);
}

static uint64_t read_number(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "re");

	if (file) {
		if (fscanf(file, "%llu", &value) != 1)
			value = 0;
		fclose(file);
	}
	return value;
}

/* Bytes in free huge pages of any size. */
static uint64_t huge_free(void)
{
	DIR *sizes = opendir(HUGE_DIR);
	struct dirent *entry;
	uint64_t bytes = 0;

	while (sizes && (entry = readdir(sizes))) {
		unsigned long long kib;
		char path[PATH_MAX];

		if (sscanf(entry->d_name, "hugepages-%llukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), HUGE_DIR "/%.64s/free_hugepages", entry->d_name);
		bytes += read_number(path) * kib << 10;
	}
	if (sizes)
		closedir(sizes);
	return bytes;
}

/* Calls `f` for each hugetlbfs that we may write to; how many there are. */
static int each_hugetlbfs(void (*f)(const char *dir, const char *prefix), const char *prefix)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *entry;
	int n = 0;

	while (mounts && (entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_type, "hugetlbfs") || access(entry->mnt_dir, W_OK))
			continue;
		n++;
		if (f)
			f(entry->mnt_dir, prefix);
	}
	if (mounts)
		endmntent(mounts);
	return n;
}

static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	while (*text)
		hash = (hash ^ (uint8_t)*text++) * 16777619u;
	return hash;
}

static void prefix_text(const char *run_dir, char *out, size_t room)
{
	snprintf(out, room, "cordon-%08x", hash_of(run_dir));
}

/* All CPUs that we may run on, as "0,2,3". */
static void cpus_text(char *out, size_t room)
{
	cpu_set_t set;
	size_t len = 0;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE && len < room; cpu++)
		if (CPU_ISSET(cpu, &set))
			len += (size_t)snprintf(out + len, room - len, "%s%d", len ? "," : "", cpu);
}

static void add_lcores(struct arguments *words, int worker_cpu)
{
	char all[1024] = "0";

	cpus_text(all, sizeof(all));
	if (worker_cpu < 0)
		add(words, "--lcores=0@(%s),%u@(%s)", all, EAL_WORKER_LCORE, all);
	else
		add(words, "--lcores=0@(%s),%u@%d", all, EAL_WORKER_LCORE, worker_cpu);
}

static void add_devices(struct arguments *words, const struct eal_plan *plan)
{
	bool pci = false;

	for (uint32_t i = 0; i < plan->n_devices; i++) {
		if (plan->device[i].pci) {
			add(words, "--allow=%s", plan->device[i].devargs);
			pci = true;
		}
	}
	if (!pci)
		add(words, "--no-pci");
}

/* What nr_hugepages would have to be, with the pages that others use. */
static uint64_t pages_wanted(uint64_t bytes)
{
	uint64_t used = read_number(HUGE_2M "/nr_hugepages") - read_number(HUGE_2M "/free_hugepages");

	return used + (bytes + (2 * MIB) - 1) / (2 * MIB);
}

static int check_memory(const struct args *a, const struct eal_plan *plan, char *error, size_t room)
{
	uint64_t have = huge_free();

	if (a->no_huge || have >= plan->memory)
		return 0;
	snprintf(error, room,
		 "not enough huge pages: about %" PRIu64 " MB are needed, %" PRIu64
		 " MB are free; raise them "
		 "(echo %" PRIu64 " > " HUGE_2M "/nr_hugepages) or start with --no-huge",
		 (uint64_t)(plan->memory / MIB), (uint64_t)(have / MIB), pages_wanted(plan->memory));
	return -ENOMEM;
}

int eal_start(const struct args *a, const struct eal_plan *plan, char *error, size_t room)
{
	struct arguments words = {0};
	char run_dir[PATH_MAX], prefix[PREFIX_ROOM];
	int code = check_memory(a, plan, error, room);

	if (code)
		return code;
	if (!realpath(a->run_dir, run_dir)) {
		snprintf(error, room, "%s: %s", a->run_dir, strerror(errno));
		return -errno;
	}
	setenv("RUNTIME_DIRECTORY", run_dir, 1);
	add(&words, "cordon-dp");
	prefix_text(run_dir, prefix, sizeof(prefix));
	add(&words, "--file-prefix=%s", prefix);
	add(&words, "--log-level=*:error");
	add_lcores(&words, a->cpu);
	add_devices(&words, plan);
	if (a->no_huge) {
		add(&words, "--no-huge");
		add(&words, "-m%llu", (plan->memory + MIB - 1) / MIB);
	} else if (!each_hugetlbfs(NULL, NULL)) {
		add(&words, "--in-memory");
	}

	/* DPDK shuffles the array it gets and keeps copies of the words. */
	char *shuffled[ARGUMENTS_MAX + 1];
	memcpy(shuffled, words.word, sizeof(shuffled));
	code = rte_eal_init(words.n, shuffled);
	forget(&words);
	if (code >= 0)
		return 0;
	snprintf(error, room, "DPDK does not start: %s", rte_strerror(rte_errno));
	return -(rte_errno ? rte_errno : EINVAL);
}

/* DPDK names its files <prefix>map_<number>. */
static void remove_pages(const char *dir, const char *prefix)
{
	DIR *files = opendir(dir);
	size_t len = strlen(prefix);

	for (struct dirent *file; files && (file = readdir(files));)
		if (!strncmp(file->d_name, prefix, len) && !strncmp(file->d_name + len, "map_", 4))
			unlinkat(dirfd(files), file->d_name, 0);
	if (files)
		closedir(files);
}

void eal_stop(const struct args *a)
{
	char run_dir[PATH_MAX], prefix[PREFIX_ROOM];

	rte_eal_cleanup();
	if (a->no_huge || !realpath(a->run_dir, run_dir))
		return;
	prefix_text(run_dir, prefix, sizeof(prefix));
	each_hugetlbfs(remove_pages, prefix);
}
