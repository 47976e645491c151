#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fsck.umfs's options, exit codes, and what it says to files that are no pools to check."""
import fcntl
import os
import resource
import struct
import sys

from fscktest import Failure, check, codes, contents, main, run

F_OFD_SETLK = 37
LOCK_ATTACH = 1 << 62
LOCK_SLOTS = LOCK_ATTACH + 1
HUGE_SECONDS = 10  # of processor time, which is the same whatever else the machine does


def usage(t):
    for args in ([], ['-n'], ['-n', '-y', 'x'], ['-p', '-n', 'x'], ['-C', 'x', 'y'],
                 ['--nothing', 'x'], ['a', 'b'], ['-z', 'a']):
        check(run([t.fsck_path, *args]).returncode == 16, 'usage %s' % args)
    for args, text in ((['--nothing', 'x'], b"unknown option '--nothing'"),
                       (['-z', 'a'], b"unknown option '-z'"), (['-nz', 'a'], b"unknown option '-z'"),
                       (['--json=x', 'a'], b"no argument is taken by option '--json=x'"),
                       (['-C'], b"no argument of option '-C'")):
        check(text in run([t.fsck_path, *args]).stderr, 'usage %s: no %s' % (args, text))
    for option in '-h', '--help':
        done = run([t.fsck_path, option])
        check(done.returncode == 0 and b'fsck.umfs [-n|-p|-a|-y]' in done.stdout, option)
    for option in '-V', '--version':
        check(run([t.fsck_path, option]).stdout.startswith(b'fsck.umfs 0.'), option)


def listing(t):
    rows = [line.split('\t') for line in run([t.fsck_path, '--list']).stdout.decode().splitlines()]
    check(len(rows) > 50 and len({r[0] for r in rows}) == len(rows), '--list: codes')
    check({r[1] for r in rows} == {'-p -y', '-y', 'never', 'note'}, '--list: what mends')


def no_pool(t):
    path = os.path.join(t.dir, 'file')
    for size, data in ((0, b''), (100, b'x' * 100), (20 << 20, b'')):
        with open(path, 'wb') as f:
            f.write(data)
            f.truncate(size)
        for mode in ('-n', '-p', '-y'):
            status, found, report = t.fsck(mode, path)
            check(status == 8 and not found and report['error'], 'no pool of %d bytes' % size)
    check(t.fsck('-n', path + '.none')[0] == 8, 'missing file')
    check(t.fsck('-n', t.dir)[0] == 8, 'directory')
    done = run([t.fsck_path, '-n', path])
    check(done.stderr.count(b'\n') == 1 and b'not a UMFS pool' in done.stderr, 'one clear line')


def cut_short(t):
    for size in (1 << 20, 9 << 20, 40 << 20, (192 << 20) - 4096):
        pool = t.copy_pool('clean')
        os.truncate(pool, size)
        before = contents(pool)
        for mode in ('-n', '-y'):
            status, found, _ = t.fsck(mode, pool)
            check(status == 4 and codes(found) == {'sb-short'}, 'cut to %d: %d' % (size, status))
        check(contents(pool) == before, 'cut pool changed')


def lock(fd, byte, kind):
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack('hhqqi4x', kind, os.SEEK_SET, byte, 1, 0))


def in_use(t):
    pool = t.copy_pool('clean')
    fd = os.open(pool, os.O_RDWR)
    for byte in (LOCK_ATTACH, LOCK_SLOTS, LOCK_SLOTS + 255):
        lock(fd, byte, fcntl.F_WRLCK)
        for mode in ('-n', '-p', '-y'):
            status, _, report = t.fsck(mode, pool)
            check(status == 8 and 'in use' in report['error'], 'in use, byte %x' % byte)
        lock(fd, byte, fcntl.F_UNLCK)
    os.close(fd)
    check(t.fsck('-n', pool)[0] == 0, 'free again')


def preen_skips(t):
    pool = t.copy_pool('clean')
    t.corrupt(pool, 'group:0', 'free_pages=+3')
    check(t.fsck('-p', pool)[0] == 0, '-p looks at a clean pool')
    check(b': clean' in run([t.fsck_path, '-a', pool]).stdout, '-a says clean')
    check(t.fsck('-n', pool)[0] == 4, '-n does not look at a clean pool')
    check(t.fsck(pool)[0] == 4, 'without a mode, nothing is mended')
    check(t.fsck('-a', '-f', pool)[0] == 1, '-a -f')
    check(t.fsck('-n', pool)[0] == 0, 'after -a -f')


def recovers(t):
    pool = t.copy_pool('crash')
    before = contents(pool)
    status, found, _ = t.fsck('-n', pool)
    check(status == 0 and codes(found) == {'pool-unclean'}, '-n of a crashed pool: %s' % found)
    check(contents(pool) == before, '-n changed the pool')
    status, found, _ = t.fsck('-p', pool)
    check(status == 0 and codes(found) == {'pool-unclean'}, '-p of a crashed pool: %s' % found)
    check(contents(pool) != before, '-p did not recover')
    status, found, _ = t.fsck('-n', pool)
    check(status == 0 and not found, 'after recovery: %s' % found)


def reports(t):
    pool = t.copy_pool('clean')
    t.corrupt(pool, 'inode:dir', 'nlink=7', 'seal')
    status, found, report = t.fsck('-n', pool)
    check(status == 4 and report['left'] == 1 and not report['fixed'], 'counts of -n')
    check(found[0]['object'].startswith('inode ') and not found[0]['fixed'], 'a finding')
    text = run([t.fsck_path, '-n', pool])
    check(text.returncode == 4 and b'[nlink]' in text.stdout, 'text of -n')
    text = run([t.fsck_path, '-y', pool])
    check(text.returncode == 1 and b'(fixed)' in text.stdout, 'text of -y')


def progress(t):
    pool = t.copy_pool('clean')
    read, write = os.pipe()
    done = run([t.fsck_path, '-n', '-C', str(write), pool], pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as f:
        lines = [line.split() for line in f]
    check(done.returncode == 0, '-C')
    check({line[0] for line in lines} == {'0', '1', '2', '3', '4', '5'}, 'passes in -C')
    check(all(len(x) == 4 and int(x[1]) <= int(x[2]) and x[3] == pool for x in lines),
          'lines of -C')


def cpu_seconds():
    """Of all children that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def huge(t):
    pool = t.base_pool('huge')
    used = os.stat(pool).st_blocks * 512
    start = cpu_seconds()
    status, found, _ = t.fsck('-n', pool)
    took = cpu_seconds() - start
    check(status == 0 and not found, '1 TiB: %s' % found)
    check(took < HUGE_SECONDS, '1 TiB took %.1f s' % took)
    grown = os.stat(pool).st_blocks * 512 - used
    check(grown < 64 << 20, 'looking at 1 TiB filled %d bytes of holes' % grown)
    print('1 TiB in %.2f s, %d KiB of holes filled' % (took, grown >> 10))


def test(tools):
    failed = []
    for part in (usage, listing, no_pool, cut_short, in_use, preen_skips, recovers, reports,
                 progress, huge):
        try:
            part(tools)
        except Failure as failure:
            failed.append('%s: %s' % (part.__name__, failure))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
