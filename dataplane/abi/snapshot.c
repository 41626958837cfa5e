/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judge a bindings snapshot before use. What an identity number means is not asked here: one beyond the
 * image's table denies everything. No state; any thread.
 */
#include "snapshot.h"

#include <stdbool.h>
#include <string.h>

#include "image_check.h"
#include "verdict.h"

_Static_assert(sizeof(struct dp_binding) == 40, "layout");
_Static_assert(sizeof(struct snapshot_header) == 40, "layout");

static size_t snapshot_size(uint32_t count)
{
	return sizeof(struct snapshot_header) + (size_t)count * sizeof(struct dp_binding);
}

uint64_t snapshot_crc(const struct snapshot_header *h)
{
	struct snapshot_header copy = *h;

	copy.crc64 = 0;
	return crc64(crc64(0, &copy, sizeof copy), h + 1, snapshot_size(h->count) - sizeof copy);
}

static bool padded_with_zero(const struct dp_binding *b)
{
	static const uint8_t zero[12];

	return b->family == 6 || !memcmp(b->addr + 4, zero, sizeof zero);
}

static const char *check_binding(const struct snapshot_header *h, const struct dp_binding *b)
{
	if ((b->family != 4 && b->family != 6) || !padded_with_zero(b))
		return "bindings: address of no known family";
	if (b->flags || b->reserved)
		return "bindings: unknown flag";
	if (b->identity > IDENTITY_LAST)
		return "bindings: identity out of range";
	if (b->dictionary > h->dictionary)
		return "bindings: identity from a larger dictionary";
	return NULL;
}

const char *snapshot_check(const void *bytes, size_t size)
{
	const struct snapshot_header *h = bytes;

	if ((uintptr_t)bytes % 8)
		return "bindings: not aligned in memory";
	if (size < sizeof *h)
		return "bindings: shorter than its header";
	if (memcmp(h->magic, SNAPSHOT_MAGIC, sizeof h->magic))
		return "bindings: not a bindings snapshot";
	if (h->abi != SNAPSHOT_ABI)
		return "bindings: made for another version";
	if (h->count > SNAPSHOT_BINDINGS_MAX || size != snapshot_size(h->count))
		return "bindings: size differs from its header";
	if (h->crc64 != snapshot_crc(h))
		return "bindings: damaged (checksum differs)";
	for (uint32_t i = 0; i < h->count; i++) {
		const char *error = check_binding(h, &snapshot_bindings(h)[i]);

		if (error)
			return error;
	}
	return NULL;
}
