/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * copy_guard.S - copies between the pool and memory that may fault.
 *
 * int f(void *dst, const void *src, uint64_t n), System V: rdi, rsi, rdx.
 *
 * G1  Between umfs_guard_start and umfs_guard_end nothing is called and the
 *     stack is not touched, so that a signal handler may leave a routine at any
 *     instruction by jumping to one of the landings, which return.
 * G2  The AVX routines come last, from umfs_guard_avx on: their landings clear
 *     the upper halves, which a processor without AVX could not execute.
 *
 * Loads and stores of the ends overlap instead of being counted out; the
 * non-temporal routines do not do that, since an ordinary store to a line just
 * streamed out would fetch it back. They stream from port_nt_min bytes on (at
 * least 128: copy.c).
 */

#define DST %rdi
#define SRC %rsi
#define N %rdx

	.text

/* At most 128 bytes. Changes rax, rcx and xmm0 to xmm7 only (umfs_port.h counts on it). */
.macro COPY_SMALL done
	cmp	$16, N
	jb	11f
	cmp	$32, N
	ja	12f
	movdqu	(SRC), %xmm0
	movdqu	-16(SRC, N), %xmm1
	movdqu	%xmm0, (DST)
	movdqu	%xmm1, -16(DST, N)
	jmp	\done
12:	cmp	$64, N
	ja	13f
	movdqu	(SRC), %xmm0
	movdqu	16(SRC), %xmm1
	movdqu	-32(SRC, N), %xmm2
	movdqu	-16(SRC, N), %xmm3
	movdqu	%xmm0, (DST)
	movdqu	%xmm1, 16(DST)
	movdqu	%xmm2, -32(DST, N)
	movdqu	%xmm3, -16(DST, N)
	jmp	\done
13:	movdqu	(SRC), %xmm0
	movdqu	16(SRC), %xmm1
	movdqu	32(SRC), %xmm2
	movdqu	48(SRC), %xmm3
	movdqu	-64(SRC, N), %xmm4
	movdqu	-48(SRC, N), %xmm5
	movdqu	-32(SRC, N), %xmm6
	movdqu	-16(SRC, N), %xmm7
	movdqu	%xmm0, (DST)
	movdqu	%xmm1, 16(DST)
	movdqu	%xmm2, 32(DST)
	movdqu	%xmm3, 48(DST)
	movdqu	%xmm4, -64(DST, N)
	movdqu	%xmm5, -48(DST, N)
	movdqu	%xmm6, -32(DST, N)
	movdqu	%xmm7, -16(DST, N)
	jmp	\done
11:	cmp	$8, N
	jb	14f
	mov	(SRC), %rax
	mov	-8(SRC, N), %rcx
	mov	%rax, (DST)
	mov	%rcx, -8(DST, N)
	jmp	\done
14:	cmp	$4, N
	jb	15f
	mov	(SRC), %eax
	mov	-4(SRC, N), %ecx
	mov	%eax, (DST)
	mov	%ecx, -4(DST, N)
	jmp	\done
15:	cmp	$2, N
	jb	16f
	movzwl	(SRC), %eax
	movzwl	-2(SRC, N), %ecx
	mov	%ax, (DST)
	mov	%cx, -2(DST, N)
	jmp	\done
16:	test	N, N
	jz	\done
	movzbl	(SRC), %eax
	mov	%al, (DST)
	jmp	\done
.endm

/* More than 128 bytes (AVX: 256): stores aligned, first and last bytes kept in registers. */
.macro COPY_SSE
	movdqu	(SRC), %xmm8
	movdqu	-64(SRC, N), %xmm4
	movdqu	-48(SRC, N), %xmm5
	movdqu	-32(SRC, N), %xmm6
	movdqu	-16(SRC, N), %xmm7
	mov	DST, %rcx
	lea	-64(DST, N), %r8
	or	$15, DST
	inc	DST
	sub	%rcx, SRC
	add	DST, SRC
	.p2align 5
21:	movdqu	(SRC), %xmm0
	movdqu	16(SRC), %xmm1
	movdqu	32(SRC), %xmm2
	movdqu	48(SRC), %xmm3
	movdqa	%xmm0, (DST)
	movdqa	%xmm1, 16(DST)
	movdqa	%xmm2, 32(DST)
	movdqa	%xmm3, 48(DST)
	add	$64, SRC
	add	$64, DST
	cmp	%r8, DST
	jb	21b
	movdqu	%xmm4, (%r8)
	movdqu	%xmm5, 16(%r8)
	movdqu	%xmm6, 32(%r8)
	movdqu	%xmm7, 48(%r8)
	movdqu	%xmm8, (%rcx)
.endm

.macro COPY_AVX
	vmovdqu	(SRC), %ymm8
	vmovdqu	-128(SRC, N), %ymm4
	vmovdqu	-96(SRC, N), %ymm5
	vmovdqu	-64(SRC, N), %ymm6
	vmovdqu	-32(SRC, N), %ymm7
	mov	DST, %rcx
	lea	-128(DST, N), %r8
	or	$31, DST
	inc	DST
	sub	%rcx, SRC
	add	DST, SRC
	.p2align 5
31:	vmovdqu	(SRC), %ymm0
	vmovdqu	32(SRC), %ymm1
	vmovdqu	64(SRC), %ymm2
	vmovdqu	96(SRC), %ymm3
	vmovdqa	%ymm0, (DST)
	vmovdqa	%ymm1, 32(DST)
	vmovdqa	%ymm2, 64(DST)
	vmovdqa	%ymm3, 96(DST)
	add	$128, SRC
	add	$128, DST
	cmp	%r8, DST
	jb	31b
	vmovdqu	%ymm4, (%r8)
	vmovdqu	%ymm5, 32(%r8)
	vmovdqu	%ymm6, 64(%r8)
	vmovdqu	%ymm7, 96(%r8)
	vmovdqu	%ymm8, (%rcx)
	vzeroupper
.endm

/* Up to the line boundary with ordinary stores; r9 keeps what then remains. */
.macro NT_HEAD
	mov	N, %r9
	mov	DST, %rcx
	neg	%ecx
	and	$63, %ecx
	jz	41f
	mov	%rcx, N
	sub	%rcx, %r9
	mov	%rcx, %r10
	COPY_SMALL 42f
42:	add	%r10, DST
	add	%r10, SRC
41:	mov	%r9, N
	shr	$6, %r9
	and	$63, %edx
.endm

/* Full lines, r9 of them; N keeps what remains. */
.macro NT_LINES_SSE
	.p2align 5
51:	movdqu	(SRC), %xmm0
	movdqu	16(SRC), %xmm1
	movdqu	32(SRC), %xmm2
	movdqu	48(SRC), %xmm3
	movntdq	%xmm0, (DST)
	movntdq	%xmm1, 16(DST)
	movntdq	%xmm2, 32(DST)
	movntdq	%xmm3, 48(DST)
	add	$64, SRC
	add	$64, DST
	dec	%r9
	jnz	51b
.endm

.macro NT_LINES_AVX
	.p2align 5
61:	vmovdqu	(SRC), %ymm0
	vmovdqu	32(SRC), %ymm1
	vmovntdq %ymm0, (DST)
	vmovntdq %ymm1, 32(DST)
	add	$64, SRC
	add	$64, DST
	dec	%r9
	jnz	61b
	vzeroupper
.endm

/* name, instruction set */
.macro DEFINE_COPY name, set
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 6
\name:
	.cfi_startproc
	cmp	$128, N
	ja	71f
	COPY_SMALL 72f
71:	cmp	$256, N
	ja	73f
	COPY_SSE
	jmp	72f
73:	COPY_\set
72:	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	\name, . - \name
.endm

.macro DEFINE_NT name, set
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 6
\name:
	.cfi_startproc
	cmp	port_nt_min(%rip), N
	jae	82f
	cmp	$128, N
	ja	81f
83:	COPY_SMALL 84f
81:	COPY_SSE
84:	xor	%eax, %eax
	ret
82:	NT_HEAD
	NT_LINES_\set
	jmp	83b
	.cfi_endproc
	.size	\name, . - \name
.endm

	DEFINE_NT umfs_plain_nt_sse, SSE
	DEFINE_NT umfs_plain_nt_avx, AVX

	.hidden	port_nt_min

	.globl	umfs_guard_start, umfs_guard_avx, umfs_guard_end
	.hidden	umfs_guard_start, umfs_guard_avx, umfs_guard_end
umfs_guard_start:
	.globl	umfs_guard_small
	.hidden	umfs_guard_small
	.type	umfs_guard_small, @function
	.p2align 6
umfs_guard_small:
	.cfi_startproc
	COPY_SMALL 91f
91:	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	umfs_guard_small, . - umfs_guard_small

	.globl	umfs_guard_copy_rep
	.hidden	umfs_guard_copy_rep
	.type	umfs_guard_copy_rep, @function
	.p2align 4
umfs_guard_copy_rep:
	.cfi_startproc
	mov	N, %rcx
	rep movsb
	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	umfs_guard_copy_rep, . - umfs_guard_copy_rep

/* int f(uint64_t *at, uint64_t was, uint64_t now): *at becomes now, if it is was. */
	.globl	umfs_guard_swap
	.hidden	umfs_guard_swap
	.type	umfs_guard_swap, @function
	.p2align 4
umfs_guard_swap:
	.cfi_startproc
	mov	%rsi, %rax
	lock cmpxchg %rdx, (%rdi)
	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	umfs_guard_swap, . - umfs_guard_swap

/* int f(const void *line, const void *end): write the lines in [line, end) back. */
.macro DEFINE_FLUSH name, insn
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	xor	%eax, %eax
93:	cmp	%rsi, %rdi
	jae	94f
	\insn	(%rdi)
	add	$64, %rdi
	jmp	93b
94:	ret
	.cfi_endproc
	.size	\name, . - \name
.endm

	DEFINE_FLUSH umfs_guard_clwb, clwb
	DEFINE_FLUSH umfs_guard_clflushopt, clflushopt
	DEFINE_FLUSH umfs_guard_clflush, clflush

	DEFINE_COPY umfs_guard_copy_sse, SSE
	DEFINE_NT umfs_guard_nt_sse, SSE
umfs_guard_avx:
	DEFINE_COPY umfs_guard_copy_avx, AVX
	DEFINE_NT umfs_guard_nt_avx, AVX
umfs_guard_end:

/* Landings: eax is the routine's result. */
.macro LANDING name, code
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.cfi_startproc
	mov	$\code, %eax
	ret
	.cfi_endproc
	.size	\name, . - \name
	.globl	\name\()_avx
	.hidden	\name\()_avx
	.type	\name\()_avx, @function
\name\()_avx:
	.cfi_startproc
	vzeroupper
	mov	$\code, %eax
	ret
	.cfi_endproc
	.size	\name\()_avx, . - \name\()_avx
.endm

	LANDING umfs_land_efault, -14
	LANDING umfs_land_eio, -5

	.section .note.GNU-stack, "", @progbits
