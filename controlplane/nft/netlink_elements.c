/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Elements of sets: written attribute by attribute, because a set has a hundred thousand of them. Attribute
 * lengths have 16 bits, so a message holds what fits below 60 KiB.
 */
#include "netlink_inside.h"

#include <stdio.h>
#include <string.h>

#define NEST_MAX 61000u

static void put_data(struct nlmsghdr *h, uint16_t type, const void *bytes, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);

	mnl_attr_put(h, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(h, nest);
}

static void put_verdict(struct nlmsghdr *h, const struct nl_elements_of *s, const struct nft_element *e)
{
	struct nlattr *data = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
	char chain[NFT_NAME_MAXLEN];

	mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(e->verdict ? (uint32_t)e->verdict : e->data));
	if (e->verdict) {
		snprintf(chain, sizeof chain, "%s%s", nft_text(s->p, e->chain), s->suffix);
		mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
	}
	mnl_attr_nest_end(h, verdict);
	mnl_attr_nest_end(h, data);
}

static void put_map_data(struct nlmsghdr *h, const struct nl_elements_of *s, const struct nft_element *e)
{
	const uint32_t word = s->class == NFT_CLASS_DATA ? nft_mark(s->turn, e->data) : e->data;
	const uint16_t half = (uint16_t)e->data;

	if (s->set->data_len == NFT_DATA_JUMP)
		put_verdict(h, s, e);
	else if (s->set->data_len == sizeof half)
		put_data(h, NFTA_SET_ELEM_DATA, &half, sizeof half);
	else
		put_data(h, NFTA_SET_ELEM_DATA, &word, sizeof word);
}

/* A message with an open list of elements that has room for one more. */
static struct nlmsghdr *open_list(struct nl *nl, struct nl_batch *b, struct nl_elements_of *s, uint8_t type)
{
	if (s->h && s->h->nlmsg_len - (uint32_t)((char *)s->nest - (char *)s->h) < NEST_MAX)
		return s->h;
	nl_end_elements(s);
	s->h = nl_put(nl, b, type, s->family, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
		      (struct nl_note){.thing = NL_ELEMENTS, .name = s->name, .number = s->n});
	mnl_attr_put_strz(s->h, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(s->h, NFTA_SET_ELEM_LIST_SET, s->kernel_name);
	s->nest = mnl_attr_nest_start(s->h, NFTA_SET_ELEM_LIST_ELEMENTS);
	return s->h;
}

void nl_open_elements(struct nl *nl, struct nl_batch *b, struct nl_elements_of *s, uint8_t type)
{
	open_list(nl, b, s, type);
}

void nl_end_elements(struct nl_elements_of *s)
{
	if (s->h)
		mnl_attr_nest_end(s->h, s->nest);
	s->h = NULL;
}

/* The key behind the last of an interval; false: there is none. */
static bool next_key(const uint8_t *key, uint32_t len, uint8_t *out)
{
	memcpy(out, key, len);
	for (uint32_t i = len; i-- > 0;)
		if (++out[i])
			return true;
	return false;
}

/* A set of one field with intervals holds where each begins and where the gap behind it does. */
static void put_gap(struct nlmsghdr *h, const struct nft_set *set, const struct nft_element *e)
{
	uint8_t key[NFT_KEY_MAX];

	if (!next_key(e->key_end, set->key_len, key))
		return;
	struct nlattr *one = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	put_data(h, NFTA_SET_ELEM_KEY, key, set->key_len);
	mnl_attr_nest_end(h, one);
}

static void put_key(struct nlmsghdr *h, const struct nl_elements_of *s, const struct nft_element *e)
{
	uint32_t class;

	if (s->class != NFT_CLASS_KEY) {
		put_data(h, NFTA_SET_ELEM_KEY, e->key, s->set->key_len);
		return;
	}
	memcpy(&class, e->key, sizeof class);
	class = nft_mark(s->turn, class);
	put_data(h, NFTA_SET_ELEM_KEY, &class, sizeof class);
}

void nl_put_element(struct nl *nl, struct nl_batch *b, struct nl_elements_of *s, uint8_t type,
		    const struct nft_element *e)
{
	struct nlmsghdr *h = open_list(nl, b, s, type);
	struct nlattr *one = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	const bool ranges = s->set->flags & NFT_SET_INTERVAL;

	put_key(h, s, e);
	if (ranges && s->set->n_fields > 1)
		put_data(h, NFTA_SET_ELEM_KEY_END, e->key_end, s->set->key_len);
	if (s->set->flags & NFT_SET_MAP && type == NFT_MSG_NEWSETELEM)
		put_map_data(h, s, e);
	mnl_attr_nest_end(h, one);
	if (ranges && s->set->n_fields == 1)
		put_gap(h, s->set, e);
	s->n++;
}
