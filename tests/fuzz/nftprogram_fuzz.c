/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile kernel programs. The input is taken as a program whose sender can compute checksums: magic,
 * version, size and checksum are put right, all else is as it comes. What nft_program_check() accepts must be
 * harmless to every reader, and equal to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bind_one(const struct nft_program *p)
{
	struct dp_binding b = {.addr = {10}, .mac = {2}, .domain = p->box.port[0].vlan};
	char error[200];
	size_t size;

	b.family = 4;
	free(nft_with_bindings(p, 0, &b, 1, &size, error, sizeof error));
}

static void walk(const struct nft_program *p)
{
	char what[200];
	size_t len;

	for (uint32_t m = 0; m < p->model.count && m < 4; m++) {
		char *text = nft_print(p, m, true, &len);

		if (!text || strlen(text) != len || nft_differ(p, m, p, m, what, sizeof what))
			abort();
		free(text);
		for (service_key key = 0; key < SERVICE_KEY_END; key += 0x1fff1)
			nft_ask(p, m, 16, 17, key);
	}
	nft_differ(p, 0, p, p->model.count - 1, what, sizeof what);
	bind_one(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nft_program *p;

	size &= ~(size_t)7;
	if (size < sizeof *p || size > 1 << 20)
		return 0;
	p = malloc(size); /* exact, so that a read beyond the end is seen */
	if (!p)
		return 0;
	memcpy(p, data, size);
	memcpy(p->magic, NFT_PROGRAM_MAGIC, sizeof p->magic);
	p->abi = NFT_PROGRAM_ABI;
	p->size = (uint32_t)size;
	p->crc64 = nft_program_crc(p);
	if (!nft_program_check(p, size))
		walk(p);
	free(p);
	return 0;
}
