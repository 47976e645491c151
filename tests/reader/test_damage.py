#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""reader.py on damaged pools: it ends, in bounded memory, by itself, and says what is wrong.

usage: test_damage.py FSCK POPULATE CORRUPT CASES [PART [SEED]]

The damaged pools are those of tests/fsck (each PART-th of them; 1: all), and as many random
ones. Each is read in a process of
its own that has SECONDS and MEMORY. What the reader looks at (LOOKED_AT) it must complain
about where fsck.umfs does; where fsck.umfs finds nothing, the reader must find nothing.
"""
import os
import random
import re
import resource
import signal
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'fsck'))

import reader  # noqa: E402
from fscktest import PAGE, check, damage, data_ranges, main, read_cases  # noqa: E402

SECONDS = 60
MEMORY = 512 << 20
ANSWERS = {0: 'nothing', 4: 'damage', 8: 'refused'}
# Findings of fsck.umfs that the reader must share.
LOOKED_AT = re.compile(r'(ino-(?!lock)|fpt|dir|leaf|dentry|xattr|name|sb-both)')


def limit():
    """Of the memory that there will be more."""
    with open('/proc/self/statm', encoding='ascii') as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, hard))
    signal.alarm(SECONDS)


def read_pool(pool, log):
    """The reader's exit code."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout = os.fdopen(1, 'w', closefd=False)
            sys.stderr = os.fdopen(2, 'w', closefd=False)
            limit()
            code = reader.main(['list', pool])
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException as error:  # pylint: disable=broad-except
            os.write(2, repr(error).encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def last_words(log):
    with open(log, encoding='utf-8', errors='replace') as file:
        return file.read()[-400:]


def run_case(tools, case, failed):
    name, kind, commands, code, _ = case
    pool, log = tools.copy_pool(kind), os.path.join(tools.dir, 'log')
    damage(tools, pool, commands)
    answer = read_pool(pool, log)
    if answer not in ANSWERS:
        failed.append('%s: the reader exits %d: %s' % (name, answer, last_words(log)))
    elif not answer and LOOKED_AT.match(code):
        failed.append('%s: the reader finds nothing, fsck %s' % (name, code))
    return answer


def scramble(pool, seed):
    """Some words of pages that hold something, often to what other words are."""
    rng = random.Random(seed)
    pages = [p for at, stop in data_ranges(pool) for p in range(at // PAGE, stop // PAGE)]
    with open(pool, 'r+b') as file:
        for _ in range(rng.choice((1, 2, 5, 50))):
            file.seek(rng.choice(pages) * PAGE + rng.randrange(PAGE // 8) * 8)
            at, word = file.tell(), int.from_bytes(file.read(8), 'little')
            word = rng.choice((word ^ 1 << rng.randrange(64), rng.getrandbits(64), 0,
                               (1 << 64) - 1, word + PAGE, word | 7,
                               rng.choice(pages) * PAGE | 7))
            file.seek(at)
            file.write((word & (1 << 64) - 1).to_bytes(8, 'little'))


def run_random(tools, seed, failed):
    pool, log = tools.copy_pool(('clean', 'crash', 'small')[seed % 3]), \
        os.path.join(tools.dir, 'log')
    scramble(pool, seed)
    answer = read_pool(pool, log)
    if answer not in ANSWERS:
        failed.append('seed %d: the reader exits %d: %s' % (seed, answer, last_words(log)))
    elif answer:
        status, _, report = tools.fsck('-f', '-n', pool)
        if not status:
            failed.append('seed %d: only the reader finds something: %s %s'
                          % (seed, last_words(log), report))
    return answer


def test(tools, cases_path, part='1', seed='1'):
    failed, answers = [], {}
    for kind in ('clean', 'crash', 'small'):
        log = os.path.join(tools.dir, 'log')
        check(read_pool(tools.base_pool(kind), log) == 0,
              '%s pool, untouched: %s' % (kind, last_words(log)))
    cases = [case for n, case in enumerate(read_cases(cases_path))
             if n % int(part) == 0]
    for case in cases:
        answer = run_case(tools, case, failed)
        answers[answer] = answers.get(answer, 0) + 1
    for number in range(len(cases)):
        answer = run_random(tools, int(seed) + number, failed)
        answers[answer] = answers.get(answer, 0) + 1
    print('%d damaged pools, seed %s:' % (2 * len(cases), seed),
          ', '.join('%d %s' % (n, ANSWERS.get(a, a)) for a, n in sorted(answers.items())))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
