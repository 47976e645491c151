#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What fsck.umfs finds and mends does not depend on how many threads look.

Each third damage of `cases` that a pool of many small groups can have: -n says the same word
for word with one thread and with four, and so does -y, of some, which leaves the same pool.
"""
import sys

from fscktest import Failure, check, contents, damage, main, read_cases, run


def report(tools, mode, threads, pool):
    done = run([tools.fsck_path, mode, '-j', str(threads), pool])
    return done.returncode, done.stdout, done.stderr


def run_one(tools, case, mend):
    pool = tools.copy_pool('wide')
    try:
        damage(tools, pool, case[2])
    except Failure:
        return 0  # this pool has not what is to be damaged
    one, four = (report(tools, '-n', n, pool) for n in (1, 4))
    check(one == four, '-n: %s %s' % (one, four))
    if mend:
        one = report(tools, '-y', 1, pool)
        left = report(tools, '-n', 4, pool)
        pages = set(contents(pool))
        pool = tools.copy_pool('wide')
        damage(tools, pool, case[2])
        four = report(tools, '-y', 4, pool)
        check(one == four, '-y: %s %s' % (one, four))
        check(report(tools, '-n', 1, pool) == left, '-n after -y')
        check(set(contents(pool)) == pages, 'other pages are in use')
    return 1


def test(tools, cases_path, step='3'):
    failed, done = [], 0
    pool = tools.copy_pool('wide')
    one, four = (report(tools, '-n', n, pool) for n in (1, 4))
    check(one == four and one[0] == 0, 'an undamaged pool: %s %s' % (one, four))
    cases = [c for c in read_cases(cases_path) if c[1] == 'clean']
    for number, case in enumerate(cases[::int(step)]):
        try:
            done += run_one(tools, case, number % 4 == 0)
        except Failure as failure:
            failed.append('%s: %s' % (case[0], failure))
    check(done > len(cases) // int(step) // 2, 'only %d cases' % done)
    print('%d cases' % done)
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
