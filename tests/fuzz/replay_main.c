/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replays a corpus: each regular file of the given directories goes through the fuzz target once. Linked with
 * a target in place of libFuzzer, so that every compiler and sanitizer runs the corpora. A crash ends the
 * process, which TAP counts as a failure; so is a directory without files.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The file's bytes in a block of exactly its size, so that a sanitizer sees the first byte too many. */
static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *in = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;

	if (!in || fstat(fileno(in), &st) < 0 || !S_ISREG(st.st_mode)) {
		if (in)
			fclose(in);
		return NULL;
	}
	*size = (size_t)st.st_size;
	bytes = malloc(*size ? *size : 1);
	if (bytes && fread(bytes, 1, *size, in) != *size) {
		free(bytes);
		bytes = NULL;
	}
	fclose(in);
	return bytes;
}

static unsigned replay(const char *dir, unsigned n)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, NULL, by_name);

	for (int i = 0; i < count; i++) {
		char path[4096];
		uint8_t *bytes = NULL;
		size_t size;

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			bytes = read_file(path, &size);
		if (bytes) {
			LLVMFuzzerTestOneInput(bytes, size);
			printf("ok %u - %s\n", ++n, entries[i]->d_name);
			fflush(stdout);
		}
		free(bytes);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return n;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		unsigned before = n;

		n = replay(argv[i], n);
		if (n != before)
			continue;
		printf("not ok %u - %s holds no readable file\n1..%u\n", n + 1, argv[i], n + 1);
		return 1;
	}
	printf("1..%u\n", n);
	return n == 0;
}
