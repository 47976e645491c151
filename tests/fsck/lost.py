#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fsck.umfs -y and lost+found: what has lost its names is there, with all that was in it.

The tree is read before and after by tests/reader, which shares nothing with fsck: each
inode of before is there after, with the same type, content, target and attributes, and
the pool that -y leaves is one in which -n and the reader find nothing.
"""
import os
import stat
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'reader'))

import media  # noqa: E402
import reader  # noqa: E402
from fscktest import GROUP, PAGE, Failure, Pool, check, codes, contents, damage, main  # noqa: E402


DATA = b'\xdd' * 64  # what files are filled with


def tree(pool):
    """Inode -> (paths, what it is)."""
    reports = reader.Reports()
    medium = media.Media(pool, reports)
    found = {}
    try:
        walker = reader.Reader(medium, reports)
        walker.start()
        for thing in walker.walk():
            what = (thing.inode.mode, thing.target, tuple(thing.xattrs or ()),
                    thing.content and (thing.content.size, thing.content.crc))
            found.setdefault(thing.inode.ino, (set(), what))[0].add(thing.path.decode())
    finally:
        medium.close()
    check(not reports.end(), 'the reader complains of %s' % pool)
    return found


def mend(tools, pool):
    status, found, _ = tools.fsck('-y', pool)
    check(status == 1, '-y exits %d: %s' % (status, found[-4:]))
    status, found, _ = tools.fsck('-n', pool)
    check(status == 0 and not found, 'the second run: %s' % found[:4])


def compare(before, after, lost):
    """lost: inodes that must be in lost+found now; all else is where it was."""
    made = {ino for ino, (paths, _) in after.items() if paths == {'/lost+found'}}
    check(after.keys() - before.keys() <= made, 'new: %s' % (after.keys() - before.keys()))
    check(not made or stat.S_IMODE(after[made.pop()][1][0]) == 0o700, 'rights of lost+found')
    for ino, (paths, what) in before.items():
        check(ino in after, 'inode %d is gone, it was %s' % (ino, paths))
        check(ino == 1 or after[ino][1] == what, 'inode %d: %s, not %s' %
              (ino, after[ino][1], what))
        if ino in lost:
            check(after[ino][0] == {'/lost+found/#%d' % ino},
                  'inode %d is %s' % (ino, after[ino][0]))


def names(before, *paths):
    by_path = {path: ino for ino, (all_paths, _) in before.items() for path in all_paths}
    return {by_path[path] for path in paths}


def case(tools, kind, commands, *paths):
    pool = tools.copy_pool(kind)
    before = tree(pool)
    damage(tools, pool, commands)
    lost = names(before, *paths)
    mend(tools, pool)
    after = tree(pool)
    compare(before, after, lost)
    return pool, before, after


def lost_file(tools):
    case(tools, 'clean', ['@file-lost'], '/dir/socket')


def lost_directory(tools):
    """And all that is below it keeps its name there."""
    _, before, after = case(tools, 'clean', ['@top-lost'], '/dir')
    top = names(before, '/dir').pop()
    for ino, (paths, _) in before.items():
        for path in paths:
            if path.startswith('/dir/'):
                check('/lost+found/#%d%s' % (top, path[4:]) in after[ino][0], path)


def lost_root(tools):
    """All names of the root directory: files of all heights, and whole trees."""
    case(tools, 'clean', ['@root-lost'], '/height0', '/height1', '/height2', '/height3', '/holes',
         '/empty', '/dir', '/other', '/big')


def lost_hundreds(tools):
    """More than a leaf of lost+found holds."""
    pool = tools.copy_pool('clean')
    before = tree(pool)
    damage(tools, pool, ['@names-lost'])
    lost = {ino for ino, (paths, _) in before.items() if any(p.startswith('/big/') for p in paths)}
    check(len(lost) > 400, 'only %d names' % len(lost))
    mend(tools, pool)
    compare(before, tree(pool), lost)


def lost_again(tools):
    """lost+found is there already: it gets more names; its own name is lost, too."""
    pool, before, _ = case(tools, 'clean', ['@file-lost'], '/dir/socket')
    first = names(before, '/dir/socket').pop()
    again = tree(pool)
    damage(tools, pool, ['@top-lost'])
    mend(tools, pool)
    after = tree(pool)
    compare(again, after, names(again, '/dir'))
    check(after[first][0] == {'/lost+found/#%d' % first}, 'the first one has gone')
    p = Pool(tools, pool)
    old = p.ino('lost+found')
    p.lose_name('lost+found')
    p.file.close()
    mend(tools, pool)
    check(tree(pool)[old][0] == {'/lost+found/#%d' % old}, 'lost+found in lost+found')


def lost_clash(tools):
    """Another file has the name in lost+found."""
    pool, before, _ = case(tools, 'clean', ['@file-lost'], '/dir/socket')
    lost = names(before, '/dir/socket').pop()
    other = names(before, '/height1').pop()
    tools.corrupt(pool, 'dentry:lost+found/#%d' % lost, 'ino=%d' % other, 'type=8', 'seal')
    mend(tools, pool)
    after = tree(pool)
    check(after[lost][0] == {'/lost+found/#%d.1' % lost}, 'it is %s' % after[lost][0])
    check(after[other][0] == {'/height1', '/lost+found/#%d' % lost}, 'the other one')


def lost_full(tools):
    """No page is left for lost+found: the name is in the root, where that has room."""
    pool = tools.copy_pool('full')
    before = tree(pool)
    damage(tools, pool, ['@file-lost', '@dir-lost'])
    mend(tools, pool)
    after = tree(pool)
    for path in '/dir/socket', '/other':
        ino = names(before, path).pop()
        check(after[ino] == ({'/#%d' % ino}, before[ino][1]), '%s: %s' % (path, after[ino]))
    check(after.keys() == before.keys(), 'other inodes')
    pool = tools.copy_pool('full')
    damage(tools, pool, ['@file-lost', 'leaf:dir tail=256'])
    for _ in range(2):
        status, found, _ = tools.fsck('-y', pool)
        check(status & 4 and 'unattached' in codes(found), '-y exits %d: %s' % (status, found))
        check(any('no room' in f['message'] for f in found), 'no reason: %s' % found)
    status, found, _ = tools.fsck('-n', pool)
    check(status == 4 and codes(found) == {'unattached'}, '-n after it: %s' % found[:4])


def lost_flag(tools):
    """After a crash, a group does not say that it is in use, and has a file's pages and no inode."""
    pool = tools.copy_pool('two')
    before = tree(pool)
    damage(tools, pool, ['runtime clean=0', 'group:1 flags=0'])
    mend(tools, pool)
    check(tree(pool) == before, 'another tree')


def lose_entry(p, group, *heads):
    """An entry is zeros, and so are some bytes of its bitmaps."""
    p.put_bytes(p.get(144, 4) * PAGE + 64 * group, bytes(64))
    for at, count in heads:
        p.put_bytes((p.groups + group * GROUP) * PAGE + at, bytes(count))


def lost_entry(tools):
    """Groups of which nothing says that they are in use but what lies in them, or leads there."""
    for kind, groups in (('two', [1]), ('wide', range(1, 16)), ('wide', [0])):
        for heads in [], [(0, 8)], [(0, PAGE)], [(PAGE, PAGE)], [(0, 2 * PAGE)]:
            for clean in 'runtime clean=+0', 'runtime clean=0':
                pool = tools.copy_pool(kind)
                before = tree(pool)
                damage(tools, pool, [clean])
                p = Pool(tools, pool)
                for group in groups:
                    lose_entry(p, group, *heads)
                p.file.close()
                mend(tools, pool)
                check(tree(pool) == before, '%s %s %s: another tree' % (kind, heads, clean))


def stale_bits(tools):
    """Bits of a group that was never used, and what nobody can mean by its entry."""
    for command in 'group:1 pages=77', 'group:1 free_inodes=5', 'group:1 flags=0x100', None:
        pool = tools.copy_pool('clean')
        before = tree(pool)
        p = Pool(tools, pool)
        if not command:
            p.put((p.groups + GROUP) * PAGE + 512, 0x5555)
        p.file.close()
        damage(tools, pool, [command] if command else [])
        status, found, _ = tools.fsck('-n', pool)
        check(status == 4 and 'group-flags' in codes(found), '%s: -n: %s' % (command, found))
        mend(tools, pool)
        check(tree(pool) == before, '%s: another tree' % command)


def one_bit(tools):
    """Inodes and names of which one bit is wrong: nothing is lost, not even a name."""
    pool = tools.copy_pool('clean')
    before = tree(pool)
    damage(tools, pool, ['inode:height0 uid=^0x40', 'inode:height2 root=^0x1000000',
                         'inode:dir crc=^0x8000', 'dentry:dir/fifo check=^1',
                         'dentry:dir/hard1 ino=^0x40', 'dentry:height3 hash=^0x100',
                         'leaf:dir/sub/deep magic=^4'])
    mend(tools, pool)
    check(tree(pool) == before, 'another tree')


def made_anew(tools):
    """A directory of which more is wrong than a name: all names that can be found stay."""
    for commands in (['leaf:dir/fifo ino=+1'], ['leaf:dir/fifo magic=^0x11'], ['@node-swap'],
                     ['dentry:dir/fifo hash=^1 seal'], ['inode:dir root=^0x100 seal'],
                     ['super hash_key[0]=^1 seal', 'backup hash_key[0]=^1 seal']):
        pool = tools.copy_pool('clean')
        before = tree(pool)
        damage(tools, pool, commands)
        mend(tools, pool)
        if 'root=' not in commands[0]:
            check(tree(pool) == before, '%s: another tree' % commands)
    # In place of a reference there is none: what it led to has other names, and is there.
    pool = tools.copy_pool('clean')
    before = tree(pool)
    damage(tools, pool, ['dref:big:7 word=0'])
    mend(tools, pool)
    check({ino: what for ino, (_, what) in tree(pool).items() if ino in before and ino != 1} ==
          {ino: what for ino, (_, what) in before.items() if ino != 1}, 'something is gone')


def made_anew_full(tools):
    """In a full pool, too: of one leaf and of many, in the pages that the directory has."""
    for commands in (['leaf:dir/fifo ino=+1'], ['leaf:dir/fifo magic=^0x11'],
                     ['dentry:dir/fifo hash=^1 seal'], ['@node-swap']):
        pool = tools.copy_pool('full')
        before = tree(pool)
        damage(tools, pool, commands)
        mend(tools, pool)
        check(tree(pool) == before, '%s: another tree' % commands)


def root_anew(tools):
    """The root is a file: a directory again, with all that was in it."""
    pool = tools.copy_pool('clean')
    before = tree(pool)
    damage(tools, pool, ['inode:/ mode=0x81a4 seal'])
    mend(tools, pool)
    after = tree(pool)
    check({i: n for i, n in after.items() if i != 1} == {i: n for i, n in before.items() if i != 1},
          'another tree')


def two_owners(tools):
    """A page that two files use: both read as they did, and each has its own."""
    for commands in (['@pte-twice'], ['@pte-twice-other'], ['@pmd-twice']):
        pool = tools.copy_pool('clean')
        before = tree(pool)
        damage(tools, pool, commands)
        mend(tools, pool)
        after = tree(pool)
        for ino in names(before, '/height2', '/height3', '/height0'):
            check(after[ino] == before[ino], '%s: inode %d' % (commands, ino))


def others_pages(tools):
    """What a wrong reference leads to is not mended: it is another's data."""
    for commands in (['pte:height2:2:0 word=^0x1000', 'pte:height3:3:0x80000 word=^0x2000'],
                     ['@dir-in-data', 'inode:height1 root=^2 seal'], ['@dir-in-other']):
        pool = tools.copy_pool('clean')
        before = contents(pool)
        damage(tools, pool, commands)
        damaged = contents(pool)
        mend(tools, pool)
        after = contents(pool)
        wrong = [n for n in before if DATA in before[n] and before[n] == damaged[n] != after.get(n)]
        check(not wrong, '%s: pages %s were changed' % (commands, wrong))


CASES = [made_anew, made_anew_full, root_anew, two_owners, lost_file, lost_directory, lost_root, lost_hundreds, lost_again, lost_clash, lost_full,
         lost_flag, lost_entry, stale_bits, one_bit, others_pages]


def test(tools, *only):
    failed = []
    for run in CASES:
        if only and run.__name__ not in only:
            continue
        try:
            run(tools)
        except Failure as failure:
            failed.append('%s: %s' % (run.__name__, failure))
    print('%d cases, %d failed' % (len(only) or len(CASES), len(failed)))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
