/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 as text, over EVP. A failure anywhere is remembered and told at the end. */
#include "digest.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct digest {
	EVP_MD_CTX *evp;
	bool good;
};

struct digest *digest_new(void)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->evp = EVP_MD_CTX_new();
	d->good = d->evp && EVP_DigestInit_ex(d->evp, EVP_sha256(), NULL) == 1;
	return d;
}

static void add(struct digest *d, const void *bytes, size_t size)
{
	d->good = d->good && EVP_DigestUpdate(d->evp, bytes, size) == 1;
}

void digest_part(struct digest *d, const void *bytes, size_t size)
{
	char length[24];

	add(d, length, (size_t)snprintf(length, sizeof(length), "%zu:", size));
	add(d, bytes, size);
}

bool digest_end(struct digest *d, char text[DIGEST_TEXT])
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	bool good;

	d->good = d->good && EVP_DigestFinal_ex(d->evp, sum, &n) == 1 && n == 32;
	for (unsigned i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", d->good ? sum[i] : 0);
	good = d->good;
	EVP_MD_CTX_free(d->evp);
	free(d);
	return good;
}

bool digest_bytes(const void *bytes, size_t size, char text[DIGEST_TEXT])
{
	struct digest *d = digest_new();

	text[0] = 0;
	if (!d)
		return false;
	add(d, bytes, size);
	return digest_end(d, text);
}
