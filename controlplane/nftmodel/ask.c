/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The maps of a model, read as the rules read them: identities to classes, classes to a list, list and
 * service to the class of the decision. A map that is missing, or has another shape, says nothing.
 */
#include "inside.h"
#include "sets.h"

/* Sessions of bridged frames are decided in the bridge table, or in inet's if that has no maps. */
static const struct nft_table *deciding(const struct nft_program *p, uint32_t model)
{
	const struct nft_table *bridge = nft_find_table(p, model, NFT_BRIDGE);

	if (bridge && nft_find_set(p, bridge, "source"))
		return bridge;
	return nft_find_table(p, model, NFT_INET);
}

static bool map(const struct nft_program *p, const struct nft_table *t, const char *name,
		const uint32_t *fields, uint32_t *out)
{
	const struct nft_set *set = nft_find_set(p, t, name);
	uint8_t key[NFT_KEY_MAX] = {0};
	struct nft_set_shape shape;

	if (!set || !nft_shape_of(name, set, &shape))
		return false;
	for (uint32_t i = 0; i < shape.n_fields; i++)
		nft_key_number(&shape, i, fields[i], key);
	const struct nft_element *e = nft_find_element(p, set, key);
	if (e)
		*out = e->data;
	return e;
}

static bool map1(const struct nft_program *p, const struct nft_table *t, const char *name, uint32_t *value)
{
	return map(p, t, name, value, value);
}

static bool list_of(const struct nft_program *p, const struct nft_table *t, uint16_t from, uint16_t to,
		    uint32_t *list)
{
	uint32_t source = from, responder = to;

	if (!map1(p, t, "responder", &responder) || !map1(p, t, "source", &source))
		return false;
	if (map(p, t, "pair", (const uint32_t[]){source, responder}, list))
		return true;
	*list = source;
	return map1(p, t, "row", list);
}

uint32_t nft_ask(const struct nft_program *p, uint32_t model, uint16_t from, uint16_t to, service_key key)
{
	enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58 };
	const struct nft_table *t = deciding(p, model);
	const uint32_t proto = key >> 16, low = key & 0xffff;
	uint32_t list, class = 0;

	if (!t || !list_of(p, t, from, to, &list))
		return 0;
	if (proto == TCP || proto == UDP)
		map(p, t, "ports", (const uint32_t[]){list, proto, low}, &class);
	else if (proto == ICMP || proto == ICMPV6)
		map(p, t, proto == ICMP ? "types" : "types6", (const uint32_t[]){list, low >> 8, low & 0xff},
		    &class);
	else
		map(p, t, "protos", (const uint32_t[]){list, proto}, &class);
	return class;
}
