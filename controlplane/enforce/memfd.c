/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sealed memfds: the writer seals before it sends, the reader believes nothing that is not sealed.
 */
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

int memfd_sealed(const char *name, const void *bytes, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, bytes, size);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int memfd_read(int fd, size_t max, void **bytes, size_t *size)
{
	int seals = fcntl(fd, F_GET_SEALS), r;
	struct stat st;
	void *copy;

	*bytes = NULL;
	*size = 0;
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
		return -EPROTO;
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return -EPROTO;
	if (st.st_size == 0)
		return 0;
	copy = malloc((size_t)st.st_size);
	if (!copy)
		return -ENOMEM;
	r = fd_read_all(fd, copy, (size_t)st.st_size);
	if (r < 0) {
		free(copy);
		return r;
	}
	*bytes = copy;
	*size = (size_t)st.st_size;
	return 0;
}
