/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpcap reads the file; a table says per link type how many bytes stand before the payload and how to find
 * its ethertype. Times and lengths come from the file and may be anything, so they are brought into range
 * here.
 */
#include "capture.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ETHER_LEN     14u
#define ETHERTYPE_IP4 0x0800u
#define ETHERTYPE_IP6 0x86ddu
#define NO_ETHERTYPE  0xffffu /* reserved: nobody's */
#define NS_PER_S      1000000000LL
#define SECONDS_MAX   (INT64_C(1) << 33)

struct link {
	int type;
	uint32_t header; /* bytes before the payload */
	/* NULL: is Ethernet already. `data` holds at least `header` bytes. */
	uint16_t (*ethertype)(const uint8_t *data, uint32_t len);
};

struct capture {
	pcap_t *pcap;
	const struct link *link;
	uint64_t size;
	uint8_t *buffer;
	size_t room;
};

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint16_t raw_ethertype(const uint8_t *data, uint32_t len)
{
	return len > 0 && data[0] >> 4 == 6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4;
}

static uint16_t ip4_ethertype(const uint8_t *data, uint32_t len)
{
	return ETHERTYPE_IP4;
}

static uint16_t ip6_ethertype(const uint8_t *data, uint32_t len)
{
	return ETHERTYPE_IP6;
}

static uint16_t cooked_ethertype(const uint8_t *data, uint32_t len)
{
	return be16(data + 14);
}

static uint16_t cooked2_ethertype(const uint8_t *data, uint32_t len)
{
	return be16(data);
}

/* An address family in the byte order of whoever captured; AF_INET6 has a number per system. */
static uint16_t family_ethertype(const uint8_t *data, uint32_t len)
{
	uint32_t family = data[0] == 0 && data[1] == 0 ? be16(data + 2) : (uint32_t)(data[0] | data[1] << 8);

	if (family == 2)
		return ETHERTYPE_IP4;
	return family == 10 || family == 24 || family == 28 || family == 30 ? ETHERTYPE_IP6 : NO_ETHERTYPE;
}

static const struct link links[] = {
	{DLT_EN10MB, 0, NULL},
	{DLT_RAW, 0, raw_ethertype},
	{DLT_IPV4, 0, ip4_ethertype},
	{DLT_IPV6, 0, ip6_ethertype},
	{DLT_LINUX_SLL, 16, cooked_ethertype},
	{DLT_LINUX_SLL2, 20, cooked2_ethertype},
	{DLT_NULL, 4, family_ethertype},
	{DLT_LOOP, 4, family_ethertype},
};

static const struct link *link_find(int type)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].type == type)
			return &links[i];
	return NULL;
}

static void refuse_link(int type, const char *path, char *error, size_t room)
{
	const char *name = pcap_datalink_val_to_name(type);
	char user[16];

	if (name == NULL && type >= DLT_USER0 && type <= DLT_USER15) { /* libpcap knows no names for these */
		snprintf(user, sizeof(user), "USER%d", type - DLT_USER0);
		name = user;
	}
	snprintf(error, room, "%s: link type %s (%d) is not supported", path,
		 name != NULL ? name : "without a name", type);
}

struct capture *capture_open(const char *path, char *error, size_t room)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct capture *c = calloc(1, sizeof(*c));
	struct stat st;

	if (c == NULL) {
		snprintf(error, room, "out of memory");
		return NULL;
	}
	c->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (c->pcap == NULL) {
		snprintf(error, room, "cannot read the capture: %s", why);
		free(c);
		return NULL;
	}
	c->link = link_find(pcap_datalink(c->pcap));
	if (c->link == NULL) {
		refuse_link(pcap_datalink(c->pcap), path, error, room);
		capture_close(c);
		return NULL;
	}
	if (fstat(fileno(pcap_file(c->pcap)), &st) == 0 && S_ISREG(st.st_mode))
		c->size = (uint64_t)st.st_size;
	return c;
}

void capture_close(struct capture *c)
{
	if (c == NULL)
		return;
	pcap_close(c->pcap);
	free(c->buffer);
	free(c);
}

bool capture_has_layer2(const struct capture *c)
{
	return c->link->ethertype == NULL;
}

uint64_t capture_size(const struct capture *c)
{
	return c->size;
}

const char *capture_error(const struct capture *c)
{
	return pcap_geterr(c->pcap);
}

static int64_t time_in_range(const struct timeval *tv)
{
	int64_t seconds = tv->tv_sec, part = tv->tv_usec; /* nanoseconds, as asked for */

	seconds = seconds < 0 ? 0 : seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
	part = part < 0 ? 0 : part >= NS_PER_S ? NS_PER_S - 1 : part;
	return seconds * NS_PER_S + part;
}

static bool buffer_fits(struct capture *c, size_t len)
{
	if (len <= c->room)
		return true;
	uint8_t *more = realloc(c->buffer, len);
	if (more == NULL)
		return false;
	c->buffer = more;
	c->room = len;
	return true;
}

/* Copies the payload behind a header of ours; a packet shorter than its link header becomes an empty frame.
 */
static void frame_make(struct capture *c, const uint8_t *data, uint32_t len, uint32_t wire_len,
		       struct frame *f)
{
	const struct link *link = c->link;
	uint32_t made = link->ethertype != NULL ? ETHER_LEN : 0;

	*f = (struct frame){.data = c->buffer + FRAME_HEADROOM};
	if (len < link->header) {
		f->wire_len = wire_len < link->header ? 0 : ETHER_LEN; /* malformed, or only cut short */
		return;
	}
	if (made > 0) {
		uint16_t type = link->ethertype(data, len);
		memset(f->data, 0, ETHER_LEN);
		f->data[12] = (uint8_t)(type >> 8);
		f->data[13] = (uint8_t)type;
	}
	memcpy(f->data + made, data + link->header, len - link->header);
	f->len = len - link->header + made;
	f->wire_len = wire_len - link->header + made;
}

enum capture_result capture_next(struct capture *c, struct frame *f, int64_t *utc_ns)
{
	struct pcap_pkthdr *header;
	const uint8_t *data;

	switch (pcap_next_ex(c->pcap, &header, &data)) {
	case 1:
		break;
	case PCAP_ERROR_BREAK:
		return CAPTURE_END;
	default:
		return CAPTURE_CUT;
	}
	if (!buffer_fits(c, (size_t)header->caplen + FRAME_HEADROOM + ETHER_LEN))
		return CAPTURE_CUT;
	*utc_ns = time_in_range(&header->ts);
	frame_make(c, data, header->caplen, header->len > header->caplen ? header->len : header->caplen, f);
	return CAPTURE_FRAME;
}
