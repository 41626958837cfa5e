/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The config loader: one table of keys per map, one reader per key.
 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config_port.h"
#include "config_value.h"

static const struct value_unit seconds[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
static const struct value_unit sizes[] = {
	{"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- scalars at the top ----------------------------------------------------------------------- */

static bool is_name(const char *text, size_t max)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= max && !text[n];
}

static void read_gateway(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->gateway = yaml_string(n, d);
	if (c->gateway && !is_name(c->gateway, 63))
		diag_add(d, SEV_ERROR, n->place,
			 "a gateway's name has 1 to 63 letters, digits, dots, dashes or underscores");
}

static void read_engine(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->engine = value_word(n, (const char *const[]){"dpdk", "nft", NULL}, d) == 1 ? DP_ENGINE_NFT
										      : DP_ENGINE_DPDK;
}

static void read_fail(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->standby = value_word(n, (const char *const[]){"closed", "nft", NULL}, d) == 1;
	c->fail_place = n->place;
}

static void read_bridge(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->bridge = yaml_string(n, d);
	if (c->bridge && (!is_name(c->bridge, NFT_DEVICE - 1) || c->bridge[0] == '.'))
		diag_add(d, SEV_ERROR, n->place,
			 "a bridge's name has 1 to %u letters, digits, dots, dashes or underscores",
			 NFT_DEVICE - 1);
}

static void read_clock(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->clock_trusted = value_word(n, (const char *const[]){"kernel", "trusted", NULL}, d) == 1;
}

/* --- protected, management -------------------------------------------------------------------- */

static void read_protected_prefix(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	if (c->n_protected == CONFIG_PREFIXES_MAX)
		diag_add(d, SEV_ERROR, n->place, "more than %u protected prefixes", CONFIG_PREFIXES_MAX);
	else if (value_prefix(n, false, &c->protected[c->n_protected], d))
		c->n_protected++;
}

static void read_protected(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->has_protected = true;
	value_list(n, read_protected_prefix, object, d);
}

/* Unicast, and of a machine: neither 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and 255.0.0.0/8, nor ::/127 and
 * ff00::/8 (RFC 6890, RFC 4291). */
static bool is_of_a_machine(const struct cidr *p)
{
	static const uint8_t zeros[15];

	if (p->family == 4)
		return p->addr[0] != 0 && p->addr[0] != 127 && p->addr[0] >> 4 != 0xe && p->addr[0] != 255;
	return p->addr[0] != 0xff && (memcmp(p->addr, zeros, sizeof(zeros)) != 0 || p->addr[15] > 1);
}

static void read_address(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	if (c->n_management == NFT_MANAGEMENT_MAX)
		diag_add(d, SEV_ERROR, n->place, "more than %u management addresses", NFT_MANAGEMENT_MAX);
	else if (!value_prefix(n, true, &c->management[c->n_management], d))
		return;
	else if (!is_of_a_machine(&c->management[c->n_management]))
		diag_add(d, SEV_ERROR, n->place, "management: `%s` is no address that a machine can have",
			 n->text);
	else
		c->n_management++;
}

static void read_addresses(void *object, const struct yaml_node *n, struct diags *d)
{
	value_list(n, read_address, object, d);
	if (n->type == YAML_LIST && !n->first)
		diag_add(d, SEV_ERROR, n->place, "management needs at least one address");
}

static void read_from_item(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;
	const char *text = yaml_string(n, d);

	if (text && c->n_from == CONFIG_FROM_MAX)
		diag_add(d, SEV_ERROR, n->place, "management.from has more than %u groups", CONFIG_FROM_MAX);
	else if (text)
		c->from[c->n_from++] = (struct config_from){text, n->place};
}

static void read_from(void *object, const struct yaml_node *n, struct diags *d)
{
	value_list(n, read_from_item, object, d);
	if (n->type == YAML_LIST && !n->first)
		diag_add(d, SEV_ERROR, n->place,
			 "management.from needs at least one group: nobody could reach the gateway");
}

static void read_management(void *object, const struct yaml_node *n, struct diags *d)
{
	static const struct value_key keys[] = {{"addresses", true, read_addresses},
						{"from", true, read_from}};
	struct config *c = object;

	c->has_management = true;
	value_map(n, "management", keys, N(keys), object, d);
}

/* --- nft, verify ------------------------------------------------------------------------------ */

static void read_group(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;
	uint64_t group;

	/* the next one is for endpoints */
	if (yaml_u64(n, 1, UINT16_MAX - 1, &group, d))
		c->nft_group = (uint16_t)group;
}

static void read_nft(void *object, const struct yaml_node *n, struct diags *d)
{
	static const struct value_key keys[] = {{"group", false, read_group}};

	value_map(n, "nft", keys, N(keys), object, d);
}

static void read_every(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;
	uint64_t value;

	if (value_quantity(n, seconds, N(seconds), 1, 3600, "30, 60s or 5m", &value, d))
		c->verify.every = (uint32_t)value;
}

static void read_on_difference(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->verify.closed = value_word(n, (const char *const[]){"alarm", "closed", NULL}, d) == 1;
}

static void read_drift(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->verify.adopt = value_word(n, (const char *const[]){"revert", "adopt", NULL}, d) == 1;
}

static void read_verify(void *object, const struct yaml_node *n, struct diags *d)
{
	static const struct value_key keys[] = {{"every", false, read_every},
						{"on_difference", false, read_on_difference},
						{"drift", false, read_drift}};
	const struct config *c = object;

	value_map(n, "verify", keys, N(keys), object, d);
	if (c->verify.closed && c->verify.adopt)
		diag_add(d, SEV_ERROR, n->place,
			 "`drift: adopt` would keep what `on_difference: closed` cuts off: choose one");
}

/* --- access ----------------------------------------------------------------------------------- */

static void read_access_entry(struct config *c, enum api_role role, const struct yaml_node *n,
			      struct diags *d)
{
	const char *text = yaml_string(n, d);
	struct access_entry e = {.role = role, .name = text};

	if (!text)
		return;
	if (strncmp(text, "group ", 6) == 0) {
		e.group = true;
		e.name = text + 6;
	} else if (strncmp(text, "user ", 5) == 0) {
		e.name = text + 5;
	}
	if (!is_name(e.name, 63))
		diag_add(d, SEV_ERROR, n->place, "`%s` is not `NAME`, `user NAME` or `group NAME`", text);
	else if (c->n_access == CONFIG_ACCESS_MAX)
		diag_add(d, SEV_ERROR, n->place, "more than %u access entries", CONFIG_ACCESS_MAX);
	else
		c->access[c->n_access++] = e;
}

#define ACCESS_READER(name, role)                                                                            \
	static void read_##name##_entry(void *object, const struct yaml_node *n, struct diags *d)            \
	{                                                                                                    \
		read_access_entry(object, role, n, d);                                                       \
	}                                                                                                    \
	static void read_##name(void *object, const struct yaml_node *n, struct diags *d)                    \
	{                                                                                                    \
		value_list(n, read_##name##_entry, object, d);                                               \
	}
ACCESS_READER(viewer, ROLE_VIEWER)
ACCESS_READER(operator, ROLE_OPERATOR)
ACCESS_READER(approver, ROLE_APPROVER)

static void read_access(void *object, const struct yaml_node *n, struct diags *d)
{
	static const struct value_key keys[] = {
		{"viewer", false, read_viewer},
		{"operator", false, read_operator},
		{"approver", false, read_approver},
	};

	value_map(n, "access", keys, N(keys), object, d);
}

/* --- records, timeouts ------------------------------------------------------------------------ */

static void read_dir(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	c->dir = yaml_string(n, d);
	if (c->dir && (c->dir[0] != '/' || strlen(c->dir) >= PATH_MAX / 2 || strpbrk(c->dir, "\n\r")))
		diag_add(d, SEV_ERROR, n->place, "records.dir must be an absolute path");
}

static void read_max(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;

	value_quantity(n, sizes, N(sizes), 10000000, 1000000000000000, "500MB or 20GB", &c->records_max, d);
}

static void read_rate(void *object, const struct yaml_node *n, struct diags *d)
{
	struct config *c = object;
	uint64_t rate;

	if (yaml_u64(n, 1, 10000000, &rate, d))
		c->records_rate = (uint32_t)rate;
}

static void read_records(void *object, const struct yaml_node *n, struct diags *d)
{
	static const struct value_key keys[] = {
		{"dir", false, read_dir},
		{"max", false, read_max},
		{"rate", false, read_rate},
	};

	value_map(n, "records", keys, N(keys), object, d);
}

static void read_seconds(uint32_t *out, const struct yaml_node *n, struct diags *d)
{
	uint64_t value;

	if (value_quantity(n, seconds, N(seconds), 1, 7 * 86400, "30, 30s, 5m or 2h", &value, d))
		*out = (uint32_t)value;
}

#define X(name, default_seconds)                                                                             \
	static void read_##name(void *object, const struct yaml_node *n, struct diags *d)                    \
	{                                                                                                    \
		read_seconds(&((struct config *)object)->timeouts.name, n, d);                               \
	}
CONFIG_TIMEOUTS(X)
#undef X

static void read_timeouts(void *object, const struct yaml_node *n, struct diags *d)
{
	static const struct value_key keys[] = {
#define X(name, default_seconds) {#name, false, read_##name},
		CONFIG_TIMEOUTS(X)
#undef X
	};

	value_map(n, "timeouts", keys, N(keys), object, d);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void read_ports(void *object, const struct yaml_node *n, struct diags *d)
{
	value_list(n, config_port_read, object, d);
}

static const struct value_key top[] = {
	{"gateway", true, read_gateway},
	{"engine", false, read_engine},
	{"ports", true, read_ports},
	{"protected", false, read_protected},
	{"management", false, read_management},
	{"clock", false, read_clock},
	{"fail", false, read_fail},
	{"bridge", false, read_bridge},
	{"nft", false, read_nft},
	{"verify", false, read_verify},
	{"access", false, read_access},
	{"records", false, read_records},
	{"timeouts", false, read_timeouts},
	{"join", false, value_unsupported},
	{"routers", false, value_unsupported},
};

static void set_defaults(struct config *c)
{
	c->bridge = "cordon0";
	c->nft_group = NFT_GROUP_DEFAULT;
	c->verify.every = 60;
	c->dir = CONFIG_STATE_DIR;
	c->records_max = 20000000000;
	c->records_rate = 100000;
#define X(name, default_seconds) c->timeouts.name = default_seconds;
	CONFIG_TIMEOUTS(X)
#undef X
}

struct config *config_load(const char *name, const char *text, size_t len, struct diags *d)
{
	struct config *c = calloc(1, sizeof(*c));
	const struct yaml_node *root;

	if (!c) {
		diag_add(d, SEV_ERROR, (struct place){.file = name}, "out of memory");
		return NULL;
	}
	set_defaults(c);
	c->tree = yaml_parse(name, text, len, d);
	root = c->tree && d->n_errors == 0 ? yaml_root(c->tree)
					   : NULL; /* half a file would seem to lack keys */
	if (root)
		value_map(root, "the config", top, N(top), c, d);
	else if (d->n_errors == 0)
		diag_add(d, SEV_ERROR, (struct place){.file = name}, "the config is empty");
	if (root && c->standby && c->engine == DP_ENGINE_NFT)
		diag_add(d, SEV_ERROR, c->fail_place,
			 "`fail: nft` is for engine dpdk: with engine nft the kernel enforces already");
	if (root && d->n_errors == 0)
		config_ports_check(c, yaml_get(root, "ports"), d);
	if (root && !yaml_get(root, "access"))
		c->access[c->n_access++] = (struct access_entry){.role = ROLE_APPROVER, .name = "root"};
	if (d->n_errors == 0)
		return c;
	diags_sort(d);
	config_free(c);
	return NULL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	yaml_free(c->tree);
	free(c);
}
