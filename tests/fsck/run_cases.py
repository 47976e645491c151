#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each damaged pool of `cases`: what the first run reports, what a second one finds."""
import sys

from fscktest import check, codes, contents, damage, Failure, main, read_cases


def describe(findings):
    return ', '.join('%s %s' % (f['code'], f['object']) for f in findings[:6])


def run_one(tools, case):
    _, kind, commands, code, mended = case
    pool = tools.copy_pool(kind)
    damage(tools, pool, commands)
    before = contents(pool)
    status, found, _ = tools.fsck('-n', pool)
    check(contents(pool) == before, '-n changed the pool')
    if mended == 'refused':
        check(status == 8, '-n exits %d, not 8' % status)
        check(tools.fsck('-y', pool)[0] == 8, '-y did not refuse')
        check(contents(pool) == before, '-y changed a pool it refused')
        return
    check(code in codes(found), '-n: no %s; exit %d: %s' % (code, status, describe(found)))
    if mended == 'readonly':
        check(status == 0 and tools.fsck('-y', pool)[0] == 8, 'unknown ro_compat feature')
        check(contents(pool) == before, '-y changed a pool it refused')
        return
    check(status == 4, '-n exits %d, not 4' % status)
    if mended != 'p':
        left, again, _ = tools.fsck('-p', '-f', pool)
        check(left & 4, '-p mended all: %s' % describe(again))
    status, found, _ = tools.fsck(*(('-p', '-f') if mended == 'p' else ('-y',)), pool)
    if mended == 'never':
        check(status & 4, '-y exits %d, though damage is left' % status)
        check(tools.fsck('-n', pool)[0] == 4, '-n after -y')
        return
    check(status == 1, 'mending exits %d, not 1: %s' % (status, describe(found)))
    status, found, _ = tools.fsck('-n', pool)
    check(status == 0, 'second run: %s' % describe(found))
    check(tools.fsck('-p', pool)[0] == 0, 'not marked clean')


def test(tools, cases_path, *only):
    for kind in ('clean', 'crash', 'small'):
        pool = tools.copy_pool(kind)
        status, found, _ = tools.fsck('-n', pool)
        check(status == 0, '%s pool, untouched: %s' % (kind, describe(found)))
    failed = []
    cases = [c for c in read_cases(cases_path) if not only or c[0] in only]
    for case in cases:
        try:
            run_one(tools, case)
        except Failure as failure:
            failed.append('%s: %s' % (case[0], failure))
    print('%d cases, %d failed' % (len(cases), len(failed)))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
