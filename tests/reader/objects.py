# SPDX-License-Identifier: BSD-3-Clause
"""Inodes, page tables, directories, extended attributes: chapter 5 of SPEC.md.

O1  Each page is named once (Media.take), each name leads deeper: every walk ends, after
    no more steps than the pool's file has entries.
O2  A file's pages are given out one run at a time, never collected.
"""
import collections
import struct

from media import Damage, GROUP_INIT, GROUP_PAGES, PAGE, crc32c, need, pages_for

REGULAR, DIRECTORY, SYMLINK = 0o100000, 0o040000, 0o120000
TYPES = {0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000}
DEVICES = {0o020000, 0o060000}
REGULAR_MAX = 512 << 30
LINKS_MAX = 65000
KEEP_MAX = 1 << 27
ROOT_INO = 1

Inode = collections.namedtuple('Inode', (
    'ino crc mode uid gid nlink generation flags root base parent rdev pages entries btime_ns '
    'xattr ulog keep lock seq size_word mtime_ns ctime_ns atime_ns rec'))
INODE = struct.Struct('<7I4xQQQQQQqQQQ16xQQQqqqQ')
INODE_BYTES = 256


def kind_of(inode):
    return inode.mode & 0o170000


def size_of(inode):
    return inode.size_word & (1 << 48) - 1


def size_check(size, ino, generation):
    return crc32c(struct.pack('<QII', size, ino, generation)) & 0xffff


def inode_offset(media, ino):
    """Pool offset of an inode that may be looked at; None: of memory never used."""
    number, index = divmod(ino, media.sb.inodes_per_group)
    need(ino and number < media.sb.group_count, 'inode %d does not exist' % ino)
    group = media.group(number)
    page = 2 + index * INODE_BYTES // PAGE
    if not group.flags & GROUP_INIT or not media.is_backed(group, page):
        return None
    return (media.group_page(number) + 2) * PAGE + index * INODE_BYTES


def raw_inode(media, ino):
    """Unchecked; None when it is not in use."""
    where = inode_offset(media, ino)
    if where is None:
        return None
    inode = Inode(ino, *INODE.unpack(media.read(where, INODE.size)))
    return inode if inode.mode else None


def has_inode_bit(media, ino):
    number, index = divmod(ino, media.sb.inodes_per_group)
    bitmap = media.page(media.group_page(number) + 1)
    return bool(bitmap[index // 8] >> index % 8 & 1)


def check_kind(inode):
    kind, size = kind_of(inode), size_of(inode)
    is_data = kind in (REGULAR, SYMLINK)
    need(kind in TYPES and not inode.mode & ~0o177777, 'mode')
    need(inode.nlink <= LINKS_MAX or kind == DIRECTORY, 'nlink')
    need(not inode.flags and not inode.ulog, 'flags')
    need(is_data or kind == DIRECTORY or not inode.root, 'root of something without pages')
    need(not inode.base % PAGE and (is_data or not inode.base), 'base')
    need(kind == DIRECTORY or not (inode.parent or inode.entries), 'parent, entries')
    need(kind in DEVICES or not inode.rdev, 'rdev')
    need(not inode.keep or kind == REGULAR and inode.keep <= KEEP_MAX, 'keep')
    need(size >> 48 == 0 and inode.size_word >> 48 ==
         size_check(size, inode.ino, inode.generation), 'check of the size')
    if kind == REGULAR:
        need(size <= REGULAR_MAX, 'size')
    elif kind == SYMLINK:
        need(1 <= size <= 4095, 'size of a symbolic link')
    else:
        need(size == 0, 'size of something without data')


def load_inode(media, ino):
    try:
        inode = raw_inode(media, ino)
        need(inode, 'not in use')
        need(has_inode_bit(media, ino), 'its bit is not set')
        head = media.read(inode_offset(media, ino) + 4, 124)
        need(crc32c(head, ino) == inode.crc, 'checksum')
        check_kind(inode)
    except Damage as damage:
        raise Damage('inode %d: %s' % (ino, damage)) from None
    return inode


# ---- page tables (§5.2) ----

P, RW, US, PSE, BIT9, BIT10, RUN, NX = (1 << n for n in (0, 1, 2, 7, 9, 10, 54, 63))
IGNORED = 1 << 5 | 1 << 6 | 1 << 11 | 1 << 58
ADDRESS = (1 << 52) - PAGE
TABLE = P | RW | US
WRITTEN = P | RW | US | BIT9 | NX
UNWRITTEN = RW | US | BIT9 | BIT10 | NX
HUGE = WRITTEN | PSE

# `count` pages of a file from page `at` on lie at `page` of the pool; or read as zeros.
Run = collections.namedtuple('Run', 'at page count written')


class Table:
    """
    The pages of one file; `owned` counts them, tables too, as they are walked. Without
    `claim` (a look at a few pages only) it is not held against others who name them.
    """

    def __init__(self, media, inode, claim=True):
        self.media, self.inode, self.claim, self.owned = media, inode, claim, 0

    def page_of(self, entry):
        address = (entry & ADDRESS) - self.inode.base
        need(address > 0, 'page table: an address below the base')
        return address // PAGE

    def take(self, entry, count=1):
        page = self.page_of(entry)
        if self.claim:
            self.media.take(page, count)
        else:
            self.media.place(page, count)
        self.owned += count
        return page

    def runs(self, first=0, end=KEEP_MAX):
        """Pages first ... end - 1 of the file, and what comes with them."""
        entry = self.inode.root & ~IGNORED
        height = entry >> 52 & 3
        entry &= ~(3 << 52)
        if not self.inode.root & ~IGNORED:
            return
        self.media.seen['height %d' % height] += 1
        if height == 0:
            yield self.leaf(entry, 0)
        else:
            need(entry & ~ADDRESS == TABLE, 'page table: root %x' % self.inode.root)
            yield from self.table(entry, height, 0, False, (first, end))

    def table(self, entry, height, at, is_run, part):
        page = self.take(entry)
        span = 512 ** (height - 1)
        entries = struct.unpack('<512Q', self.media.page(page))
        if is_run:
            self.media.seen['table that is a run'] += 1
            self.check_run(entries)
        for i, raw in enumerate(entries):
            sub = raw & ~IGNORED
            if not sub or at + (i + 1) * span <= part[0] or at + i * span >= part[1]:
                continue
            if height == 1:
                yield self.leaf(sub, at + i)
            elif height == 2 and sub & ~ADDRESS == HUGE:
                need(self.page_of(sub) % 512 == 0, 'page table: 2 MiB that are not aligned')
                self.media.seen['2 MiB'] += 1
                yield Run(at + i * span, self.take(sub, 512), 512, True)
            else:
                marked = height == 2 and bool(sub & RUN)
                sub &= ~RUN if height == 2 else ~0
                need(sub & ~ADDRESS == TABLE, 'page table: entry %x at height %d' % (raw, height))
                yield from self.table(sub, height - 1, at + i * span, marked, part)

    def check_run(self, entries):
        first = entries[0] & ~IGNORED
        for i, raw in enumerate(entries):
            need(raw & ~IGNORED == first + i * PAGE and first & ~ADDRESS == WRITTEN,
                 'page table: a table that is marked as a run and is none')

    def leaf(self, entry, at):
        need(entry & ~ADDRESS in (WRITTEN, UNWRITTEN), 'page table: entry %x' % entry)
        written = entry & ~ADDRESS == WRITTEN
        self.media.seen['page' if written else 'unwritten page'] += 1
        return Run(at, self.take(entry), 1, written)


def joined(runs):
    """Neighbours put together."""
    last = None
    for run in runs:
        if last and (run.at, run.page, run.written) == \
                (last.at + last.count, last.page + last.count, last.written):
            last = last._replace(count=last.count + run.count)
            continue
        if last:
            yield last
        last = run
    if last:
        yield last


def read_run(media, run, size):
    """(offset in the file, bytes) of each page of a run, up to the size; bytes None: zeros."""
    for i in range(run.count):
        offset = (run.at + i) * PAGE
        if offset >= size:
            return
        data = bytes(media.page(run.page + i)) if run.written else None
        yield offset, data if data is None else data[:size - offset]


def read_target(media, inode, table):
    size, target = size_of(inode), None
    for run in table.runs():
        for _, data in read_run(media, run, size):
            target = data
    need(target is not None and len(target) == size, 'the target has no page')
    return target


# ---- directories (§5.3) ----

MASK = (1 << 64) - 1
HASH_MASK = (1 << 63) - 1
LEAF_MAGIC = 0x4641454c
HEAD_CELLS, CELLS, CELL = 20, 256, 16
LEVELS = 6

Dentry = collections.namedtuple('Dentry', 'hash ino type name')


def rotate(value, by):
    return (value << by | value >> 64 - by) & MASK


def sip_round(v):
    a, b, c, d = v
    a = a + b & MASK
    b = rotate(b, 13) ^ a
    a = rotate(a, 32)
    c = c + d & MASK
    d = rotate(d, 16) ^ c
    a = a + d & MASK
    d = rotate(d, 21) ^ a
    c = c + b & MASK
    b = rotate(b, 17) ^ c
    c = rotate(c, 32)
    return a, b, c, d


def siphash13(key0, key1, data):
    v = (key0 ^ 0x736f6d6570736575, key1 ^ 0x646f72616e646f6d,
         key0 ^ 0x6c7967656e657261, key1 ^ 0x7465646279746573)
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack('<Q', padded):
        a, b, c, d = sip_round((v[0], v[1], v[2], v[3] ^ word))
        v = (a ^ word, b, c, d)
    v = (v[0], v[1], v[2] ^ 255, v[3])
    for _ in range(3):
        v = sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def name_hash(sb, name):
    return siphash13(sb.key0, sb.key1, name) & HASH_MASK or 1


def parse_dentry(sb, page, cell, tail):
    hash_, ino, kind, length, check = struct.unpack_from('<QIBBH', page, cell * CELL)
    cells = (CELL + length + CELL - 1) // CELL
    need(length and cell + cells <= tail, 'dentry at cell %d: length' % cell)
    name = bytes(page[cell * CELL + 16:cell * CELL + 16 + length])
    need(crc32c(page[cell * CELL:cell * CELL + 14] + name) & 0xffff == check,
         'dentry at cell %d: checksum' % cell)
    need(b'/' not in name and b'\0' not in name and name not in (b'.', b'..'),
         'dentry at cell %d: name' % cell)
    need(hash_ == name_hash(sb, name), 'dentry at cell %d: hash' % cell)
    need(page[64 + cell] == hash_ & 255 and page[64 + cell + 1] == cells,
         'dentry at cell %d: tags' % cell)
    need(ino > ROOT_INO, 'dentry at cell %d: inode' % cell)
    return cells, Dentry(hash_, ino, kind, name)


class Directory:
    """The names of one directory, in readdir's order; `owned` as of Table."""

    def __init__(self, media, inode, report):
        self.media, self.inode, self.report, self.owned = media, inode, report, 0

    def reference(self, ref):
        """Page, whether it is a leaf, and its depth."""
        leaf, depth = ref >> 1 & 1, ref >> 8 & 15
        need(ref & 1 and not ref & ~(ADDRESS | 3 | 15 << 8), 'directory: reference %x' % ref)
        need(depth <= 9 if leaf else not depth, 'directory: depth in reference %x' % ref)
        page = (ref & ADDRESS) // PAGE
        self.media.take(page)
        self.owned += 1
        return page, leaf, depth

    def names(self):
        if self.inode.root:
            yield from self.subtree(self.inode.root, 0, 0)

    def guarded(self, ref, level, prefix, slots=None):
        """A part that is damaged takes nothing else with it."""
        try:
            yield from self.subtree(ref, level, prefix, slots)
        except Damage as damage:
            self.report('inode %d: %s' % (self.inode.ino, damage))

    def subtree(self, ref, level, prefix, slots=None):
        page, is_leaf, depth = self.reference(ref)
        if is_leaf:
            need(slots or not depth, 'directory: the only leaf has a depth')
            need(not slots or slots[1] == 1 << 9 - depth, 'directory: leaf %d is named by %d '
                 'references' % (page, slots[1] if slots else 0))
            yield from self.leaf(page, level, prefix, slots)
        else:
            need(level < LEVELS, 'directory: too deep')
            need(not slots or slots[1] == 1, 'directory: a node is named twice')
            yield from self.node(page, level, prefix)

    def node(self, page, level, prefix):
        refs = struct.unpack('<512Q', self.media.page(page))
        self.media.seen['node at level %d' % level] += 1
        i = 0
        while i < 512:
            ref, n = refs[i], 1
            if ref & 2:
                n = 1 << max(0, 9 - (ref >> 8 & 15))
                if i % n or refs[i:i + n] != (ref,) * n:
                    n = 1
                    self.report('inode %d: directory: references to leaf %d'
                                % (self.inode.ino, (ref & ADDRESS) // PAGE))
            yield from self.guarded(ref, level + 1, prefix << 9 | i, (i, n))
            i += n

    def leaf(self, page, level, prefix, slots):
        data = bytes(self.media.page(page))
        magic, ino = struct.unpack_from('<II', data)
        need(magic == LEAF_MAGIC, 'directory: page %d is not a leaf' % page)
        need(ino == self.inode.ino, 'directory: leaf %d is of inode %d' % (page, ino))
        found = []
        for dentry in self.dentries(data):
            shift = 63 - 9 * level
            if level and not prefix <= dentry.hash >> shift < prefix + slots[1]:
                self.report('inode %d: directory: a name lies in leaf %d, where its hash does '
                            'not lead' % (self.inode.ino, page))
            found.append(dentry)
        yield from sorted(found)

    def dentries(self, data):
        start = int.from_bytes(data[8:40], 'little')
        tail = int.from_bytes(data[40:42], 'little')
        need(not start & (1 << HEAD_CELLS) - 1, 'directory: a dentry in the head of a leaf')
        need(tail <= CELLS, 'directory: tail')
        end = 0
        for cell in range(HEAD_CELLS, CELLS):
            if not start >> cell & 1:
                continue
            try:
                need(cell >= end, 'dentry at cell %d: inside another' % cell)
                cells, dentry = parse_dentry(self.media.sb, data, cell, tail)
                end = cell + cells
                yield dentry
            except Damage as damage:
                self.report('inode %d: directory: %s' % (self.inode.ino, damage))


# ---- extended attributes (§5.4) ----

XATTR_MAGIC = 0x52545458
XATTR_PAGES_MAX = 17
PREFIXES = (b'user.', b'trusted.', b'security.')
ACLS = (b'system.posix_acl_access', b'system.posix_acl_default')


def check_xattr_name(name, seen):
    whole = name in ACLS or any(name.startswith(p) and name != p for p in PREFIXES)
    need(whole and b'\0' not in name, 'attributes: a name that can not be')
    need(name not in seen, 'attributes: a name twice')


def parse_xattrs(media, data, count):
    found, at = {}, 0
    while at < len(data):
        need(at + 8 <= len(data), 'attributes: an entry past the end')
        value_bytes, name_bytes = struct.unpack_from('<IB', data, at)
        end = at + 8 + name_bytes + value_bytes
        need(value_bytes <= 65536 and end <= len(data), 'attributes: an entry past the end')
        media.seen['attribute' if name_bytes else 'removed attribute'] += 1
        if name_bytes:
            name = data[at + 8:at + 8 + name_bytes]
            check_xattr_name(name, found)
            found[name] = data[at + 8 + name_bytes:end]
        at = (end + 7) // 8 * 8
    need(len(found) == count and count, 'attributes: their number')
    return found


def read_xattrs(media, inode):
    """Names and values, by name, and how many pages they take."""
    ref = inode.xattr
    if not ref:
        return {}, 0
    page, pages = (ref & ADDRESS) // PAGE, ref & PAGE - 1
    need(ref == page * PAGE | pages and 1 <= pages <= XATTR_PAGES_MAX, 'attributes: reference')
    need((page - media.sb.groups_page) % GROUP_PAGES + pages <= GROUP_PAGES,
         'attributes: in two groups')
    media.take(page, pages)
    media.seen['attributes in %d pages' % pages] += 1
    data = media.read(page * PAGE, pages * PAGE)
    magic, crc, ino, nbytes, count = struct.unpack_from('<5I', data)
    need(magic == XATTR_MAGIC and ino == inode.ino, 'attributes: head')
    need(24 < nbytes and nbytes % 8 == 0 and pages_for(nbytes) == pages, 'attributes: length')
    need(crc32c(data[8:nbytes]) == crc, 'attributes: checksum')
    return dict(sorted(parse_xattrs(media, data[24:nbytes], count).items())), pages
