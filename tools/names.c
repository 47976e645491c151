// SPDX-License-Identifier: BSD-3-Clause
/* names.c - values as people read them. */
#include "tools.h"

#include <stdio.h>
#include <time.h>

#define BUFFERS 4

static char *next_buffer(size_t *size)
{
	static char buffers[BUFFERS][64];
	static unsigned next;

	*size = sizeof(buffers[0]);
	return buffers[next++ % BUFFERS];
}

const char *durability_name(uint32_t durability)
{
	static const char *const names[] = {"none", "flush", "eadr"};

	return durability < UMFS_ARRAY_LEN(names) ? names[durability] : "unknown";
}

const char *mode_name(uint32_t mode)
{
	switch (mode) {
	case UMFS_MODE_POSIX:
		return "posix";
	case UMFS_MODE_SYNC:
		return "sync";
	case UMFS_MODE_ATOMIC:
		return "atomic";
	default:
		return "none";
	}
}

bool mode_number(const char *name, uint32_t *mode)
{
	for (*mode = UMFS_MODE_POSIX; *mode <= UMFS_MODE_ATOMIC; ++*mode)
		if (!strcmp(name, mode_name(*mode)))
			return true;
	return false;
}

/* Length of the UTF-8 character at `p` (`n` bytes are there), 0 when it is none or not printable. */
static unsigned utf8_length(const uint8_t *p, unsigned n)
{
	unsigned len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	unsigned i;

	if (p[0] < 0x20 || p[0] == 0x7f || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4 || len > n)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void label_text(const struct umfs_super_pm *sb, char text[33])
{
	uint8_t raw[32];
	unsigned i, len;

	for (i = 0; i < sizeof(raw); i++)
		raw[i] = ld8(&sb->label[i]);
	for (i = 0; i < sizeof(raw) && raw[i]; i += len ? len : 1) {
		len = utf8_length(raw + i, (unsigned)sizeof(raw) - i);
		if (len)
			memcpy(text + i, raw + i, len);
		else
			text[i] = '?';
	}
	text[i] = '\0';
}

const char *size_text(uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double n = (double)bytes;
	unsigned unit = 0;
	size_t size;
	char *text = next_buffer(&size);

	while (n >= 1024 && unit < 4) {
		n /= 1024;
		unit++;
	}
	snprintf(text, size, n == (double)(uint64_t)n ? "%.0f %s" : "%.1f %s", n, units[unit]);
	return text;
}

const char *time_text(int64_t ns)
{
	const int64_t second = 1000000000;
	int64_t part = (ns % second + second) % second;
	time_t whole = (time_t)(ns / second - (ns % second < 0));
	char date[32];
	struct tm tm;
	size_t size;
	char *text = next_buffer(&size);

	gmtime_r(&whole, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(text, size, "%s.%09lld UTC", date, (long long)part);
	return text;
}
