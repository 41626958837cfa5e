/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of sets. Types and user data are those that nft 1.0.6 sends for the same text; the test asks nft.
 */
#include "sets.h"

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

/* Expression types of nft's user data. */
enum { UD_VERDICT = 1, UD_PAYLOAD = 7, UD_META = 9, UD_CONCAT = 13, UD_CT = 12 };

/* X(symbol, text, nft data type, bytes, order, expression type of the user data, its numbers). */
#define FIELDS(X)                                                                                            \
	X(VERDICT, "verdict", 1, 16, BYTES, UD_VERDICT, {0}, 0)                                              \
	X(IIFNAME, "iifname", 41, 16, BYTES, UD_META, {6}, 1)                                                \
	X(MARK, "meta mark", 19, 4, HOST, UD_META, {3}, 1)                                                   \
	X(PRIORITY, "meta priority", 23, 4, HOST, UD_META, {2}, 1)                                           \
	X(L4PROTO, "meta l4proto", 12, 1, BYTES, UD_META, {16}, 1)                                           \
	X(ZONE, "ct zone", 4, 2, HOST, UD_CT, {17 COMMA UINT32_MAX}, 2)                                      \
	X(CLASS, "ct mark", 19, 4, HOST, UD_CT, {3 COMMA UINT32_MAX}, 2)                                     \
	X(VLAN, "vlan id", 4, 2, NET, UD_PAYLOAD, {16 COMMA 4}, 2)                                           \
	X(ETHERTYPE, "ether type", 10, 2, NET, UD_PAYLOAD, {17 COMMA 3}, 2)                                  \
	X(SMAC, "ether saddr", 9, 6, BYTES, UD_PAYLOAD, {17 COMMA 2}, 2)                                     \
	X(DMAC, "ether daddr", 9, 6, BYTES, UD_PAYLOAD, {17 COMMA 1}, 2)                                     \
	X(SIP4, "ip saddr", 7, 4, BYTES, UD_PAYLOAD, {12 COMMA 11}, 2)                                       \
	X(DIP4, "ip daddr", 7, 4, BYTES, UD_PAYLOAD, {12 COMMA 12}, 2)                                       \
	X(SIP6, "ip6 saddr", 8, 16, BYTES, UD_PAYLOAD, {13 COMMA 8}, 2)                                      \
	X(DIP6, "ip6 daddr", 8, 16, BYTES, UD_PAYLOAD, {13 COMMA 9}, 2)                                      \
	X(TCP_FLAGS, "tcp flags", 15, 1, BYTES, UD_PAYLOAD, {8 COMMA 7}, 2)                                  \
	X(DPORT, "th dport", 13, 2, NET, UD_PAYLOAD, {11 COMMA 2}, 2)                                        \
	X(UDPORT, "udp dport", 13, 2, NET, UD_PAYLOAD, {6 COMMA 2}, 2)                                       \
	X(NEXTHDR, "ip6 nexthdr", 12, 1, BYTES, UD_PAYLOAD, {13 COMMA 6}, 2)                                 \
	X(PROTOCOL, "meta protocol", 10, 2, NET, UD_META, {1}, 1)                                            \
	X(ICMP_TYPE, "icmp type", 14, 1, BYTES, UD_PAYLOAD, {4 COMMA 1}, 2)                                  \
	X(ICMP_CODE, "icmp code", 32, 1, BYTES, UD_PAYLOAD, {4 COMMA 2}, 2)                                  \
	X(ICMP6_TYPE, "icmpv6 type", 29, 1, BYTES, UD_PAYLOAD, {14 COMMA 1}, 2)                              \
	X(ICMP6_CODE, "icmpv6 code", 33, 1, BYTES, UD_PAYLOAD, {14 COMMA 2}, 2)

#define COMMA ,
enum field {
	F_NONE,
#define X(sym, ...) F_##sym,
	FIELDS(X)
#undef X
};

static const struct {
	const char *text;
	uint32_t type;
	uint8_t len, order, expression, n_numbers;
	uint32_t numbers[2];
} fields[] = {[F_NONE] = {""},
#define X(sym, text, type, len, order, expression, numbers, n)                                               \
	[F_##sym] = {text, type, len, NFT_ORDER_##order, expression, n, numbers},
	      FIELDS(X)
#undef X
};

#define BRNF (1u << NFT_LAYOUT_BRNF)
#define BRCT (1u << NFT_LAYOUT_BRCT)
#define BOTH (BRNF | BRCT)

#define BINDINGS (1u << 16)
#define PORTS    (NFT_PORTS_MAX + 2) /* and the probes' two */
#define FRESH_MS 10000u

#define INTERVAL NFT_SET_INTERVAL
#define RANGES   (NFT_SET_INTERVAL | NFT_SET_CONCAT)

static const struct {
	const char *name;
	uint32_t layouts, flags;
	uint8_t key[5], data;
	uint32_t size;
} sets[] = {
	/* the guards, family bridge */
	{"port", BOTH, 0, {F_IIFNAME}, F_MARK, PORTS},
	{"ethertype", BOTH, 0, {F_ETHERTYPE}, F_VERDICT, 0},
	{"domain", BOTH, 0, {F_MARK}, F_ZONE, PORTS},
	{"tagged", BRCT, 0, {F_MARK, F_VLAN}, F_ZONE, NFT_PORTS_MAX *NFT_VLANS_MAX},
	{"segment", BRCT, 0, {F_MARK}, F_PRIORITY, PORTS},
	{"segment_tagged", BRCT, 0, {F_MARK, F_VLAN}, F_PRIORITY, NFT_PORTS_MAX *NFT_VLANS_MAX},
	{"bound4", BRNF, 0, {F_MARK, F_SMAC, F_SIP4}, 0, BINDINGS},
	{"bound4", BRCT, 0, {F_PRIORITY, F_MARK, F_SMAC, F_SIP4}, 0, BINDINGS},
	{"bound6", BRNF, 0, {F_MARK, F_SMAC, F_SIP6}, 0, BINDINGS},
	{"bound6", BRCT, 0, {F_PRIORITY, F_MARK, F_SMAC, F_SIP6}, 0, BINDINGS},
	{"held4", BRNF, 0, {F_SIP4}, 0, BINDINGS},
	{"held4", BRCT, 0, {F_PRIORITY, F_SIP4}, 0, BINDINGS},
	{"held6", BRNF, 0, {F_SIP6}, 0, BINDINGS},
	{"held6", BRCT, 0, {F_PRIORITY, F_SIP6}, 0, BINDINGS},
	{"to4", BRNF, 0, {F_DMAC, F_DIP4}, 0, BINDINGS},
	{"to4", BRCT, 0, {F_PRIORITY, F_DMAC, F_DIP4}, 0, BINDINGS},
	{"to6", BRNF, 0, {F_DMAC, F_DIP6}, 0, BINDINGS},
	{"to6", BRCT, 0, {F_PRIORITY, F_DMAC, F_DIP6}, 0, BINDINGS},
	{"behind", BOTH, 0, {F_MARK, F_DMAC}, 0, BINDINGS},
	{"home", BRNF, 0, {F_SMAC}, 0, BINDINGS},
	{"home", BRCT, 0, {F_PRIORITY, F_SMAC}, 0, BINDINGS},
	{"fresh", BOTH, NFT_SET_TIMEOUT | NFT_SET_EVAL, {F_MARK, F_SMAC}, 0, 4096},
	{"martian4", BOTH, INTERVAL, {F_SIP4}, 0, 0},
	{"martian6", BOTH, INTERVAL, {F_SIP6}, 0, 0},
	{"group4", BOTH, INTERVAL, {F_DIP4}, 0, 0},
	{"group6", BOTH, INTERVAL, {F_DIP6}, 0, 0},
	{"tcp_sane", BOTH, 0, {F_TCP_FLAGS}, 0, 0},
	{"layer3", BOTH, 0, {F_PROTOCOL}, F_VERDICT, 0},
	{"dhcp4", BOTH, 0, {F_UDPORT}, 0, 0},
	{"dhcp6", BOTH, 0, {F_UDPORT}, 0, 0},
	{"next6", BOTH, 0, {F_NEXTHDR}, F_VERDICT, 0},
	{"guard6", BOTH, 0, {F_ICMP6_TYPE}, F_VERDICT, 0},
	/* sessions, family inet; in BRCT family bridge */
	{"address4", BOTH, 0, {F_ZONE, F_SIP4}, F_MARK, BINDINGS},
	{"address6", BOTH, 0, {F_ZONE, F_SIP6}, F_MARK, BINDINGS},
	{"same4", BOTH, 0, {F_SIP4, F_DIP4}, 0, BINDINGS},
	{"same6", BOTH, 0, {F_SIP6, F_DIP6}, 0, BINDINGS},
	{"source", BOTH, 0, {F_MARK}, F_MARK, 0},
	{"responder", BOTH, 0, {F_MARK}, F_PRIORITY, 0},
	{"pair", BOTH, 0, {F_MARK, F_PRIORITY}, F_MARK, 0},
	{"row", BOTH, 0, {F_MARK}, F_MARK, 0},
	{"ports", BOTH, RANGES, {F_MARK, F_L4PROTO, F_DPORT}, F_CLASS, 0},
	{"types", BOTH, RANGES, {F_MARK, F_ICMP_TYPE, F_ICMP_CODE}, F_CLASS, 0},
	{"types6", BOTH, RANGES, {F_MARK, F_ICMP6_TYPE, F_ICMP6_CODE}, F_CLASS, 0},
	{"protos", BOTH, RANGES, {F_MARK, F_L4PROTO}, F_CLASS, 0},
	{"named_proto", BOTH, 0, {F_L4PROTO}, 0, 0},
	{"named_icmp", BOTH, 0, {F_ICMP_TYPE}, 0, 0},
	{"named_icmp6", BOTH, 0, {F_ICMP6_TYPE}, 0, 0},
	{"opening", BOTH, 0, {F_CLASS}, F_VERDICT, 0},
	{"standing", BOTH, 0, {F_CLASS}, F_VERDICT, 0},
	/* the host's own, family inet */
	{"mgmt4", BOTH, 0, {F_DIP4}, 0, 0},
	{"mgmt6", BOTH, 0, {F_DIP6}, 0, 0},
	{"host4", BOTH, INTERVAL, {F_SIP4}, F_MARK, 0},
	{"host6", BOTH, INTERVAL, {F_SIP6}, F_MARK, 0},
	{"host_opening", BOTH, 0, {F_CLASS}, F_VERDICT, 0},
	{"host_standing", BOTH, 0, {F_CLASS}, F_VERDICT, 0},
};
#define N_SETS (sizeof sets / sizeof sets[0])

static uint32_t padded(uint32_t len)
{
	return (len + 3) & ~3u;
}

static void add_fields(struct nft_set_shape *out, const uint8_t *key)
{
	for (; key[out->n_fields]; out->n_fields++) {
		const uint32_t i = out->n_fields, f = key[i];

		out->fields[i] = (uint8_t)f;
		out->field_len[i] = fields[f].len;
		out->field_order[i] = fields[f].order;
		out->key_type = out->key_type << 6 | fields[f].type;
		out->key_len += padded(fields[f].len);
	}
	if (out->n_fields == 1)
		out->key_len = out->field_len[0];
}

bool nft_shape_at(size_t i, struct nft_set_shape *out)
{
	if (i >= N_SETS)
		return false;
	const uint8_t data = sets[i].data;
	*out = (struct nft_set_shape){
		.name = sets[i].name,
		.layouts = sets[i].layouts,
		.flags = sets[i].flags | (data ? NFT_SET_MAP : 0),
		.named = NFT_VERSIONED | (sets[i].flags & NFT_SET_EVAL ? NFT_VOLATILE : 0),
		.data_type = data == F_VERDICT ? (uint32_t)NFT_DATA_VERDICT : fields[data].type,
		.data_len = fields[data].len,
		.size = sets[i].size,
		.timeout_ms = sets[i].flags & NFT_SET_TIMEOUT ? FRESH_MS : 0,
		.class = data == F_CLASS             ? NFT_CLASS_DATA
			 : sets[i].key[0] == F_CLASS ? NFT_CLASS_KEY
						     : NFT_CLASS_NOWHERE,
		.data_field = data,
	};
	add_fields(out, sets[i].key);
	return true;
}

bool nft_shape(uint32_t layout, const char *name, struct nft_set_shape *out)
{
	for (size_t i = 0; i < N_SETS; i++)
		if (!strcmp(sets[i].name, name) &&
		    (layout == NFT_LAYOUT_NONE || sets[i].layouts & 1u << layout))
			return nft_shape_at(i, out);
	return false;
}

bool nft_shape_of(const char *name, const struct nft_set *set, struct nft_set_shape *out)
{
	for (size_t i = 0; i < N_SETS; i++)
		if (!strcmp(sets[i].name, name) && nft_shape_at(i, out) && out->key_type == set->key_type &&
		    out->key_len == set->key_len && out->data_type == set->data_type &&
		    out->data_len == set->data_len && out->n_fields == set->n_fields &&
		    out->flags == set->flags)
			return true;
	return false;
}

struct nft_set nft_shape_set(const struct nft_set_shape *shape, uint32_t n)
{
	struct nft_set set = {
		.flags = shape->flags,
		.named = shape->named,
		.key_type = shape->key_type,
		.data_type = shape->data_type,
		.key_len = shape->key_len,
		.data_len = shape->data_len,
		.size = shape->size > n ? shape->size
			: n             ? n
					: 1,
		.timeout_ms = shape->timeout_ms,
		.n_fields = shape->n_fields,
	};

	if (shape->n_fields > 1)
		memcpy(set.field_len, shape->field_len, sizeof set.field_len);
	return set;
}

/* --- text and user data ------------------------------------------------------------------------------- */

void nft_shape_text(const struct nft_set_shape *shape, char *key, char *data, size_t room)
{
	size_t n = 0;

	for (uint32_t i = 0; i < shape->n_fields && n < room; i++)
		n += (size_t)snprintf(key + n, room - n, "%s%s", i ? " . " : "",
				      fields[shape->fields[i]].text);
	snprintf(data, room, "%s", fields[shape->data_field].text);
}

/* nft's attributes: one byte type, one byte length, value in host order. */
static uint8_t *put(uint8_t *at, uint8_t type, uint32_t number)
{
	*at++ = type;
	*at++ = sizeof number;
	memcpy(at, &number, sizeof number);
	return at + sizeof number;
}

static uint8_t *open_nest(uint8_t *at, uint8_t type)
{
	*at = type;
	return at + 2;
}

static uint8_t *close_nest(uint8_t *nest, uint8_t *end)
{
	nest[-1] = (uint8_t)(end - nest);
	return end;
}

static uint8_t *put_field(uint8_t *at, uint8_t type, uint8_t field)
{
	uint8_t *all = open_nest(at, type), *args;

	args = open_nest(put(all, 0, fields[field].expression), 1);
	at = args;
	for (uint8_t i = 0; i < fields[field].n_numbers; i++)
		at = put(at, i, fields[field].numbers[i]);
	if (field == F_VLAN)
		at = put(at, 4, 12); /* bits */
	return close_nest(all, close_nest(args, at));
}

static uint8_t *put_concat(uint8_t *at, uint8_t type, const struct nft_set_shape *shape)
{
	uint8_t *all = open_nest(at, type), *args;

	args = open_nest(put(all, 0, UD_CONCAT), 1);
	at = args;
	for (uint8_t i = 0; i < shape->n_fields; i++)
		at = put_field(at, i, shape->fields[i]);
	return close_nest(all, close_nest(args, at));
}

/* nft's byte order: 0 none, 1 host, 2 network. */
static uint32_t order_of(uint8_t field)
{
	if (field == F_VERDICT)
		return 0;
	return fields[field].order == NFT_ORDER_HOST || field == F_IIFNAME || field == F_L4PROTO ? 1 : 2;
}

size_t nft_shape_userdata(const struct nft_set_shape *shape, uint8_t out[NFT_USERDATA_MAX])
{
	enum { KEY_ORDER = 0, DATA_ORDER = 1, KEY_TYPEOF = 3, DATA_TYPEOF = 4, DATA_INTERVAL = 6 };
	uint8_t *at = put(out, KEY_ORDER, shape->n_fields > 1 ? 0 : order_of(shape->fields[0]));

	if (shape->data_len)
		at = put(at, DATA_ORDER, order_of(shape->data_field));
	if (shape->n_fields > 1)
		at = put_concat(at, KEY_TYPEOF, shape);
	else
		at = put_field(at, KEY_TYPEOF, shape->fields[0]);
	if (shape->data_len) {
		at = put_field(at, DATA_TYPEOF, shape->data_field);
		at = put(at, DATA_INTERVAL, 0);
	}
	return (size_t)(at - out);
}

/* --- keys --------------------------------------------------------------------------------------------- */

uint32_t nft_key_offset(const struct nft_set_shape *shape, uint32_t field)
{
	uint32_t offset = 0;

	for (uint32_t i = 0; i < field && i < shape->n_fields; i++)
		offset += padded(shape->field_len[i]);
	return offset;
}

void nft_key_bytes(const struct nft_set_shape *shape, uint32_t field, const void *bytes, size_t n,
		   uint8_t *key)
{
	const size_t len = shape->field_len[field];

	memcpy(key + nft_key_offset(shape, field), bytes, n < len ? n : len);
}

/* Byte i of a number's least significant `len` bytes lies at this place of the field. */
static uint32_t place(const struct nft_set_shape *shape, uint32_t field, uint32_t i)
{
	const uint32_t len = shape->field_len[field];
	const bool host = shape->field_order[field] == NFT_ORDER_HOST && !(shape->flags & NFT_SET_INTERVAL);

	return host && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : len - 1 - i;
}

void nft_key_number(const struct nft_set_shape *shape, uint32_t field, uint32_t number, uint8_t *key)
{
	uint8_t *at = key + nft_key_offset(shape, field);

	for (uint32_t i = 0; i < shape->field_len[field] && i < sizeof number; i++)
		at[place(shape, field, i)] = (uint8_t)(number >> 8 * i);
}

uint32_t nft_key_get(const struct nft_set_shape *shape, uint32_t field, const uint8_t *key)
{
	const uint8_t *at = key + nft_key_offset(shape, field);
	uint32_t number = 0;

	for (uint32_t i = 0; i < shape->field_len[field] && i < sizeof number; i++)
		number |= (uint32_t)at[place(shape, field, i)] << 8 * i;
	return number;
}
