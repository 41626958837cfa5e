/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring file: making, opening and checking it, and both ends of the queue. See ring.h for who owns which
 * word.
 *
 * Layout: the header, then one block per worker: its words, its records, its aggregates, its acked words;
 * each part starts on a cache line. Offsets are computed from the geometry that was checked at open and kept
 * in ring_file, never again from the file, so a peer that scribbles over the header moves nothing.
 *
 * An acked word carries, beside the count, the low bits of the serial it speaks of. A slot that changed hands
 * therefore starts unacknowledged although only the consumer may write the word.
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE           64u
#define ENTRIES_MAX    (1u << 24)
#define ACK_COUNT_BITS 40
#define ACK_COUNT_MASK ((UINT64_C(1) << ACK_COUNT_BITS) - 1)
#define BOOT_ID_FILE   "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_HEX    32u
#define NS_PER_S       INT64_C(1000000000)
#define FILE_MODE      0660

/* What one worker's block consists of; all offsets from the start of the block. */
struct block {
	size_t records, aggregates, acked, size;
};

static size_t line_up(size_t n)
{
	return (n + LINE - 1) & ~(size_t)(LINE - 1);
}

static struct block block_of(uint32_t n_records, uint32_t n_aggregates)
{
	struct block b;

	b.records = line_up(sizeof(struct ring_worker));
	b.aggregates = b.records + line_up(n_records * sizeof(struct record));
	b.acked = b.aggregates + line_up(n_aggregates * sizeof(struct ring_aggregate));
	b.size = b.acked + line_up(n_aggregates * sizeof(uint64_t));
	return b;
}

static size_t file_size(uint32_t n_workers, uint32_t n_records, uint32_t n_aggregates)
{
	return line_up(sizeof(struct ring_header)) + n_workers * block_of(n_records, n_aggregates).size;
}

size_t ring_size(const struct ring_geometry *g)
{
	return file_size(g->n_workers, g->n_records, g->n_aggregates);
}

static bool entries_ok(uint32_t n)
{
	return n && n <= ENTRIES_MAX && !(n & (n - 1));
}

static bool geometry_ok(uint32_t n_workers, uint32_t n_ports, uint32_t n_records, uint32_t n_aggregates)
{
	return n_workers && n_workers <= RING_WORKERS_MAX && n_ports <= RING_PORTS_MAX &&
	       entries_ok(n_records) && entries_ok(n_aggregates);
}

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Unreadable: stays zero, which no boot has. */
static void read_boot_id(uint8_t id[16])
{
	char text[64];
	int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	uint32_t digits = 0;

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < n && digits < BOOT_ID_HEX; i++) {
		int d = hex_digit(text[i]);

		if (d < 0)
			continue;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | d);
		digits++;
	}
}

static int64_t utc_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int fill_header(struct ring_header *h, const struct ring_geometry *g, size_t size)
{
	do {
		if (getrandom(&h->instance, sizeof(h->instance), 0) != sizeof(h->instance))
			return -errno;
	} while (!h->instance);
	memcpy(h->magic, RING_MAGIC, sizeof(h->magic));
	h->abi = RING_ABI;
	h->size = size;
	read_boot_id(h->boot_id);
	h->started_ns = utc_now();
	h->pid = (uint32_t)getpid();
	h->n_workers = g->n_workers;
	h->n_ports = g->n_ports;
	h->n_records = g->n_records;
	h->n_aggregates = g->n_aggregates;
	h->tap = g->tap;
	for (uint32_t i = 0; g->port_names && i < g->n_ports; i++)
		snprintf(h->port_name[i], sizeof(h->port_name[i]), "%s", g->port_names[i]);
	__atomic_store_n(&h->state, RING_LIVE, __ATOMIC_RELEASE);
	return 0;
}

static void fill_file(struct ring_file *f, void *memory, size_t size, const struct ring_geometry *g)
{
	*f = (struct ring_file){
		.header = memory,
		.size = size,
		.n_workers = g->n_workers,
		.n_records = g->n_records,
		.n_aggregates = g->n_aggregates,
		.n_ports = g->n_ports,
		.writable = true,
	};
}

int ring_create_mem(struct ring_file *f, void *memory, const struct ring_geometry *g)
{
	if (!geometry_ok(g->n_workers, g->n_ports, g->n_records, g->n_aggregates) || (uintptr_t)memory % LINE)
		return -EINVAL;
	fill_file(f, memory, ring_size(g), g);
	return fill_header(f->header, g, f->size);
}

/* Reserve every page now: a full tmpfs must be an error here, not a SIGBUS while frames arrive. */
static int reserve(int fd, size_t size)
{
	if (fchmod(fd, FILE_MODE) < 0)
		return -errno;
	return -posix_fallocate(fd, 0, (off_t)size);
}

static int map_new(struct ring_file *f, int fd, const struct ring_geometry *g)
{
	size_t size = ring_size(g);
	int error = reserve(fd, size);
	void *memory;

	if (error)
		return error;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	fill_file(f, memory, size, g);
	f->mapped = true;
	error = fill_header(f->header, g, size);
	if (error)
		ring_close(f);
	return error;
}

/* Readers find a file by its name, so it gets the name when it is whole. */
static int make_named(struct ring_file *f, const char *draft, const char *path, const struct ring_geometry *g)
{
	int fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	int error;

	if (fd < 0)
		return -errno;
	error = map_new(f, fd, g);
	close(fd);
	if (!error && link(draft, path) < 0) {
		error = -errno;
		ring_close(f);
	}
	unlink(draft);
	return error;
}

int ring_create(struct ring_file *f, const char *path, const struct ring_geometry *g)
{
	char draft[PATH_MAX];

	*f = (struct ring_file){0};
	if (!geometry_ok(g->n_workers, g->n_ports, g->n_records, g->n_aggregates))
		return -EINVAL;
	if (snprintf(draft, sizeof(draft), "%s.new", path) >= (int)sizeof(draft))
		return -ENAMETOOLONG;
	return make_named(f, draft, path, g);
}

/* Takes the geometry over once; what the file says later is of no interest. */
static bool adopt_header(struct ring_file *f)
{
	struct ring_header h;

	memcpy(&h, f->header, sizeof(h));
	if (memcmp(h.magic, RING_MAGIC, sizeof(h.magic)) || h.abi != RING_ABI || !h.instance)
		return false;
	if (h.state != RING_LIVE && h.state != RING_CLOSED)
		return false;
	if (!geometry_ok(h.n_workers, h.n_ports, h.n_records, h.n_aggregates) || h.size != f->size ||
	    file_size(h.n_workers, h.n_records, h.n_aggregates) != f->size)
		return false;
	f->n_workers = h.n_workers;
	f->n_records = h.n_records;
	f->n_aggregates = h.n_aggregates;
	f->n_ports = h.n_ports;
	return true;
}

static int map_existing(struct ring_file *f, int fd)
{
	int protection = f->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	struct stat st;
	void *memory;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct ring_header))
		return -EPROTO;
	memory = mmap(NULL, (size_t)st.st_size, protection, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	f->header = memory;
	f->size = (size_t)st.st_size;
	f->mapped = true;
	if (adopt_header(f))
		return 0;
	ring_close(f);
	return -EPROTO;
}

int ring_open(struct ring_file *f, const char *path, bool writable)
{
	int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int error;

	*f = (struct ring_file){.writable = writable};
	if (fd < 0)
		return -errno;
	error = map_existing(f, fd);
	close(fd);
	return error;
}

void ring_close(struct ring_file *f)
{
	if (!f)
		return;
	if (f->mapped)
		munmap(f->header, f->size);
	*f = (struct ring_file){0};
}

void ring_shut(struct ring_file *f)
{
	__atomic_store_n(&f->header->state, RING_CLOSED, __ATOMIC_RELEASE);
}

static char *block_at(const struct ring_file *f, uint32_t i, struct block *b)
{
	*b = block_of(f->n_records, f->n_aggregates);
	return (char *)f->header + line_up(sizeof(struct ring_header)) + i * b->size;
}

struct ring_worker *ring_worker(const struct ring_file *f, uint32_t i)
{
	struct block b;

	return (struct ring_worker *)block_at(f, i, &b);
}

struct record *ring_records(const struct ring_file *f, uint32_t i)
{
	struct block b;
	char *at = block_at(f, i, &b);

	return (struct record *)(at + b.records);
}

struct ring_aggregate *ring_aggregates(const struct ring_file *f, uint32_t i)
{
	struct block b;
	char *at = block_at(f, i, &b);

	return (struct ring_aggregate *)(at + b.aggregates);
}

uint64_t *ring_acked(const struct ring_file *f, uint32_t i)
{
	struct block b;
	char *at = block_at(f, i, &b);

	return (uint64_t *)(at + b.acked);
}

uint64_t ring_heartbeat(const struct ring_file *f)
{
	uint64_t oldest = UINT64_MAX;

	for (uint32_t w = 0; w < f->n_workers; w++) {
		uint64_t ms = __atomic_load_n(&ring_worker(f, w)->counters.heartbeat, __ATOMIC_ACQUIRE);

		oldest = ms < oldest ? ms : oldest;
	}
	return oldest;
}

bool ring_beats(const struct ring_file *f, uint64_t now_ms)
{
	uint64_t ms = ring_heartbeat(f);

	/* One from the future is a clock that was just set right. */
	return ms && (ms > now_ms || now_ms - ms <= RING_DEAD_MS);
}

void ring_producer_init(struct ring_producer *p, const struct ring_file *f, uint32_t worker)
{
	*p = (struct ring_producer){
		.shared = ring_worker(f, worker),
		.records = ring_records(f, worker),
		.aggregates = ring_aggregates(f, worker),
		.acked = ring_acked(f, worker),
		.mask = f->n_records - 1,
		.aggregate_mask = f->n_aggregates - 1,
	};
}

struct record *ring_next(struct ring_producer *p)
{
	uint64_t size = (uint64_t)p->mask + 1;

	if (p->head - p->tail_seen >= size) {
		uint64_t tail = __atomic_load_n(&p->shared->consumer.tail, __ATOMIC_ACQUIRE);

		/* A tail beyond the head, or behind what was seen, was not written by a sane consumer. */
		if (p->head - tail > size || tail < p->tail_seen)
			return NULL;
		p->tail_seen = tail;
		if (p->head - tail == size)
			return NULL;
	}
	return &p->records[p->head & p->mask];
}

void ring_publish(struct ring_producer *p)
{
	p->head++;
	__atomic_store_n(&p->shared->head, p->head, __ATOMIC_RELEASE);
}

uint32_t ring_read(const struct ring_file *f, uint32_t worker, uint64_t from, struct record *out,
		   uint32_t max)
{
	const struct record *records = ring_records(f, worker);
	uint64_t ready = __atomic_load_n(&ring_worker(f, worker)->head, __ATOMIC_ACQUIRE) - from;
	uint32_t n = ready < max ? (uint32_t)ready : max;

	if (ready > f->n_records)
		return 0; /* `from` is not a position of this ring, or its head is a lie */
	for (uint32_t i = 0; i < n; i++)
		out[i] = records[(from + i) & (f->n_records - 1)];
	return n;
}

void ring_release(const struct ring_file *f, uint32_t worker, uint64_t tail)
{
	__atomic_store_n(&ring_worker(f, worker)->consumer.tail, tail, __ATOMIC_RELEASE);
}

bool ring_read_aggregate(const struct ring_file *f, uint32_t worker, uint32_t i, struct ring_aggregate *out)
{
	struct ring_aggregate *slot = &ring_aggregates(f, worker)[i];
	uint64_t serial = __atomic_load_n(&slot->serial, __ATOMIC_ACQUIRE);
	uint64_t count;
	uint8_t n_samples;

	if (!serial)
		return false;
	/* The counts first: whatever was counted is then surely described by the fields copied after them. */
	count = __atomic_load_n(&slot->count, __ATOMIC_ACQUIRE);
	n_samples = __atomic_load_n(&slot->n_samples, __ATOMIC_ACQUIRE);
	memcpy(out, slot, sizeof(*out));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&slot->serial, __ATOMIC_RELAXED) != serial)
		return false;
	out->serial = serial;
	out->count = count;
	out->n_samples = n_samples < RING_SAMPLES ? n_samples : RING_SAMPLES;
	return true;
}

static uint64_t ack_word(uint64_t serial, uint64_t count)
{
	return serial << ACK_COUNT_BITS | (count & ACK_COUNT_MASK);
}

uint64_t ring_ack_count(uint64_t acked, uint64_t serial)
{
	return acked >> ACK_COUNT_BITS == ack_word(serial, 0) >> ACK_COUNT_BITS ? acked & ACK_COUNT_MASK : 0;
}

void ring_ack_aggregate(const struct ring_file *f, uint32_t worker, uint32_t i, uint64_t count)
{
	uint64_t serial = __atomic_load_n(&ring_aggregates(f, worker)[i].serial, __ATOMIC_ACQUIRE);

	__atomic_store_n(&ring_acked(f, worker)[i], ack_word(serial, count), __ATOMIC_RELEASE);
}
