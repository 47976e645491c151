#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Read a UMFS pool as docs/SPEC.md says, and with nothing else of the project.

usage: reader.py list POOL             everything that has a name, a line each
       reader.py extract POOL FOLDER   its files, directories and links, into a new folder

A pool that is not at rest (`clean`) is read as §9 would leave it: that is done in memory,
and a word on standard error says so. The pool is never changed. A pool in use is not for
this program: what others change meanwhile looks like damage; freeze it and read a copy.

Everything that is not as SPEC.md says is told on standard error; the rest is read all the
same, but for what has a path of more than 16384 bytes. Checked are all checksums, the form
and the bounds of what is met on the way, that its bit is set, that nothing is named twice,
and, unless there are files without a name, that no page is lost; counts of free pages and
inodes are not.

A line of `list`: path, inode number, mode, owner, links, size, device, times of access,
change of data, change, and creation in nanoseconds; what of a regular file is stored
(first byte+bytes; the rest reads as zeros); the CRC-32 of what it holds, over the number
of each 4096 bytes that are not all zeros, 64 bits, and those, filled up with zeros; the
target of a link; name, length and CRC-32 of each extended attribute. In names bytes other
than printable ASCII, spaces and backslashes are as \\x5c.

Exit code: 0 all is well, 1 usage or not to be opened or not to be written, 4 damage was
found, 8 not a pool that this program understands.
"""
import collections
import os
import stat
import struct
import sys
import zlib

from media import Damage, GROUP_INIT, Media, NotAPool, PAGE, head_pages, need
from objects import (DIRECTORY, Directory, REGULAR, ROOT_INO, SYMLINK, Table, joined, kind_of,
                     load_inode, raw_inode, read_run, read_target, read_xattrs, size_of)
from recovery import Recovery, is_at_rest

REPORTS_MAX = 200
PATH_BYTES_MAX = 16384
USAGE, DAMAGED, REFUSED = 1, 4, 8


class Reports:
    """What is wrong; after REPORTS_MAX of them only their number."""

    def __init__(self):
        self.count = 0

    def __call__(self, text):
        self.count += 1
        if self.count <= REPORTS_MAX:
            print('damaged: ' + text, file=sys.stderr)

    def end(self):
        if self.count > REPORTS_MAX:
            print('damaged: %d more' % (self.count - REPORTS_MAX), file=sys.stderr)
        return DAMAGED if self.count else 0


def escaped(name):
    return ''.join(chr(b) if 0x21 <= b <= 0x7e and b != 0x5c else '\\x%02x' % b for b in name)


def stored_ranges(runs, size):
    """(first byte, bytes), neighbours joined, of runs of pages."""
    first = end = None
    for run in runs:
        low, high = run.at * PAGE, min((run.at + run.count) * PAGE, size)
        if not run.written or low >= high:
            continue
        if end != low:
            if end:
                yield first, end - first
            first = low
        end = high
    if end:
        yield first, end - first


class Content:
    """A regular file: its stored ranges and the checksum of what it holds."""

    def __init__(self, media, inode, table, sink=None):
        self.crc, self.media, self.sink = 0, media, sink
        self.size = size_of(inode)
        self.ranges = list(stored_ranges(self.read(joined(table.runs())), self.size))

    def read(self, runs):
        for run in runs:
            for offset, data in read_run(self.media, run, self.size) if run.written else ():
                self.page(offset, data)
            yield run

    def page(self, offset, data):
        if data.count(0) != len(data):
            self.crc = zlib.crc32(struct.pack('<Q', offset // PAGE), self.crc)
            self.crc = zlib.crc32(data.ljust(PAGE, b'\0'), self.crc)
        if self.sink:
            self.sink(offset, data)


Thing = collections.namedtuple('Thing', 'path inode content target xattrs')


class Reader:
    """Walks the tree from the root; what is damaged is reported and left out."""

    def __init__(self, media, report, sink=None):
        self.media, self.report, self.sink = media, report, sink
        self.names = {}  # of an inode that is not a directory: names seen
        self.read = {}  # what of one with several names was read at the first
        self.dirs = set()
        self.unnamed = 0
        self.at_rest = is_at_rest(media)

    def start(self):
        if not self.at_rest:
            if self.media.u64(PAGE):
                self.report('runtime: clean')
            print('not at rest: left by a crash, or in use; read as recovery would leave it',
                  file=sys.stderr)
            Recovery(self.media, self.report).run()

    def walk(self):
        """Every thing with a name, a directory before what is in it."""
        todo = [(b'', b'', ROOT_INO, ROOT_INO, DIRECTORY >> 12)]
        while todo:
            folder, name, parent, ino, kind = todo.pop()
            path = folder + name
            try:
                need(len(path) <= PATH_BYTES_MAX, 'inode %d: too deep for this reader' % ino)
                inode = load_inode(self.media, ino)
                need(inode.mode >> 12 == kind, 'inode %d: its dentry says another type' % ino)
                self.count_name(inode, parent)
                thing = self.thing(path or b'/', inode)
            except Damage as damage:
                self.report('%s: %s' % (escaped(path[-300:] or b'/'), damage))
                continue
            if kind_of(inode) == DIRECTORY:
                found = self.directory(path, inode, thing)
                todo += reversed(found)
            yield thing
        self.settle()

    def count_name(self, inode, parent):
        if kind_of(inode) == DIRECTORY:
            need(inode.ino not in self.dirs, 'inode %d: a directory with two names' % inode.ino)
            need(inode.parent == parent, 'inode %d: parent' % inode.ino)
            self.dirs.add(inode.ino)
        else:
            self.names[inode.ino] = self.names.get(inode.ino, 0) + 1
            need(self.names[inode.ino] <= inode.nlink,
                 'inode %d: more names than links' % inode.ino)

    def thing(self, path, inode):
        if inode.ino in self.read:
            return self.read[inode.ino]._replace(path=path)
        content = target = None
        table = Table(self.media, inode)
        xattrs, pages = self.attributes(inode)
        if kind_of(inode) == REGULAR:
            sink = self.sink(path) if self.sink else None
            content = Content(self.media, inode, table, sink)
        elif kind_of(inode) == SYMLINK:
            target = read_target(self.media, inode, table)
        thing = Thing(path, inode, content, target, xattrs)
        if kind_of(inode) != DIRECTORY:
            self.check_pages(inode, table.owned + pages)
            if inode.nlink > 1:
                self.read[inode.ino] = thing
        return thing

    def attributes(self, inode):
        try:
            return read_xattrs(self.media, inode)
        except Damage as damage:
            self.report('inode %d: %s' % (inode.ino, damage))
            return {}, 0

    def check_pages(self, inode, owned):
        if owned != inode.pages:
            self.report('inode %d: owns %d pages and says %d' % (inode.ino, owned, inode.pages))

    def directory(self, path, inode, thing):
        """Its names, checked against its counts; in readdir's order."""
        found, seen, directories, folder = [], set(), 0, path + b'/'
        walk = Directory(self.media, inode, self.report)
        before = self.report.count
        try:
            for dentry in walk.names():
                if dentry.name in seen:
                    self.report('inode %d: a name twice' % inode.ino)
                    continue
                seen.add(dentry.name)
                directories += dentry.type == DIRECTORY >> 12
                found.append((folder, dentry.name, inode.ino, dentry.ino, dentry.type))
        except Damage as damage:
            self.report('inode %d: %s' % (inode.ino, damage))
        if self.report.count == before:
            pages = len(thing.xattrs) and (inode.xattr & PAGE - 1)
            self.check_pages(inode, walk.owned + pages)
            if inode.entries != len(found) or inode.nlink != 2 + directories:
                self.report('inode %d: entries or links' % inode.ino)
        return found

    def settle(self):
        """Inodes that have fewer names than links, or none."""
        if self.report.count:
            return  # what could not be read may hold them
        for number in range(self.media.sb.group_count):
            try:
                if self.media.group(number).flags & GROUP_INIT:
                    self.settle_group(number)
            except Damage as damage:
                self.report(str(damage))
        if not self.unnamed:
            self.check_bits()

    def check_bits(self):
        """No page is in use that nothing names; without a name a file was not walked."""
        head = head_pages(self.media.sb)
        for number in range(self.media.sb.group_count):
            group = self.media.group(number)
            if not group.flags & GROUP_INIT:
                continue
            page = self.media.page(self.media.group_page(number))
            mask = (1 << group.pages) - (1 << head)
            found = int.from_bytes(page, 'little') & mask
            named = int.from_bytes(self.media.used.get(number, b''), 'little')
            if found != named:
                self.report('group %d: pages that nothing names' % number)

    def settle_group(self, number):
        ipg = self.media.sb.inodes_per_group
        bitmap = self.media.page(self.media.group_page(number) + 1)
        for index in range(ipg):
            ino = number * ipg + index
            if not ino or not bitmap[index // 8] >> index % 8 & 1 or ino in self.dirs:
                continue
            inode = raw_inode(self.media, ino)
            self.unnamed += inode is None or not inode.nlink
            if inode is None:
                self.report('inode %d: its bit is set and it is not in use' % ino)
            elif inode.nlink != self.names.get(ino, 0) or not inode.nlink and self.at_rest \
                    or kind_of(inode) == DIRECTORY and inode.nlink:
                self.report('inode %d: %d names and %d links'
                            % (ino, self.names.get(ino, 0), inode.nlink))


def line_of(thing):
    i = thing.inode
    parts = ['%s ino %d mode %o owner %d:%d links %d size %d device %x times %d %d %d %d' % (
        escaped(thing.path), i.ino, i.mode, i.uid, i.gid, i.nlink, size_of(i), i.rdev,
        i.atime_ns, i.mtime_ns, i.ctime_ns, i.btime_ns)]
    if thing.content:
        parts.append('stored' + ''.join(' %d+%d' % r for r in thing.content.ranges))
        parts.append('crc %08x' % thing.content.crc)
    if thing.target is not None:
        parts.append('target ' + escaped(thing.target))
    for name, value in thing.xattrs.items():
        parts.append('attribute %s %d %08x' % (escaped(name), len(value), zlib.crc32(value)))
    return ' '.join(parts)


def list_pool(media, report):
    reader = Reader(media, report)
    reader.start()
    for thing in reader.walk():
        print(line_of(thing))


# ---- extract ----

class Extract:
    """Files appear as they are read: a damaged one stays as far as it went."""

    def __init__(self, media, report, folder):
        self.folder = os.fsencode(folder)
        self.first = {}
        self.open_fd = None
        self.reader = Reader(media, report, self.sink)
        os.mkdir(self.folder)

    def where(self, path):
        return self.folder + path

    def sink(self, path):
        self.close()
        self.open_fd = os.open(self.where(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return lambda offset, data: os.pwrite(self.open_fd, data, offset)

    def close(self):
        if self.open_fd is not None:
            os.close(self.open_fd)
            self.open_fd = None

    def run(self):
        self.reader.start()
        for thing in self.reader.walk():
            self.put(thing)
        self.close()

    def put(self, thing):
        path, inode, kind = self.where(thing.path), thing.inode, kind_of(thing.inode)
        if inode.ino in self.first:
            os.link(self.first[inode.ino], path, follow_symlinks=False)
            return
        if kind == REGULAR:
            os.ftruncate(self.open_fd, size_of(inode))
            os.fchmod(self.open_fd, stat.S_IMODE(inode.mode) & 0o777)
        elif kind == SYMLINK:
            os.symlink(thing.target, path)
        elif kind == DIRECTORY:
            if inode.ino != ROOT_INO:
                os.mkdir(path)
        else:
            print('left out: %s: not a file, directory or link' % escaped(thing.path),
                  file=sys.stderr)
            return
        if kind != DIRECTORY:
            self.first[inode.ino] = path
            os.utime(path, ns=(inode.atime_ns, inode.mtime_ns), follow_symlinks=False)


def main(args):
    if len(args) < 2 or len(args) != {'list': 2, 'extract': 3}.get(args[0]):
        print(__doc__, file=sys.stderr)
        return USAGE
    report = Reports()
    try:
        media = Media(args[1], report)
        if args[0] == 'list':
            list_pool(media, report)
        else:
            Extract(media, report, args[2]).run()
        media.close()
    except NotAPool as problem:
        print('%s: not a pool that can be read: %s' % (args[1], problem), file=sys.stderr)
        return REFUSED
    except Damage as damage:
        report(str(damage))
    except OSError as error:
        print(error, file=sys.stderr)
        return USAGE
    return report.end()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
