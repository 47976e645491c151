// SPDX-License-Identifier: BSD-3-Clause
/*
 * text.c - small text without stdio, locale or memory.
 */
#include "internal.h"

void umfs_text_init(struct text *t, char *buf, size_t size)
{
	t->buf = buf;
	t->size = size;
	t->len = 0;
	buf[0] = '\0';
}

static void add_char(struct text *t, char c)
{
	if (t->len + 1 < t->size) {
		t->buf[t->len++] = c;
		t->buf[t->len] = '\0';
	}
}

void umfs_text_add(struct text *t, const char *s)
{
	while (s && *s)
		add_char(t, *s++);
}

static void add_number(struct text *t, uint64_t v, unsigned base)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		add_char(t, digits[--n]);
}

void umfs_text_dec(struct text *t, uint64_t v)
{
	add_number(t, v, 10);
}

void umfs_text_hex(struct text *t, uint64_t v)
{
	add_number(t, v, 16);
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 16;
}

bool umfs_text_number(const char **p, unsigned base, uint64_t *v)
{
	const char *s = *p;

	*v = 0;
	while (digit_of(*s) < (int)base && *v < (1ull << 60) / base)
		*v = *v * base + (uint64_t)digit_of(*s++);
	if (s == *p)
		return false;
	*p = s;
	return true;
}

/* Not by strncmp, whose page of libc a short program may have no other use for. */
const char *umfs_text_after(const char *s, const char *begin)
{
	for (; *begin; s++, begin++)
		if (*s != *begin)
			return NULL;
	return s;
}

/* One line on stderr, in one write so that lines of several processes do not mix. */
void umfs_text_say(const char *a, const char *b, const char *c, const char *d)
{
	char line[1024];
	struct text t;

	umfs_text_init(&t, line, sizeof(line) - 1);
	umfs_text_add(&t, "libumfs: ");
	umfs_text_add(&t, a);
	umfs_text_add(&t, b);
	umfs_text_add(&t, c);
	umfs_text_add(&t, d);
	line[t.len++] = '\n';
	sys3(SYS_write, 2, line, t.len);
}

/* FNV-1a: for numbers that must only be the same in each process. */
uint64_t umfs_text_hash(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h;
}
