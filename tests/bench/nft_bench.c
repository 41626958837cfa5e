/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long does the kernel engine take to load and to read back a map of many intervals, and how long does
 * nft(8) take for the same map? Both in turn, in a network namespace of their own; medians. One JSON object
 * on stdout. As root.
 *
 *   nft_bench [elements] [rounds]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "space.h"

#define ROUNDS_MAX    21u
#define SWAP_ELEMENTS 40000u

enum what { LOAD, NFT, SWAP, READ, WHATS };

struct bench {
	struct nl *nl;
	char file[32]; /* for nft(8) */
	uint32_t elements, round;
	double took[WHATS][ROUNDS_MAX];
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "nft_bench: %s\n", what);
	exit(1);
}

/* The elements of space_ports(), as text. */
static void write_text(struct bench *b)
{
	const int fd = mkstemp(strcpy(b->file, "/tmp/cordon-bench-XXXXXX"));
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (!out)
		die("no temporary file");
	fprintf(out,
		"table inet text {\nmap ports {\ntypeof meta mark . meta l4proto . th dport : ct mark\n"
		"size %u\nflags interval\nelements = {\n",
		b->elements);
	for (uint32_t i = 0; i < b->elements; i++)
		fprintf(out, "%u . 6 . %u-%u : %u,\n", i / 64, i % 64 * 512, i % 64 * 512 + 31,
			nft_mark(1, 1 + i % 1000));
	fprintf(out, "}\n}\n}\n");
	fclose(out);
}

static void load(struct bench *b, enum what what, const struct nft_program *p, uint32_t generation)
{
	const struct nft_version v = {generation, 0, 1};
	const double start = seconds();

	if (nl_swap(b->nl, p, 0, &v, NULL, 0))
		die(nl_error(b->nl));
	b->took[what][b->round] = seconds() - start;
}

static void load_text(struct bench *b)
{
	const double start = seconds();

	if (!space_run("nft -f %s", b->file))
		die("nft failed");
	b->took[NFT][b->round] = seconds() - start;
	space_run("nft delete table inet text");
}

static void read_back(struct bench *b, const struct nft_program *p)
{
	const double start = seconds();
	struct nft_program *got;
	struct nft_version v;
	char what[300];
	size_t size;

	if (nl_dump(b->nl, &got, &size, &v))
		die(nl_error(b->nl));
	b->took[READ][b->round] = seconds() - start;
	if (nft_differ(p, 0, got, 0, what, sizeof what))
		die(what);
	free(got);
}

static void round_of(struct bench *b, const struct nft_program *large, const struct nft_program *small)
{
	load(b, LOAD, large, 1);
	read_back(b, large);
	nl_remove(b->nl);
	load_text(b);
	load(b, SWAP, small, 1);
	load(b, SWAP, small, 2);
	nl_remove(b->nl);
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(struct bench *b, enum what what, uint32_t rounds)
{
	qsort(b->took[what], rounds, sizeof(double), by_size);
	return b->took[what][rounds / 2];
}

int main(int argc, char **argv)
{
	struct bench b = {.elements = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000};
	const uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 5;
	const uint32_t swapped = b.elements < SWAP_ELEMENTS ? b.elements : SWAP_ELEMENTS;
	const struct nft_box box = space_box();
	char error[320];
	size_t size;

	if (!b.elements || b.elements > 1u << 20 || !rounds || rounds > ROUNDS_MAX)
		die("1 to 1048576 elements, 1 to 21 rounds");
	space_new();
	if (nl_open(&b.nl, &box, error, sizeof error))
		die(error);
	struct nft_program *large = space_ports(b.elements, &size), *small = space_ports(swapped, &size);
	write_text(&b);
	for (b.round = 0; b.round < rounds; b.round++)
		round_of(&b, large, small);
	unlink(b.file);
	const double ours = median(&b, LOAD, rounds), theirs = median(&b, NFT, rounds);
	printf("{\"elements\": %u, \"load_s\": %.3f, \"nft_s\": %.3f, \"ratio\": %.3f, \"swap_elements\": "
	       "%u, "
	       "\"swap_s\": %.3f, \"readback_s\": %.3f}\n",
	       b.elements, ours, theirs, ours / theirs, swapped, median(&b, SWAP, rounds),
	       median(&b, READ, rounds));
	nl_close(b.nl);
	free(large);
	free(small);
	return 0;
}
