#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""One flipped bit anywhere that SPEC.md calls checked is found.

The places are gathered by walking the pool as SPEC.md describes it; of each kind of place
some bits are taken at random (FSCK_FUZZ_SEED) and flipped one at a time.
"""
import os
import random
import sys

from fscktest import PAGE, Pool, check, main

ADDR = 0x000ffffffffff000
MASKED = 1 << 5 | 1 << 6 | 1 << 11 | 1 << 58  # bits of an entry that mean nothing
ALL = (1 << 64) - 1


class Places:
    """kind -> list of (byte offset, mask of the bits that count in the 8 bytes there)"""

    def __init__(self, p):
        self.p, self.kinds = p, {}

    def words(self, kind, at, count, mask=ALL):
        self.kinds.setdefault(kind, []).extend((at + 8 * i, mask) for i in range(count))

    def part(self, kind, at, size):
        """`size` bytes at `at`, inside one aligned word."""
        shift = at % 8 * 8
        self.kinds.setdefault(kind, []).append((at & ~7, ((1 << 8 * size) - 1) << shift))

    def inode_at(self, ino):
        p = self.p
        group, index = divmod(ino, p.ipg)
        return (p.groups + group * 32768 + 2) * PAGE + index * 256

    def add_table(self, page, level):
        self.words('table', page * PAGE, 512, ALL & ~MASKED)
        for i in range(512):
            entry = self.p.get(page * PAGE + 8 * i)
            if level > 1 and entry and not entry >> 7 & 1:
                self.add_table((entry & ADDR) // PAGE, level - 1)

    def add_leaf(self, page):
        p, at = self.p, page * PAGE
        self.words('leaf head', at, 5)
        for cell in range(20, 256):
            if not p.get(at + 8 + cell // 8, 1) >> cell % 8 & 1:
                continue
            dentry = at + cell * 16
            self.words('dentry', dentry, 2)
            self.part('tag', at + 64 + cell, 2)
            for i in range(p.get(dentry + 13, 1)):
                self.part('name', dentry + 16 + i, 1)

    def add_node(self, page):
        self.words('node', page * PAGE, 512)
        seen = set()
        for i in range(512):
            ref = self.p.get(page * PAGE + 8 * i)
            if ref & ADDR in seen:
                continue
            seen.add(ref & ADDR)
            self.add_ref(ref)

    def add_ref(self, ref):
        if ref & 2:
            self.add_leaf((ref & ADDR) // PAGE)
        elif ref & 1:
            self.add_node((ref & ADDR) // PAGE)

    def add_inode(self, ino):
        p, at = self.p, self.inode_at(ino)
        kind, root = p.get(at + 4, 4) >> 12, p.get(at + 32)
        self.words('inode', at, 16)
        self.words('size', at + 144, 1)
        if kind == 4:
            self.add_ref(root)
        elif kind in (8, 10) and root >> 52 & 3:
            self.add_table((root & ADDR) // PAGE, root >> 52 & 3)

    def gather(self):
        p = self.p
        self.words('superblock', 0, 64)
        self.words('backup', 511 * PAGE, 64)
        self.words('clean flag', PAGE, 1)
        self.words('page bitmap', p.groups * PAGE, 512)
        self.words('inode bitmap', (p.groups + 1) * PAGE, 512)
        self.words('group counts', p.get(144, 4) * PAGE + 8, 1)
        for ino in range(1, p.ipg):
            bit = p.get((p.groups + 1) * PAGE + ino // 8, 1) >> ino % 8 & 1
            if bit and p.get(self.inode_at(ino) + 4, 4):
                self.add_inode(ino)
        return self.kinds


def flip_and_check(t, pool, at, bit):
    with open(pool, 'r+b') as f:
        f.seek(at + bit // 8)
        byte = f.read(1)[0]
        f.seek(at + bit // 8)
        f.write(bytes([byte ^ 1 << bit % 8]))
        f.flush()
        status = t.fsck('-n', pool)[0]
        f.seek(at + bit // 8)
        f.write(bytes([byte]))
    # A pool of a later format is refused, and so is one with neither signature.
    return status in (4, 8)


def test(t, each):
    pool = t.copy_pool('clean')
    kinds = Places(Pool(t, pool)).gather()
    check(len(kinds) == 14, 'kinds of places: %s' % sorted(kinds))
    rng = random.Random(int(os.environ.get('FSCK_FUZZ_SEED', '1')))
    failed = []
    for kind, places in sorted(kinds.items()):
        for _ in range(int(each)):
            at, mask = rng.choice(places)
            bit = rng.choice([b for b in range(64) if mask >> b & 1])
            if not flip_and_check(t, pool, at, bit):
                failed.append('%s: bit %d of the word at %#x went unnoticed' % (kind, bit, at))
    check(t.fsck('-n', pool)[0] == 0, 'the pool is not as it was')
    print('%s bits of each of %d kinds of places' % (each, len(kinds)))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
