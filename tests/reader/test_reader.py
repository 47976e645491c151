#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""reader.py, core and fsck.umfs over the same pools: three opinions that have to agree.

usage: test_reader.py POOLS FSCK UMFS [CASE...]

POOLS is built of pools.c. A pool is read by reader.py first, since core changes it by
attaching: what core lists afterwards, and recovers where the pool was left by the dead, has
to be the same, line by line. fsck.umfs has to find nothing before and after.

A case is only passed when what it is about was met (Media.seen).
"""
import collections
import contextlib
import io
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import objects
import reader
from media import Media, crc32c

HERE = os.path.dirname(os.path.realpath(__file__))
GOLDEN = os.path.join(HERE, '..', 'golden')
PAGE = 4096
ATIME = re.compile(r'(?<= times )-?\d+')
ACT_BY_LOG = ('overwrite', 'exchange', 'reserve')  # which does not last many stores
DEATHS = 8  # of each other call


class Failure(Exception):
    """Opinions that differ."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def copy_sparse(source, target):
    with open(target, 'wb') as out:
        while page := source.read(PAGE):
            if page.count(0) == len(page):
                out.seek(len(page), os.SEEK_CUR)
            else:
                out.write(page)
        out.truncate(out.tell())


class World:
    """The programs, a folder for pools, and what of the format was met so far."""

    def __init__(self, pools, fsck, umfs, folder):
        self.pools_path, self.fsck_path, self.umfs_path = pools, fsck, umfs
        self.folder = folder
        self.seen = collections.Counter()

    def run(self, *args, codes=(0,)):
        done = subprocess.run(args, capture_output=True, text=True, timeout=120, check=False)
        check(done.returncode in codes, '%s: exit code %d\n%s%s' % (
            ' '.join(args), done.returncode, done.stdout[-2000:], done.stderr[-2000:]))
        return done

    def pools(self, *args, codes=(0,)):
        return self.run(self.pools_path, *args, codes=codes)

    def fsck(self, path):
        self.run(self.fsck_path, '-f', '-n', path)

    def path(self, name):
        path = os.path.join(self.folder, name)
        if os.path.exists(path):
            os.unlink(path)
        return path

    def new(self, name, mib):
        path = self.path(name)
        self.pools('new', path, str(mib))
        return path

    def copy(self, source, name='copy'):
        path = self.path(name)
        with open(source, 'rb') as file:
            copy_sparse(file, path)
        return path

    def read(self, path, what):
        """The lines of reader.py, which has to find nothing damaged."""
        out, err = io.StringIO(), io.StringIO()
        report = reader.Reports()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            media = Media(path, report)
            reader.list_pool(media, report)
            media.close()
            self.seen += media.seen
        check(not report.count, '%s: reader: %s' % (what, err.getvalue()[:2000]))
        return sorted(out.getvalue().splitlines())

    def agree(self, path, what, atimes=True, brief=False):
        """All three, on a pool that core may change. How many names there are."""
        self.fsck(path)
        mine = self.read(path, what)
        core = sorted(self.pools('list', path).stdout.splitlines())
        if brief:  # what is new is read for the first time, too
            atimes = False
        if not atimes:
            mine, core = ([ATIME.sub('', line) for line in lines] for lines in (mine, core))
        differ = sorted(set(mine) ^ set(core))
        check(mine == core, '%s: %d lines differ: %s' % (what, len(differ), '\n'.join(
            ('reader: ' if line in mine else 'core:   ') + line[:300] for line in differ[:6])))
        if brief:
            return len(mine)
        again = self.read(path, what + ', detached')
        check(again == core or not atimes, '%s: another tree after core has detached' % what)
        self.fsck(path)
        return len(mine)

    def met(self, *kinds):
        missing = [kind for kind in kinds if not self.seen[kind]]
        check(not missing, 'never met: %s, but %s' % (missing, dict(self.seen)))


# ---- cases ----

def tree_is_read(world):
    """Everything that there can be, and again after the pool has grown, twice."""
    path = world.new('tree', 24)
    world.pools('fill', path)
    count = world.agree(path, 'tree')
    world.met('height 0', 'height 1', 'height 2', 'height 3', 'page', 'unwritten page',
              'node at level 1', 'attribute', 'removed attribute', 'attributes in 1 pages',
              'attributes in 17 pages')
    check(count > 3300, 'only %d names' % count)
    extract_is_the_same(world, path)
    world.run(world.umfs_path, 'grow', path, '--size', '40M')
    world.run(world.umfs_path, 'grow', path, '--size', '300M')
    world.read(path, 'grown')
    world.pools('more', path)
    again = world.agree(path, 'grown and used')
    check(again == count + 601, '%d names after growing' % again)
    check(any(world_groups(path)[1:]), 'nothing in the new groups')


def world_groups(path):
    """Whether there is something in use, for each group."""
    media = Media(path, reader.Reports())
    groups = [media.group(n).flags & 1 for n in range(media.sb.group_count)]
    media.close()
    return groups


def read_around(world, name, mib, change):
    """A pool, and what is read of it before and after `change` was made to its bytes."""
    path = world.new(name, mib)
    world.pools('files', path)
    before = world.read(path, 'before')
    with open(path, 'r+b', buffering=0) as pool:
        change(path, pool)
    return path, before, world.read(path, 'after')


def leaf_of_2_mib_is_read(world):
    """Core writes none so far, and must read them: a table that is a run becomes one."""
    path, before, after = read_around(world, 'leaf', 24, put_leaf)
    check(after == before, 'the tree has changed')
    world.agree(path, '2 MiB', atimes=False)
    world.met('2 MiB')


def put_leaf(path, pool):
    media = Media(path, reader.Reports())
    inode, entry_at, table, first = find_run(media)
    number, bit, group = media.place(table)
    where = objects.inode_offset(media, inode.ino)
    head = bytearray(media.read(where, 128))
    struct.pack_into('<Q', head, 64, inode.pages - 1)
    struct.pack_into('<I', head, 0, crc32c(head[4:], inode.ino))
    media.clear_bits(number, 0, bit, 1)
    media.write(where, head)
    media.write(entry_at, struct.pack('<Q', first * PAGE | objects.HUGE))
    media.write(media.sb.gtable_page * PAGE + 64 * number + 8,
                struct.pack('<I', group.free_pages + 1))
    for page, data in media.overlay.items():
        pool.seek(page * PAGE)
        pool.write(data)
    media.close()


def leases_are_recovered(world):
    """Half a write by lease, as a power cut would leave it, and one at rest."""
    path, before, after = read_around(world, 'lease', 96, put_leases)
    check(after != before, 'nothing was put back')
    world.agree(path, 'lease', atimes=False)
    world.met('lease')


def put_leases(path, pool):
    media = Media(path, reader.Reports())
    reserve = (media.sb.reserves_page + (media.sb.reserve_count - 1) * 514) * PAGE
    incarnation = struct.unpack('<I', media.read(2 * PAGE, 4))[0]
    inodes = [objects.raw_inode(media, ino) for ino in range(1, media.sb.inodes_per_group)]
    inode = [i for i in inodes if i and objects.kind_of(i) == objects.REGULAR and
             objects.size_of(i) > 9000][0]
    media.close()

    def put(where, form, *values):
        pool.seek(where)
        pool.write(struct.pack(form, *values))

    check(media.sb.reserve_count > 1, 'one reserve')
    put(PAGE, '<Q', 0)
    put(2 * PAGE + 4, '<I', 1)
    put(reserve, '<Q', 0)
    put(reserve + 48, '<QQ', incarnation << 32 | 2, 1)
    for lease in range(30):
        word = inode.generation << 32 | inode.ino if lease < 2 else 0
        put(reserve + 64 + 8 * lease, '<Q', word)
    put(reserve + PAGE, '<QQQ', 1, 100, 5000)
    put(reserve + 2 * PAGE, '5000s', b'saved' * 1000)
    put(reserve + 18 * PAGE, '<QQQ', 2, 0, 1) # at rest


def find_run(media):
    """A file of height 2, where its entry 0 is, the table that it names, the first page there."""
    for ino in range(1, media.sb.inodes_per_group):
        inode = objects.raw_inode(media, ino)
        if not inode or objects.kind_of(inode) != objects.REGULAR or inode.root >> 52 & 3 != 2:
            continue
        top = (inode.root & objects.ADDRESS) // PAGE
        entry = media.u64(top * PAGE)
        if entry & objects.RUN:
            table = (entry & objects.ADDRESS) // PAGE
            first = (media.u64(table * PAGE) & objects.ADDRESS) // PAGE
            if first % 512 == 0:
                return inode, top * PAGE, table, first
    raise Failure('no table that is an aligned run')


def extract_is_the_same(world, path):
    """Holes and bytes of extracted files, by what the list says of them."""
    folder = os.path.join(world.folder, 'out')
    done = world.run(sys.executable, os.path.join(HERE, 'reader.py'), 'extract', path, folder)
    check('left out: /dir/fifo' in done.stderr, 'nothing left out: %s' % done.stderr)
    try:
        check(os.readlink(folder + '/dir/link') == '../page', 'the link')
        check(os.path.samefile(folder + '/table', folder + '/dir/sub/second-name'), 'two names')
        for line in world.pools('list', path).stdout.splitlines():
            check_extracted(folder, line)
        far = os.stat(folder + '/far')
        check(far.st_size == (300 << 30) + 9000 and far.st_blocks < 1000, 'holes of /far')
        check(os.stat(folder + '/hole').st_blocks == 0, '/hole has blocks')
        check(len(os.listdir(folder + '/many')) == 3334, 'names of /many')
    finally:
        shutil.rmtree(folder)


def check_extracted(folder, line):
    """A regular file with the bytes that the line, which is core's, says; holes unread."""
    name, *parts = line.split(' ')
    if 'stored' not in parts or '\\' in name or name.startswith('/many/'):
        return
    size = int(parts[parts.index('size') + 1])
    at = parts.index('stored') + 1
    with open(folder + name, 'rb') as file:
        check(os.fstat(file.fileno()).st_size == size, '%s: size' % name)
        crc = 0
        while parts[at] != 'crc':
            first, count = map(int, parts[at].split('+'))
            for offset in range(first, first + count, PAGE):
                file.seek(offset)
                data = file.read(min(PAGE, first + count - offset))
                if data.count(0) != len(data):
                    crc = zlib.crc32(struct.pack('<Q', offset // PAGE), crc)
                    crc = zlib.crc32(data.ljust(PAGE, b'\0'), crc)
            at += 1
    check('%08x' % crc == parts[at + 1], '%s: bytes' % name)


def golden_is_read(world):
    """The golden images, against what lies beside them."""
    for name in ('clean', 'dead'):
        path = world.path(name)
        with lzma.open(os.path.join(GOLDEN, name + '.xz')) as packed:
            copy_sparse(packed, path)
        lines = world.read(path, name)
        with open(os.path.join(GOLDEN, name + '.tree'), encoding='utf-8') as file:
            expected = file.read().splitlines()
        check([fields(line) for line in lines] == sorted(map(fields, expected)),
              '%s: names, modes, owners, links, sizes' % name)
        world.agree(path, name, atimes=False)


def fields(line):
    """What the lines of golden.tree and of reader.py have in common."""
    parts = line.split()
    named = dict(zip(parts[1::2], parts[2::2]))
    return (parts[0],) + tuple(named[key] for key in ('mode', 'owner', 'links', 'size', 'device'))


def stores(world, path, call):
    """Numbers of stores at which to die, the first among them, evenly over all of them."""
    count = int(world.pools('die', path, call, '0', codes=(3,)).stdout)
    check(count > 2, '%s: %d stores' % (call, count))
    return range(1, count + 1, 2 if call in ACT_BY_LOG else max(1, count // DEATHS))


def deaths_are_recovered(world):
    """A process killed at its n-th store: as reader.py undoes it, so does core."""
    base, cut = world.new('begin', 24), 0
    world.pools('begin', base)
    for call in world.pools('calls').stdout.split():
        for i, n in enumerate(stores(world, world.copy(base), call)):
            path = world.copy(base)
            world.pools('die', path, call, str(n))
            if i % 4 == 1:  # and who recovers dies as well
                cut += world.pools('recover', path, str(9 + n), codes=(0, 3)).returncode == 0
            world.agree(path, '%s killed at store %d' % (call, n), brief=True)
    world.met('undo of type 1', 'undo of type 2', 'undo of type 4', 'undo of type 6', 'free',
              'log of a lane', 'log of a reserve', 'exchange', 'spare')
    check(cut, 'no recovery was cut short')


CASES = (tree_is_read, leaf_of_2_mib_is_read, leases_are_recovered, golden_is_read,
         deaths_are_recovered)


def main(args):
    pools, fsck, umfs, *only = args
    failed = 0
    for case in CASES:
        if only and case.__name__ not in only:
            continue
        base = os.environ.get('UMFS_TEST_DIR', '/dev/shm')
        with tempfile.TemporaryDirectory(prefix='umfs-reader-', dir=base) as folder:
            world = World(pools, fsck, umfs, folder)
            try:
                case(world)
                print('passed', case.__name__, dict(world.seen))
            except (Failure, subprocess.TimeoutExpired) as failure:
                print('FAILED', case.__name__, failure)
                failed = 1
    return failed


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
