#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random damage to metadata: fsck ends, by itself, with one of its exit codes.

Every tenth pool is also mended with -y, which leaves nothing, and checked again: nothing is
found then. tests/fuzz/mend.c does the same with pools in memory, and many more. The seed is
fixed unless FSCK_FUZZ_SEED says otherwise; a failing round names itself.
"""
import os
import random
import sys

from fscktest import PAGE, Failure, check, codes, contents, main, run

DATA = b'\xdd' * 64
SECONDS = 30
EXITS = {0, 1, 4, 5, 8}
REFUSED = {'sb-both', 'sb-short'}


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


def mend(t, pool, what):
    status, found, report = t.fsck('-y', pool)
    if status & 8 or report['findings'] and codes(found) & REFUSED:
        return
    check(not status & 4, '%s: -y left %s' % (what, [f for f in found if not f['fixed']][:4]))
    status, found, _ = t.fsck('-n', pool)
    check(status == 0, '%s: -n after -y: %s' % (what, found[:4]))


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
