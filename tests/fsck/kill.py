#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fsck.umfs -p, and -y, killed at each of its stores.

On several damaged pools a build of fsck.umfs that counts its stores is killed right after
its n-th, for n = 1, 2, ... until it comes to its end. Each time a second -p has to leave a
pool in which a third run finds nothing, and which is, byte for byte, what -p makes of it
undisturbed; but for slots and lanes, whose numbers count on, and what recovery stores.
A pool that was not clean, or was changed beyond the first pass, is looked at by the
second run without being told to.
"""
import os
import subprocess
import sys

from fscktest import PAGE, TIMEOUT, Failure, check, contents, damage, main
from lost import tree

SIGKILL = 9

# name, kind of pool, damage as in `cases`, every so-many-th store
POOLS = [
    ('inodes', 'clean', ['inode:height1 nlink=2 seal', 'inode:dir nlink=2 seal',
                         'inode:/ nlink=77 seal', 'inode:height1 pages=+1 seal',
                         'inode:big entries=+1 seal', 'inode:dir/fifo pages=3 seal',
                         'inode:height3 lock=0x0000000502000002', 'slot:2 incarnation=5',
                         'slot:0 incarnation=5 unused=0x5000000ff', 'inode:height2 size=^1', 'inode:height0 size=0x123456789abcdef0',
                         'inode:dir/link size=77', 'xattr:dir/hard1 count=+1 seal'], 1),
    ('bitmaps', 'clean', ['@pagebit-used', '@pagebit-head', '@inodebit-used', '@inodebit-free',
                          '@inodebit-zero', '@inodebit-tail', 'group:0 free_pages=+1'], 1),
    ('leaks', 'small', ['@pagebit-free', '@pagebit-tail', '@inodebit-free',
                        'group:0 free_inodes=+7'], 1),
    ('orphans', 'clean', ['@orphan-left', '@orphan-dir-left', 'inode:height1 nlink=3 seal'], 41),
    ('supers', 'clean', ['super crc=^1', 'inode:height1 nlink=2 seal'], 1),
    ('logs', 'clean', ['lane:3 state=5', 'lane:1 state=6', 'lane:4 group=0x100000001',
                       'lane:2 swap_entry=0x1003 seal', 'lane:5 spare=5', 'ulog:3 state=3',
                       'reserve:0 state=1', '@irec-at-rest', '@ofd-at-rest', 'slot:1 state=7',
                       'runtime rename_lock=0x0000000502000003', 'slot:2 incarnation=5',
                       'inode:height1 nlink=2 seal'], 1),
    ('crash', 'crash', ['lane:3 spare=5', '@irec-flags', '@ofd-ino', 'ulog:4 state=3 ino=2',
                        'inode:height1 nlink=2 seal', 'inode:dir entries=+2 seal',
                        '@inodebit-free'], 3),
    ('undamaged', 'crash', [], 3),
    # With -y. Pages taken in vain are free again and may hold anything: only -n judges.
    ('lost', 'clean', ['@file-lost', '@top-lost', 'dentry:height1 ino=3000 seal',
                       'inode:height0 xattr=5 seal'], 1),
    ('cut', 'clean', ['@dir-two-names', '@pte-twice-other', 'pte:height1:1:5 word=^2',
                      'dref:big:7 word=0', 'inode:height0 mode=0x3000 seal',
                      'inode:empty uid=^0x1234', 'leaf:dir/fifo ino=+1'], 5),
    # In the page that it has, for there is no other.
    ('anew', 'full', ['leaf:dir/fifo ino=+1'], 1),
    # In those that it has: what has no name in between gets one.
    ('many', 'full', ['@node-swap'], 1),
]
WITH_YES = {'lost', 'cut', 'anew', 'many'}
KEEPS_ALL = {'anew', 'many'} # inodes, with all that is in them


class Case:
    def __init__(self, tools, hooks, row):
        self.tools, self.hooks = tools, hooks
        self.name, self.kind, self.commands, self.step = row
        self.how = '-y' if self.name in WITH_YES else '-p'
        self.pool = os.path.join(tools.dir, 'pool')
        self.base = os.path.join(tools.dir, 'damaged')

    def fresh(self):
        # All pages with bytes in them are copied, so that a hole is one again.
        subprocess.run(['cp', '--sparse=always', self.base, self.pool], check=True)

    def make(self):
        self.tools.copy_pool(self.kind, 'damaged')
        self.inodes = {}
        if self.name in KEEPS_ALL:
            self.inodes = {ino: what for ino, (_, what) in tree(self.base).items()}
        damage(self.tools, self.base, self.commands)
        check(self.tools.fsck('-n', self.base)[0] == (4 if self.commands else 0), 'damage')

    def kill_at(self, n):
        """True: it was killed. The same as -p -f else, which mends all."""
        env = dict(os.environ, UMFS_KILL_AT=str(n))
        done = subprocess.run([self.hooks, self.how, '-f', self.pool], env=env, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT)
        check(done.returncode in (-SIGKILL, 1 if self.commands else 0), 'store %d: exit %d: %s' %
              (n, done.returncode, done.stdout.decode(errors='replace')[-300:]))
        return done.returncode == -SIGKILL

    def result(self):
        """What matters of the pool: the superblock and its copy, and all of the groups."""
        groups = self.first_group()
        return {page: data for page, data in contents(self.pool).items()
                if page in (0, 511) or page >= groups}

    def first_group(self):
        with open(self.pool, 'rb') as f:
            f.seek(140)
            return int.from_bytes(f.read(4), 'little')

    def look(self, n, want):
        unclean = self.clean_flag() != b'clean...'[::-1]
        status, found, _ = self.tools.fsck(self.how, self.pool)
        check(status in (0, 1), 'store %d: again exits %d: %s' % (n, status, found[:4]))
        if not unclean and status == 0:  # it was still clean, so that -p did not look
            status, found, _ = self.tools.fsck('-p', '-f', self.pool)
            check(status in (0, 1), 'store %d: -p -f exits %d: %s' % (n, status, found[:4]))
        status, found, _ = self.tools.fsck('-n', self.pool)
        check(status == 0 and not found, 'store %d: the third run: %s' % (n, found[:4]))
        if self.inodes:
            now = {ino: what for ino, (_, what) in tree(self.pool).items()}
            gone = [ino for ino, what in self.inodes.items() if now.get(ino) != what]
            check(not gone, 'store %d: inodes %s are not as they were' % (n, gone[:9]))
        if want is not None:
            now = self.result()
            wrong = [page for page in now.keys() | want.keys() if now.get(page) != want.get(page)]
            check(not wrong, 'store %d: pages %s are not as they should be' % (n, wrong[:4]))

    def clean_flag(self):
        with open(self.pool, 'rb') as f:
            f.seek(PAGE)
            return f.read(8)

    def test(self):
        self.make()
        self.fresh()
        check(not self.kill_at(1 << 40), 'killed, unasked')
        self.look(0, None)
        # Recovery leaves sequences, times and free inodes as the way it took them.
        want = self.result() if self.kind != 'crash' and self.how == '-p' else None
        n, points = 1, 0
        while True:
            self.fresh()
            if not self.kill_at(n):
                break
            self.look(n, want)
            points += 1
            n += self.step
        check(points > 5, 'only %d stores' % points)
        print('%-12s killed at %d of %d stores' % (self.name, points, n))


def test(tools, hooks, *only):
    failed = []
    for row in POOLS:
        if only and row[0] not in only:
            continue
        try:
            Case(tools, os.path.abspath(hooks), row).test()
        except Failure as failure:
            failed.append('%s: %s' % (row[0], failure))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
