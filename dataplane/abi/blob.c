/* SPDX-License-Identifier: BSD-3-Clause */
#include "blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS     (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define HUGE_FROM (2u << 20)

static int read_all(int fd, char *out, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, out + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

int blob_read(struct blob *b, int fd, size_t max)
{
	struct stat st;

	*b = (struct blob){0};
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size <= 0)
		return -ENODATA;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;

	struct blob copy = {.size = (size_t)st.st_size};
	copy.bytes = mmap(NULL, copy.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy.bytes == MAP_FAILED)
		return -ENOMEM;
	if (copy.size >= HUGE_FROM)
		madvise(copy.bytes, copy.size, MADV_HUGEPAGE);
	int error = read_all(fd, copy.bytes, copy.size);
	if (!error && mprotect(copy.bytes, copy.size, PROT_READ))
		error = -errno;
	if (error)
		blob_free(&copy);
	else
		*b = copy;
	return error;
}

void blob_free(struct blob *b)
{
	if (b->bytes)
		munmap(b->bytes, b->size);
	*b = (struct blob){0};
}

static int write_all(int fd, const char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int blob_seal(const char *name, const void *bytes, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	int error = write_all(fd, bytes, size);
	if (!error && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL))
		error = -errno;
	if (!error)
		return fd;
	close(fd);
	return error;
}

bool blob_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}
