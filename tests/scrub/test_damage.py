#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`umfs scrub` on damaged pools: what is found, where it is said to be, exit codes.

usage: test_damage.py FSCK POPULATE CORRUPT UMFS
"""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'fsck'))

from fscktest import check, damage, main, run  # noqa: E402

SOUND, ERROR, DAMAGED = 0, 1, 4

# Damage as in tests/fsck/cases, exit code, and what must be said.
CASES = (
    ('super label[0]=^1 seal', DAMAGED, 'a superblock is damaged'),
    ('backup label[0]=^1 seal', DAMAGED, 'a superblock is damaged'),
    ('inode:height1 uid=^1', DAMAGED, ' /height1: the checksum of the inode is wrong'),
    ('inode:dir/sub crc=^1', DAMAGED, ' /dir/sub: the checksum of the inode is wrong'),
    ('inode:dir/hard1 size=^1', DAMAGED, 'the checksum of the size is wrong'),
    ('xattr:dir crc=^1', DAMAGED, ' /dir: the checksum of the attributes is wrong'),
    ('inode:dir/hard1 xattr=^0x800000000000 seal', DAMAGED, 'the reference to the attributes'),
    ('pte:height1:1:3 word=^0x800000000000', DAMAGED,
     ' /height1: the page table of bytes 0 to 2097151 is damaged'),
    ('dentry:dir/fifo check=^1', DAMAGED, ' /dir: a name in it is damaged'),
    ('leaf:dir/fifo magic=^1', DAMAGED, ' /dir: names are hidden by damage'),
    ('dref:big:0 word=^1', DAMAGED, ' /big: names are hidden by damage'),
)


def scrub(umfs, *args):
    done = run([umfs, 'scrub', *args])
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def sound_pools(tools, umfs):
    for kind in ('clean', 'crash', 'small'):
        pool = tools.copy_pool(kind)
        code, out, err = scrub(umfs, pool)
        check(code == SOUND and '0 findings' in out and not err, '%s: %s %s' % (kind, out, err))
        check(tools.fsck('-f', '-n', pool)[0] == 0, '%s: fsck after it' % kind)


def run_case(tools, umfs, commands, expected, said):
    pool = tools.copy_pool('clean')
    damage(tools, pool, [commands])
    code, out, err = scrub(umfs, pool)
    check(code == expected, '%s: exit code %d: %s%s' % (commands, code, out, err))
    check(said in out, '%s: not said: %s' % (commands, out))


def refusals(tools, umfs):
    pool = tools.copy_pool('clean')
    check(scrub(umfs)[0] == ERROR, 'no pool')
    check(scrub(umfs, pool, pool)[0] == ERROR, 'two pools')
    check(scrub(umfs, pool + '.missing')[0] == ERROR, 'no such pool')
    damage(tools, pool, ['super magic=0', 'backup magic=0'])
    check(scrub(umfs, pool)[0] == ERROR, 'not a pool')
    pool = tools.copy_pool('clean')
    damage(tools, pool, ['super crc=^1', 'backup crc=^1'])
    code, _, err = scrub(umfs, pool)
    check(code == DAMAGED and 'damaged' in err, 'no superblock left: %d %s' % (code, err))


def test(tools, umfs):
    sound_pools(tools, umfs)
    refusals(tools, umfs)
    for case in CASES:
        run_case(tools, umfs, *case)
    return []


if __name__ == '__main__':
    main(test, sys.argv)
