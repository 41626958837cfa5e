/* SPDX-License-Identifier: BSD-3-Clause */
#include "good_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mkimage.h"

struct image_header *good_image(void)
{
	const struct mkimage_cell cell = {16, 16, service_key_make(17, 0), service_key_make(18, 0),
					  mkimage_allow(1)};
	const struct mkimage_prefix prefix[] = {{10u << 24, 16, PREFIX_FINAL},
						{11u << 24, IDENTITY_UNKNOWN, 0}};
	const struct mkimage m = {.cell = &cell, .n_cells = 1, .prefix = prefix, .n_prefixes = 2};
	struct image_header *image = mkimage(&m);

	assert_non_null(image);
	return image;
}

struct snapshot_header *good_snapshot(const struct image_header *image, uint32_t generation, uint32_t n,
				      size_t *size)
{
	*size = sizeof(struct snapshot_header) + n * sizeof(struct dp_binding);

	struct snapshot_header *h = calloc(1, *size);
	struct dp_binding *b = (struct dp_binding *)(h + 1);

	assert_non_null(h);
	memcpy(h->magic, SNAPSHOT_MAGIC, sizeof(h->magic));
	h->abi = SNAPSHOT_ABI;
	h->generation = generation;
	h->count = n;
	h->dictionary = image->identity.count;
	h->image_crc = image->crc64;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t addr[4] = {10, 0, (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1)};
		const uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1)};

		b[i] = (struct dp_binding){
			.domain = 10, .identity = 16, .family = 4, .dictionary = h->dictionary};
		b[i].port = i & 1;
		b[i].lease_s = UINT32_MAX;
		memcpy(b[i].addr, addr, sizeof(addr));
		memcpy(b[i].mac, mac, sizeof(mac));
	}
	good_snapshot_seal(h);
	return h;
}

void good_snapshot_seal(struct snapshot_header *h)
{
	h->crc64 = snapshot_crc(h);
}

void write_file(const char *dir, const char *name, const void *bytes, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}
