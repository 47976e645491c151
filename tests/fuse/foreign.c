// SPDX-License-Identifier: BSD-3-Clause
/*
 * foreign.c - a program that libumfs can not be in, whatever it was built for.
 *
 * usage: foreign [who FD | read PATH | write FD TEXT | append PATH TEXT | exec PROGRAM ARG...]
 *
 * With FOREIGN_RAW it has no libc at all, as programs of other languages: it makes its own
 * system calls, on x86-64 or i386, and has no exec. With FOREIGN_GO it has one and makes them
 * by itself all the same, as programs of Go do. Its exit status is the error number.
 */
#ifdef FOREIGN_GO
__asm__(".pushsection .note.go.buildid, \"a\", @note\n"
	".balign 4\n.long 4, 4, 4\n.ascii \"Go\\0\\0none\"\n.popsection\n");
#endif
#if defined(FOREIGN_RAW) || defined(FOREIGN_GO)
#define O_RDONLY 0
#define O_WRONLY 1
#define O_APPEND 02000
#ifdef __x86_64__
enum { NR_READ = 0, NR_WRITE = 1, NR_OPEN = 2, NR_EUID = 107, NR_EXIT = 231 };
static long call(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}
#ifdef FOREIGN_RAW
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#endif
#else
enum { NR_READ = 3, NR_WRITE = 4, NR_OPEN = 5, NR_EUID = 201, NR_EXIT = 252 };
static long call(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return ret;
}
__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tand $-16, %esp\n\tsub $12, %esp\n"
	"\tpush %eax\n\tcall begin\n");
#endif
#define OPEN(path, flags) call(NR_OPEN, (long)(path), (flags), 0)
#define READ(fd, buf, n) call(NR_READ, (fd), (long)(buf), (long)(n))
#define WRITE(fd, buf, n) call(NR_WRITE, (fd), (long)(buf), (long)(n))
#define EUID() call(NR_EUID, 0, 0, 0)
#else
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#define ANSWER(call) ({ long answer_ = (call); answer_ < 0 ? -errno : answer_; })
#define OPEN(path, flags) ANSWER(open(path, flags))
#define READ(fd, buf, n) ANSWER(read((int)(fd), buf, n))
#define WRITE(fd, buf, n) ANSWER(write((int)(fd), buf, n))
#define EUID() (long)geteuid()
#endif

static unsigned long length(const char *s)
{
	unsigned long n = 0;

	while (s[n])
		n++;
	return n;
}

static long put(long fd, const char *text)
{
	long n = WRITE(fd, text, length(text));

	return n < 0 ? -n : 0;
}

static long who(long fd)
{
	char text[20], *at = text + sizeof(text) - 1;
	long id = EUID();

	*at = '\0';
	*--at = '\n';
	do
		*--at = (char)('0' + id % 10);
	while (id /= 10);
	return put(fd, at);
}

static long show(const char *path)
{
	long fd = OPEN(path, O_RDONLY), n;
	char text[200];

	if (fd < 0)
		return -fd;
	n = READ(fd, text, sizeof(text));
	if (n > 0)
		n = WRITE(1, text, (unsigned long)n);
	return n < 0 ? -n : 0;
}

static long append(const char *path, const char *text)
{
	long fd = OPEN(path, O_WRONLY | O_APPEND);

	return fd < 0 ? -fd : put(fd, text);
}

static long run(int argc, char **argv)
{
#if !defined(FOREIGN_RAW) && !defined(FOREIGN_GO)
	if (argc > 2 && argv[1][0] == 'e')
		return execv(argv[2], argv + 2) ? errno : 0;
#endif
	if (argc == 3 && argv[1][0] == 'w')
		return who(argv[2][0] - '0');
	if (argc == 3)
		return show(argv[2]);
	if (argc == 4 && argv[1][0] == 'w')
		return put(argv[2][0] - '0', argv[3]);
	return argc == 4 ? append(argv[2], argv[3]) : 0;
}

#ifdef FOREIGN_RAW
void begin(long *stack);

__attribute__((used)) void begin(long *stack)
{
	long status = run((int)stack[0], (char **)(stack + 1));

	for (;;)
		call(NR_EXIT, status, 0, 0);
}
#else
int main(int argc, char **argv)
{
	return (int)run(argc, argv);
}
#endif
