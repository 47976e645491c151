#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random damage to metadata: fsck ends, by itself, with one of its exit codes.

Every tenth pool is also mended with -y and checked again: what is found then was found
before, or is what cutting something off leaves beside other damage (SEQUELS); -y says the
same of it; and a second -y finds nothing more to mend. The seed is fixed unless FSCK_FUZZ_SEED says
otherwise; a failing round names itself.
"""
import os
import random
import sys

from fscktest import PAGE, Failure, check, contents, main, run

DATA = b'\xdd' * 64
SECONDS = 30
EXITS = {0, 1, 4, 5, 8}
SEQUELS = {'ino-entries', 'ino-pages', 'page-leak', 'inode-leak', 'nlink', 'unattached'}


def metadata_pages(pool):
    """Pages that are not a file's data. Front pages weigh as much as all others together."""
    pages = [n for n, data in contents(pool).items() if DATA not in data]
    front = [n for n in pages if n < 1024]
    rest = [n for n in pages if n >= 1024]
    return front, rest


def flip(rng, pool, front, rest):
    """1 to 8 changes: bits, bytes, words, a whole page from somewhere else."""
    with open(pool, 'r+b') as f:
        for _ in range(rng.randint(1, 8)):
            page = rng.choice(front if rng.random() < 0.2 else rest)
            at = page * PAGE + rng.randrange(PAGE)
            f.seek(at)
            old = f.read(1)[0]
            how = rng.randrange(8)
            if how < 5:
                data = bytes([old ^ 1 << rng.randrange(8)])
            elif how == 5:
                data = bytes([rng.randrange(256)])
            elif how == 6:
                at &= ~7
                data = rng.choice([0, 1, 2**64 - 1, rng.getrandbits(64), rng.getrandbits(32),
                                   page << 12 | 7, page << 12 | 1]).to_bytes(8, 'little')
            else:
                f.seek(rng.choice(rest) * PAGE)
                data = f.read(PAGE)
                at = page * PAGE
            f.seek(at)
            f.write(data)


def fsck(t, mode, pool, what):
    try:
        done = run(['timeout', '-s', 'ABRT', str(SECONDS), t.fsck_path, mode, pool])
    except OSError as error:
        raise Failure('%s: %s' % (what, error)) from None
    check(done.returncode in EXITS, '%s %s: exit %d: %s' %
          (what, mode, done.returncode, done.stderr.decode(errors='replace')[-300:]))
    return done.returncode


def keys(findings):
    return {(f['code'], f['object']) for f in findings}


def mend(t, pool, what):
    before = t.fsck('-n', pool)
    mended = t.fsck('-y', pool)
    after = t.fsck('-n', pool)
    new = {key for key in keys(after[1]) - keys(before[1]) if key[0] not in SEQUELS}
    check(not new, '%s: -y made it worse: %s' % (what, sorted(new)[:4]))
    left = keys(f for f in mended[1] if not f['fixed'])
    check(keys(after[1]) <= left, '%s: said to be mended: %s' %
          (what, sorted(keys(after[1]) - left)[:4]))
    check((mended[0] & 4) == (after[0] & 4), '%s: -y exits %d, then -n %d' %
          (what, mended[0], after[0]))
    again = [f for f in t.fsck('-y', pool)[1] if f['fixed']]
    check(not again, '%s: mended by a second -y only: %s' % (what, again[:4]))


def test(t, rounds):
    seed = int(os.environ.get('FSCK_FUZZ_SEED', '1'))
    failed, seen = [], {}
    pages = {kind: metadata_pages(t.base_pool(kind)) for kind in ('clean', 'crash')}
    for n in range(int(rounds)):
        rng = random.Random(seed * 1000003 + n)
        kind = rng.choice(('clean', 'crash'))
        pool = t.copy_pool(kind)
        flip(rng, pool, *pages[kind])
        what = 'seed %d round %d' % (seed, n)
        try:
            status = fsck(t, '-n', pool, what)
            seen[status] = seen.get(status, 0) + 1
            if n % 10 == 0:
                mend(t, pool, what)
        except Failure as failure:
            failed.append(str(failure))
    print('%s rounds, exit codes of -n: %s' % (rounds, seen))
    check(seen.get(4, 0) > int(rounds) // 4, 'the damage is not found')
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
