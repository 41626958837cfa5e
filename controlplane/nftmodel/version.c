/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nftmodel.h"

void nft_version_suffix(const struct nft_version *v, char *out)
{
	snprintf(out, NFT_VERSION_TEXT, "_%" PRIu32 "_%" PRIu32 "_%" PRIu32, v->generation, v->model,
		 v->turn);
}

/* The number behind the last `_` before `*end`, which moves to that `_`. No leading zeros: one text a
 * version. */
static bool take_number(const char *text, size_t *end, uint32_t *number)
{
	uint64_t value = 0;
	size_t first = *end;

	while (first > 0 && text[first - 1] >= '0' && text[first - 1] <= '9')
		first--;
	if (first == *end || *end - first > 10 || first == 0 || text[first - 1] != '_' ||
	    (text[first] == '0' && *end - first > 1))
		return false;
	for (size_t i = first; i < *end; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	*number = (uint32_t)value;
	*end = first - 1;
	return value <= UINT32_MAX;
}

bool nft_version_parse(const char *text, struct nft_version *v, size_t *len)
{
	size_t end = strlen(text);

	if (!take_number(text, &end, &v->turn) || !take_number(text, &end, &v->model) ||
	    !take_number(text, &end, &v->generation) || end == 0)
		return false;
	*len = end;
	return true;
}
