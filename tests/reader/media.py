# SPDX-License-Identifier: BSD-3-Clause
"""A pool's bytes, checksums, superblock and groups: chapters 1 to 4 of SPEC.md.

The pool file is opened for reading only and read page by page, never mapped: a
medium that is shorter than it says, or can not be read, is an error with a name.
What recovery would store is kept aside, in memory, and read from there.

M1  Whatever a pool says, memory stays in proportion to what its file holds.
"""
import collections
import os
import struct

PAGE = 4096
GROUP_PAGES = 32768
UNIT_PAGES = 512
MAGIC = 0x0a53464d55f0aa55
SB_BACKED = 1
GROUP_INIT = 1
CACHE_PAGES = 4096
OVERLAY_PAGES_MAX = 65536


class Damage(Exception):
    """Something in the pool is not as SPEC.md says."""


class NotAPool(Exception):
    """Nothing can be read: no superblock that this reader understands."""


def need(condition, text):
    if not condition:
        raise Damage(text)


def make_crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data, seed=0):
    """`seed` is the CRC32C of the bytes before."""
    crc = seed ^ 0xffffffff
    table = CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def pages_for(nbytes):
    return (nbytes + PAGE - 1) // PAGE


Super = collections.namedtuple('Super', (
    'magic version crc compat ro_compat incompat uuid label pool_pages created_ns key0 key1 '
    'durability flags group_count group_count_max inodes_per_group groups_page gtable_page '
    'slot_count lanes_per_slot lanes_page irec_count irecs_page ofd_count ofds_page '
    'reserve_count reserves_page'))
SUPER = struct.Struct('<QIIQQQ16s32sQQQQ16I')
SUPER_BYTES = 512

Group = collections.namedtuple('Group', (
    'lock free_pages free_inodes backed flags page_hint inode_hint pages'))
GROUP = struct.Struct('<QIIQIIII')
GROUP_BYTES = 64


def head_pages(sb):
    return 2 + pages_for(sb.inodes_per_group * 256)


def check_front(sb):
    """The parts lie between page 6 and the groups, apart from each other and from page 511."""
    parts = sorted([
        (511, 1),
        (sb.gtable_page, pages_for(sb.group_count_max * GROUP_BYTES)),
        (sb.lanes_page, 4 * sb.slot_count * sb.lanes_per_slot),
        (sb.irecs_page, pages_for(sb.irec_count * 64)),
        (sb.ofds_page, pages_for(sb.ofd_count * 128)),
        (sb.reserves_page, 514 * sb.reserve_count)])
    end = 6
    for first, count in parts:
        need(first >= end, 'superblock: parts of the front overlap')
        end = first + count
    need(end <= sb.groups_page, 'superblock: the front does not end before the groups')


def check_geometry(sb, medium_bytes):
    bounds = (
        ('pool_pages', 2560, 1 << 32), ('durability', 0, 2), ('flags', 0, SB_BACKED),
        ('group_count', 1, 131072), ('group_count_max', sb.group_count, 131072),
        ('inodes_per_group', 64, 32768), ('groups_page', 512, 0xffffffff),
        ('slot_count', 1, 256), ('lanes_per_slot', 1, 8), ('irec_count', 1, 1 << 20),
        ('ofd_count', 1, 1 << 20), ('reserve_count', 1, 4))
    for name, least, most in bounds:
        need(least <= getattr(sb, name) <= most, 'superblock: %s is out of bounds' % name)
    need(sb.inodes_per_group % 64 == 0, 'superblock: inodes_per_group')
    need(sb.group_count * sb.inodes_per_group < 1 << 32, 'superblock: too many inodes')
    need(sb.groups_page % UNIT_PAGES == 0, 'superblock: groups_page')
    need(sb.pool_pages * PAGE <= medium_bytes, 'superblock: the medium is shorter than the pool')
    whole = sb.pool_pages - sb.groups_page - (sb.group_count - 1) * GROUP_PAGES
    need(whole > head_pages(sb), 'superblock: no room for the last group')
    need(whole <= 2 * GROUP_PAGES, 'superblock: room for another group')
    check_front(sb)


def parse_super(data, medium_bytes):
    need(len(data) == SUPER_BYTES, 'superblock: past the end of the medium')
    sb = Super(*SUPER.unpack_from(data))
    need(sb.magic == MAGIC, 'superblock: no signature')
    if sb.version > 1:
        raise NotAPool('format version %d is later than 1' % sb.version)
    need(sb.version == 1, 'superblock: version')
    need(crc32c(data[:12] + bytes(4) + data[16:]) == sb.crc, 'superblock: checksum')
    if sb.incompat:
        raise NotAPool('features that this reader does not know: %x' % sb.incompat)
    check_geometry(sb, medium_bytes)
    return sb


class Media:
    """The pool's pages, and what each of them may be used for."""

    def __init__(self, path, report):
        self.report = report
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.cache = {}
        self.overlay = {}
        self.used = {}
        self.groups = {}
        self.seen = collections.Counter()  # what of the format was met, for tests
        self.sb = None
        self.bytes = os.lseek(self.fd, 0, os.SEEK_END)
        self.sb = self.load_super()

    def close(self):
        os.close(self.fd)

    def load_super(self):
        why = []
        for offset, name in ((0, 'superblock'), (511 * PAGE, 'copy of the superblock')):
            try:
                return parse_super(self.read_medium(offset, SUPER_BYTES), self.bytes)
            except Damage as damage:
                why.append('%s: %s' % (name, damage))
                self.report('%s: %s' % (name, damage))
        raise NotAPool('; '.join(why))

    # ---- bytes ----

    def read_medium(self, offset, count):
        try:
            return os.pread(self.fd, count, offset)
        except OSError as error:
            raise Damage('byte %d of the pool: %s' % (offset, error.strerror)) from None

    def page(self, number):
        if number in self.overlay:
            return self.overlay[number]
        data = self.cache.get(number)
        if data is None:
            need(self.sb is None or number < self.sb.pool_pages,
                 'page %d is past the end of the pool' % number)
            data = self.read_medium(number * PAGE, PAGE)
            need(len(data) == PAGE, 'page %d is past the end of the medium' % number)
            if len(self.cache) >= CACHE_PAGES:
                self.cache.clear()
            self.cache[number] = data
        return data

    def read(self, offset, count):
        """`count` bytes from a pool offset; at most what a log may hold."""
        out = []
        while count:
            at = offset % PAGE
            part = min(count, PAGE - at)
            out.append(bytes(self.page(offset // PAGE)[at:at + part]))
            offset, count = offset + part, count - part
        return b''.join(out)

    def u64(self, offset):
        return int.from_bytes(self.read(offset, 8), 'little')

    def write(self, offset, data):
        """Into memory, as recovery would into the pool."""
        while data:
            number, at = divmod(offset, PAGE)
            part = data[:PAGE - at]
            if number not in self.overlay:
                need(len(self.overlay) < OVERLAY_PAGES_MAX, 'recovery would change too much (M1)')
                self.overlay[number] = bytearray(self.page(number))
            self.overlay[number][at:at + len(part)] = part
            offset, data = offset + len(part), data[len(part):]
        self.groups.clear()

    # ---- groups ----

    def group(self, number):
        if number not in self.groups:
            need(number < self.sb.group_count, 'group %d does not exist' % number)
            where = self.sb.gtable_page * PAGE + number * GROUP_BYTES
            group = Group(*GROUP.unpack(self.read(where, GROUP.size)))
            self.check_group(number, group)
            self.groups[number] = group
        return self.groups[number]

    def check_group(self, number, group):
        need(not group.flags & ~3, 'group %d: flags' % number)
        if not group.flags & GROUP_INIT:
            return
        there = min(GROUP_PAGES, self.sb.pool_pages - self.group_page(number))
        need(head_pages(self.sb) < group.pages <= there, 'group %d: pages' % number)

    def group_page(self, number):
        return self.sb.groups_page + number * GROUP_PAGES

    def is_backed(self, group, page):
        """Whether the page, counted from the group's start, has memory."""
        return bool(self.sb.flags & SB_BACKED or group.backed >> page // UNIT_PAGES & 1)

    def place(self, page, count=1):
        """Group and number in it of a run of data pages in use, of one group."""
        need(page >= self.sb.groups_page, 'page %d is not a data page' % page)
        number, first = divmod(page - self.sb.groups_page, GROUP_PAGES)
        group = self.group(number)
        need(group.flags & GROUP_INIT, 'page %d is of a group that was never used' % page)
        need(first >= head_pages(self.sb), 'page %d is in the head of a group' % page)
        need(first + count <= group.pages, 'page %d is past its group' % page)
        return number, first, group

    def take(self, page, count=1):
        """Check data pages that something names, and that nothing else names them."""
        number, first, group = self.place(page, count)
        bitmap = self.page(self.group_page(number))
        used = self.used.setdefault(number, bytearray(GROUP_PAGES // 8))
        for n in range(first, first + count):
            bit = 1 << n % 8
            need(self.is_backed(group, n), 'page %d has no memory' % page)
            need(bitmap[n // 8] & bit, 'page %d is free' % page)
            need(not used[n // 8] & bit, 'page %d is used twice' % page)
            used[n // 8] |= bit

    def clear_bits(self, number, in_page, first, count):
        """Of a group's bitmap: that of pages (in_page 0) or of inodes (1)."""
        where = (self.group_page(number) + in_page) * PAGE
        low, high = first // 8, (first + count + 7) // 8
        bits = int.from_bytes(self.read(where + low, high - low), 'little')
        bits &= ~(((1 << count) - 1) << first % 8)
        self.write(where + low, bits.to_bytes(high - low, 'little'))
