// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
/*
 * ulog.c - the U-Log: undo of bytes within one file.
 *
 * The paper's U-Log, one record at a time: before bytes of a file are replaced
 * in place they are copied here together with the file's size. A record names a
 * file, an offset and a length, never pages, so putting it back can harm no
 * other file whatever it contains.
 *
 * I1  The saved bytes and the head are durable before `state` says active, and
 *     that is durable before the first byte is replaced.
 * I2  The new bytes and the new size are durable before umfs_ulog_retire stores
 *     `state`, the write's commit point.
 * I3  The file's lock is held from before arming until after retiring, so that
 *     nobody's later change is undone with it.
 */
#include "internal.h"

static uint8_t *log_bytes(struct umfs_ulog_pm *log)
{
	return (uint8_t *)log + UMFS_ULOG_HEAD_BYTES;
}

static uint32_t head_crc(const struct umfs_ulog_pm *log, uint64_t serial)
{
	return port_crc32c((uint32_t)serial, &log->ino,
			   offsetof(struct umfs_ulog_pm, crc) -
				   offsetof(struct umfs_ulog_pm, ino));
}

/* Copy between the log and the file's pages; holes are not the log's. */
static void copy_pages(struct umfs *fs, uint64_t root, uint8_t *bytes, uint64_t off, uint64_t len,
		       bool save)
{
	while (len) {
		uint64_t in_page = off & UMFS_PAGE_MASK;
		uint64_t want = UMFS_MIN(len + in_page, (uint64_t)UMFS_ATOMIC_BYTES);
		uint64_t entry, pages, n;

		pages = umfs_fpt_run(fs, root, off >> UMFS_PAGE_SHIFT,
				     (want + UMFS_PAGE_MASK) >> UMFS_PAGE_SHIFT, &entry);
		n = UMFS_MIN((pages << UMFS_PAGE_SHIFT) - in_page, len);
		if (umfs_pte_written(entry)) {
			uint8_t *data = umfs_page(fs, umfs_pte_page(entry));

			data += in_page;
			if (save)
				port_copy(bytes, data, n);
			else
				port_copy(data, bytes, n);
			umfs_flush(fs, save ? bytes : data, n);
		}
		bytes += n;
		off += n;
		len -= n;
	}
}

void umfs_ulog_put_back(struct umfs *fs, uint64_t root, const uint8_t *bytes, uint64_t off,
			uint64_t len)
{
	copy_pages(fs, root, (uint8_t *)(uintptr_t)bytes, off, len, false);
}

void umfs_ulog_arm(struct umfs *fs, struct umfs_ulog_pm *log, const struct umfs_inode_pm *inode,
		   uint32_t ino, uint64_t off, uint64_t len, const void *data)
{
	uint64_t serial = (ld64(&log->state) >> 1) + 1;
	bool power = fs->geo.durability == UMFS_DURABLE_FLUSH;

	if (data) {
		port_copy(log_bytes(log), data, len);
		umfs_flush(fs, log_bytes(log), len);
	} else {
		copy_pages(fs, ld64(&inode->root), log_bytes(log), off, len, true);
	}
	if (fs->broken) /* the bytes are not those of the file: they could not be read */
		return;
	st32(&log->ino, ino);
	st32(&log->generation, ld32(&inode->generation));
	st64(&log->off, off);
	st64(&log->len, len);
	st64(&log->size, umfs_inode_size(inode));
	st32(&log->data_crc, power ? port_crc32c(0, log_bytes(log), len) : 0);
	st32(&log->crc, head_crc(log, serial)); /* in the line of `state`, and before it there (I1) */
	umfs_fence(fs);
	umfs_persist64(fs, &log->state, serial << 1 | 1);
}

void umfs_ulog_retire(struct umfs *fs, struct umfs_ulog_pm *log)
{
	umfs_fence(fs);
	umfs_persist64(fs, &log->state, ld64(&log->state) & ~1ull); /* commit point */
}

/* Hostile content: each field is loaded once, checked, then used. */
int umfs_ulog_recover(struct umfs *fs, struct umfs_ulog_pm *log, uint64_t room)
{
	uint64_t state = ld64(&log->state), serial = state >> 1;
	uint64_t off = ld64(&log->off), len = ld64(&log->len), size = ld64(&log->size);
	uint32_t ino = ld32(&log->ino), generation = ld32(&log->generation);
	uint32_t data_crc = ld32(&log->data_crc);
	struct umfs_inode_pm *inode;
	bool sound;

	if (!(state & 1))
		return 0;
	inode = umfs_inode(fs, ino);
	sound = ld32(&log->crc) == head_crc(log, serial) && inode && len <= room &&
		size <= UMFS_FILE_BYTES_MAX && off <= size && len <= size - off &&
		ld32(&inode->generation) == generation && umfs_is_reg(ld32(&inode->mode)) &&
		umfs_inode_sealed(inode, ino) && /* or its root may name others' pages */
		(!data_crc || data_crc == port_crc32c(0, log_bytes(log), len));
	if (sound) {
		copy_pages(fs, ld64(&inode->root), log_bytes(log), off, len, false);
		umfs_inode_set_size(fs, inode, ino, size);
	}
	if (fs->broken) /* what was read, or where it went, may not have been the pool */
		return -EIO;
	umfs_fence(fs);
	umfs_persist64(fs, &log->state, state & ~1ull);
	return sound ? 0 : -EUCLEAN;
}
