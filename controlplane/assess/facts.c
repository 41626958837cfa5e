/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Facts that SQL cannot say, read from the stored image of each generation of the window; the bytes are used
 * only if they have the digest that the generation was published under and pass image_check(). Written to the
 * temp table `fact` of the query connection, per generation:
 *
 *   image_read            all      the image was read; without this row there are no facts of the generation
 *   monitored_responder   number   a monitored scope relaxes what goes to this identity
 *   wide_pair             s>d      ports that all rules together allow, of the protocol with most of them;
 *                                  only where more than 16 stand together, or more than half are open
 *   wide_pairs_uncounted  all      there are more such pairs than are listed
 *   blast_radius          segment  other segments that it reaches in at most two hops over enforced allows
 *
 * Beyond PAIRS_MAX pairs of identities no facts are computed: the metrics then count as not decided.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assessment.h"
#include "digest.h"
#include "image_check.h"

#define PAIRS_MAX    (64u << 20)
#define SEGMENTS_MAX 4096u
#define WIDE_PORTS   16u
#define OPEN_PORTS   32768u /* half of all; seg-2.sql asks for it too */
#define WIDE_LISTED  100000u
#define NUMBERS      65536u

/* What a cell list comes to. */
struct list_facts {
	bool allows, monitored;
	uint32_t width; /* widest run of allowed ports of one protocol */
	uint32_t ports; /* allowed ports of that protocol of which most are allowed */
};

struct reading {
	struct assessment *a;
	sqlite3_stmt *insert;
	int64_t generation;
	const struct image_header *image;
	const uint32_t *matrix; /* in force: a row per source class */
	struct list_facts *lists;
	int32_t *segment_of; /* per identity number; -1 none */
	char (*segments)[256];
	size_t n_segments;
};

static const char make_sql[] = "DROP TABLE IF EXISTS temp.fact; CREATE TEMP TABLE fact (generation INTEGER "
			       "NOT NULL, name TEXT NOT NULL, "
			       "subject TEXT NOT NULL, value REAL NOT NULL, time_ns INTEGER NOT NULL, "
			       "PRIMARY KEY (generation, name, subject)) "
			       "WITHOUT ROWID";

static int put(struct reading *r, const char *name, const char *subject, double value)
{
	sqlite3_bind_int64(r->insert, 1, r->generation);
	sqlite3_bind_text(r->insert, 2, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(r->insert, 3, subject, -1, SQLITE_STATIC);
	sqlite3_bind_double(r->insert, 4, value);
	sqlite3_bind_int64(r->insert, 5, r->a->now_ns);
	sqlite3_step(r->insert);
	return sqlite3_reset(r->insert) == SQLITE_OK ? 0 : assess_failed(r->a, "facts");
}

/* --- reading an image ---------------------------------------------------------------------------------- */

static bool has_ports(service_key key)
{
	uint32_t proto = key >> 16;

	return proto == 6 || proto == 17;
}

/* The stretch [from, to) of allowed keys, which goes on from one that began at `run`. */
static void add_stretch(struct list_facts *facts, uint32_t *ports, service_key run, service_key from,
			service_key to)
{
	for (uint32_t proto = run >> 16; proto <= (to - 1) >> 16; proto++) {
		service_key begin = proto << 16, end = (proto + 1) << 16 < to ? (proto + 1) << 16 : to;
		service_key start = run > begin ? run : begin, fresh = from > begin ? from : begin;

		if (!has_ports(begin))
			continue;
		if (end - start > facts->width)
			facts->width = end - start;
		ports[proto] += end > fresh ? end - fresh : 0;
		if (ports[proto] > facts->ports)
			facts->ports = ports[proto];
	}
}

/* Runs of allowed keys across regions, cut where the protocol ends. */
static struct list_facts read_list(const struct image_header *h, const struct image_list *list)
{
	const struct image_region *region =
		(const struct image_region *)image_at(h, h->region) + list->region_first;
	const struct image_decision *decisions = image_at(h, h->decision);
	struct list_facts facts = {0};
	uint32_t ports[256] = {0};
	service_key run = 0;
	bool running = false;

	for (uint32_t i = 0; i < list->region_count; i++) {
		const struct image_decision *d = &decisions[region[i].decision];
		service_key end = i + 1 < list->region_count ? region[i + 1].from : SERVICE_KEY_END;
		bool allow = d->flags & DECISION_ALLOW;

		facts.allows |= allow;
		facts.monitored |= allow && (d->rule & RULE_SCOPE_BIT);
		if (allow && !running)
			run = region[i].from;
		running = allow;
		if (allow)
			add_stretch(&facts, ports, run, region[i].from, end);
	}
	return facts;
}

static uint32_t matrix_at(const struct image_header *h, int64_t utc)
{
	const struct image_edge *edges = image_at(h, h->schedule);
	uint32_t matrix = edges[0].matrix;

	for (uint32_t i = 0; i < h->schedule.count && edges[i].from_utc <= utc; i++)
		matrix = edges[i].matrix;
	return matrix;
}

static const struct list_facts *pair_list(const struct reading *r, uint32_t from, uint32_t to)
{
	const struct image_identity *identities = image_at(r->image, r->image->identity);
	const struct image_row *row = (const struct image_row *)image_at(r->image, r->image->row) +
				      r->matrix[identities[from].source];
	const struct image_slot *slots =
		(const struct image_slot *)image_at(r->image, r->image->slot) + row->slot_first;
	uint32_t responder = identities[to].responder, at;

	if (!row->slot_count)
		return &r->lists[row->default_list];
	at = image_slot_start(responder, row->slot_count);
	while (slots[at].responder != IMAGE_SLOT_EMPTY && slots[at].responder != responder)
		at = (at + 1) & (row->slot_count - 1);
	return &r->lists[slots[at].responder == responder ? slots[at].list : row->default_list];
}

/* --- segments ------------------------------------------------------------------------------------------ */

static int load_segments(struct reading *r)
{
	static const char sql[] = "SELECT number, segment FROM generation_identity WHERE generation = ?1 AND "
				  "number BETWEEN 16 AND 65519 ORDER BY segment, number";
	sqlite3_stmt *q = assess_prepare(r->a, "facts", sql, 0);

	if (!q)
		return -EIO;
	sqlite3_bind_int64(q, 1, r->generation);
	while (sqlite3_step(q) == SQLITE_ROW && r->n_segments <= SEGMENTS_MAX) {
		const char *name = (const char *)sqlite3_column_text(q, 1);

		if (!r->n_segments ||
		    strncmp(r->segments[r->n_segments - 1], name, sizeof(*r->segments) - 1)) {
			if (r->n_segments == SEGMENTS_MAX) {
				r->n_segments++;
				break;
			}
			snprintf(r->segments[r->n_segments++], sizeof(*r->segments), "%s", name);
		}
		r->segment_of[sqlite3_column_int(q, 0)] = (int32_t)r->n_segments - 1;
	}
	return sqlite3_finalize(q) == SQLITE_OK ? 0 : assess_failed(r->a, "facts");
}

static void add_edges(const struct reading *r, uint64_t *edges, size_t words)
{
	for (uint32_t from = IDENTITY_FIRST; from < r->image->identity.count; from++) {
		for (uint32_t to = IDENTITY_FIRST; to < r->image->identity.count && r->segment_of[from] >= 0;
		     to++) {
			size_t i = (size_t)r->segment_of[from], j = (size_t)r->segment_of[to];

			if (r->segment_of[to] >= 0 && i != j && pair_list(r, from, to)->allows)
				edges[i * words + j / 64] |= UINT64_C(1) << (j % 64);
		}
	}
}

static bool bit(const uint64_t *set, size_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

static unsigned reach_of(const uint64_t *edges, size_t words, size_t n, size_t i, uint64_t *reach)
{
	unsigned count = 0;

	memcpy(reach, edges + i * words, words * sizeof(*reach));
	for (size_t j = 0; j < n; j++) {
		for (size_t w = 0; w < words && bit(edges + i * words, j); w++)
			reach[w] |= edges[j * words + w];
	}
	for (size_t j = 0; j < n; j++)
		count += j != i && bit(reach, j);
	return count;
}

static int blast_facts(struct reading *r)
{
	size_t n = r->n_segments, words = n / 64 + 1;
	uint64_t *edges, *reach;
	int error = 0;

	if (n > SEGMENTS_MAX)
		return 0;
	edges = calloc((n + 1) * words, sizeof(*edges));
	reach = calloc(words, sizeof(*reach));
	if (!edges || !reach)
		error = -ENOMEM;
	else
		add_edges(r, edges, words);
	for (size_t i = 0; i < n && !error; i++)
		error = put(r, "blast_radius", r->segments[i], reach_of(edges, words, n, i, reach));
	free(edges);
	free(reach);
	return error;
}

/* --- pairs --------------------------------------------------------------------------------------------- */

static int wide_pair(struct reading *r, uint32_t from, uint32_t to, uint32_t ports, size_t *listed)
{
	char subject[24];

	if ((*listed)++ >= WIDE_LISTED)
		return *listed == WIDE_LISTED + 1 ? put(r, "wide_pairs_uncounted", "all", 1) : 0;
	snprintf(subject, sizeof(subject), "%u>%u", from, to);
	return put(r, "wide_pair", subject, ports);
}

static int pair_facts(struct reading *r)
{
	bool *monitored = calloc(NUMBERS, sizeof(*monitored));
	size_t listed = 0;
	int error = monitored ? 0 : -ENOMEM;
	char subject[16];

	for (uint32_t from = 1; from < r->image->identity.count && !error; from++) {
		for (uint32_t to = 1; to < r->image->identity.count && !error; to++) {
			const struct list_facts *list = pair_list(r, from, to);

			monitored[to] |= list->monitored;
			if (list->width > WIDE_PORTS || list->ports > OPEN_PORTS)
				error = wide_pair(r, from, to, list->ports, &listed);
		}
	}
	for (uint32_t to = 1; to < r->image->identity.count && !error; to++) {
		snprintf(subject, sizeof(subject), "%u", to);
		error = monitored[to] ? put(r, "monitored_responder", subject, 1) : 0;
	}
	free(monitored);
	return error;
}

/* --- one generation ------------------------------------------------------------------------------------ */

static int image_facts(struct reading *r)
{
	const struct image_header *h = r->image;
	const struct image_list *lists = image_at(h, h->list);
	int error;

	if ((uint64_t)h->identity.count * h->identity.count > PAIRS_MAX)
		return 0;
	r->lists = calloc((size_t)h->list.count + 1, sizeof(*r->lists));
	r->segment_of = malloc(NUMBERS * sizeof(*r->segment_of));
	r->segments = calloc(SEGMENTS_MAX + 1, sizeof(*r->segments));
	if (!r->lists || !r->segment_of || !r->segments)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->list.count; i++)
		r->lists[i] = read_list(h, &lists[i]);
	memset(r->segment_of, 0xff, NUMBERS * sizeof(*r->segment_of));
	r->matrix = (const uint32_t *)image_at(h, h->matrix) +
		    (size_t)matrix_at(h, r->a->until_ns / NS_PER_SECOND) * h->n_source;
	error = load_segments(r);
	if (!error)
		error = pair_facts(r);
	if (!error)
		error = blast_facts(r);
	return error ? error : put(r, "image_read", "all", 1);
}

/* A copy, because a blob may lie anywhere and an image may not. NULL: not the image that was published. */
static struct image_header *copy_image(const void *bytes, size_t size, const char *digest)
{
	char sum[DIGEST_TEXT];
	struct image_header *image;

	if (!bytes || !digest || size > IMAGE_SIZE_MAX || !digest_bytes(bytes, size, sum) ||
	    strcmp(sum, digest))
		return NULL;
	image = aligned_alloc(IMAGE_ALIGN, (size + IMAGE_ALIGN) / IMAGE_ALIGN * IMAGE_ALIGN);
	if (!image)
		return NULL;
	memcpy(image, bytes, size);
	if (!image_check(image, size))
		return image;
	free(image);
	return NULL;
}

static int generation_facts(struct reading *r, sqlite3_stmt *q)
{
	const void *bytes = sqlite3_column_blob(q, 1);
	struct image_header *image = copy_image(bytes, (size_t)sqlite3_column_bytes(q, 1),
						(const char *)sqlite3_column_text(q, 2));
	int error = 0;

	r->generation = sqlite3_column_int64(q, 0);
	r->image = image;
	if (image)
		error = image_facts(r);
	free(image);
	free(r->lists);
	free(r->segment_of);
	free(r->segments);
	*r = (struct reading){.a = r->a, .insert = r->insert};
	return error;
}

int facts_compute(struct assessment *a)
{
	static const char sql[] = "SELECT i.generation, i.bytes, g.image_digest FROM generation_image AS i "
				  "JOIN generation AS g ON "
				  "g.number = i.generation WHERE g.active_ns < :until_ns AND "
				  "coalesce(g.ended_ns, :until_ns) >= :from_ns";
	struct reading r = {.a = a};
	sqlite3_stmt *q;
	int rc = SQLITE_DONE, error = 0;

	if (sqlite3_exec(a->db, make_sql, NULL, NULL, NULL) != SQLITE_OK)
		return assess_failed(a, "facts");
	r.insert =
		assess_prepare(a, "facts", "INSERT OR REPLACE INTO temp.fact VALUES (?1, ?2, ?3, ?4, ?5)", 0);
	q = assess_prepare(a, "facts", sql, a->from_ns);
	if (!r.insert || !q)
		error = -EIO;
	while (!error && (rc = sqlite3_step(q)) == SQLITE_ROW)
		error = generation_facts(&r, q);
	if (!error && rc != SQLITE_DONE)
		error = assess_failed(a, "facts");
	sqlite3_finalize(q);
	sqlite3_finalize(r.insert);
	return error;
}

int facts_keep(struct assessment *a)
{
	static const char sql[] = "INSERT OR REPLACE INTO fact VALUES (?1, ?2, ?3, ?4, ?5)";
	sqlite3 *control = store_control(a->store);
	sqlite3_stmt *from = assess_prepare(a, "facts", "SELECT * FROM temp.fact", 0), *to = NULL;
	int rc = SQLITE_DONE;

	if (!from)
		return -EIO;
	if (sqlite3_prepare_v2(control, sql, -1, &to, NULL) == SQLITE_OK) {
		while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
			for (int i = 0; i < 5; i++)
				sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
			if (sqlite3_step(to) != SQLITE_DONE)
				break;
			sqlite3_reset(to);
		}
	}
	sqlite3_finalize(from);
	if (sqlite3_finalize(to) == SQLITE_OK && rc == SQLITE_DONE)
		return 0;
	snprintf(a->error, sizeof(a->error), "the result could not be stored: %s", sqlite3_errmsg(control));
	return -EIO;
}
