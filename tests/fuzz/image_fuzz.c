/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile images. The input is taken as an image whose sender can compute checksums: magic, version, size and
 * checksum are put right, all else is as it comes. What image_check() accepts must be harmless to every
 * reader.
 */
#include <stdlib.h>
#include <string.h>

#include "image_check.h"
#include "image_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_header *image;

	if (size < sizeof *image || size > 1 << 20)
		return 0;
	image = malloc(size); /* exact, so that a read beyond the end is seen */
	if (!image)
		return 0;
	memcpy(image, data, size);
	memcpy(image->magic, IMAGE_MAGIC, sizeof image->magic);
	image->abi = IMAGE_ABI;
	image->size = (uint32_t)size;
	image->crc64 = image_crc(image);
	if (!image_check(image, size))
		image_exercise(image);
	free(image);
	return 0;
}
