/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

FILE *capture_begin(const char *path)
{
	const struct capture_header h = {0xa1b2c3d4, 2, 4, 0, 0, 65535, 1};
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fwrite(&h, sizeof(h), 1, file);
	return file;
}

void capture_add(FILE *file, struct pkt *p)
{
	struct frame f = pkt_done(p);
	struct capture_frame h = {.captured = f.len, .wire = f.len};

	fwrite(&h, sizeof(h), 1, file);
	fwrite(f.data, 1, f.len, file);
}

static void from_to(struct pkt *p, unsigned from, unsigned to)
{
	char src[16], dst[16];

	snprintf(src, sizeof(src), "10.0.0.%u", from & 0xff);
	snprintf(dst, sizeof(dst), "10.0.0.%u", to & 0xff);
	pkt_ether(p, to, from);
	pkt_ip(p, src, dst);
}

void capture_udp(FILE *file, struct pkt *p, unsigned from, unsigned to)
{
	from_to(p, from, to);
	pkt_udp(p, 1000, 53);
	capture_add(file, p);
}

void capture_tcp(FILE *file, struct pkt *p, unsigned from, unsigned to)
{
	from_to(p, from, to);
	pkt_tcp(p, 1000, 443, PKT_SYN, 1, 0);
	capture_add(file, p);
}
