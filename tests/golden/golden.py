#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Pools made by an earlier build, and what must be read from them.

usage: golden.py [--make] GOLDEN FSCK UMFS MKFS

NAME.xz beside this file is a pool, NAME.tree what is in it. `clean` was left in
order; `dead` has a process in it that was killed inside a write, and a file that
it had unlinked and held open. Of a copy of each: fsck.umfs finds nothing, the tree
read after attaching is NAME.tree, fsck.umfs finds nothing again, and `umfs info`
and `umfs dump` can read it.

--make makes both anew: for a change of the format, and in the same commit.
"""
import lzma
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
NAMES = ('clean', 'dead')
PAGE = 4096
LIMIT = 100 << 10


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f'{" ".join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


def image_of(name):
    return os.path.join(HERE, name + '.xz')


def tree_of(name):
    return os.path.join(HERE, name + '.tree')


def unpack(name, path):
    """A sparse copy: pages of zeros stay holes."""
    with lzma.open(image_of(name)) as packed, open(path, 'wb') as pool:
        while page := packed.read(PAGE):
            if page.count(0) == len(page):
                pool.seek(len(page), os.SEEK_CUR)
            else:
                pool.write(page)
        pool.truncate(pool.tell())


def check(name, path, golden, fsck, umfs):
    unpack(name, path)
    run(fsck, '-f', '-n', path)
    info = run(umfs, 'info', path)
    if 'golden' not in info:
        sys.exit(f'{name}: umfs info does not say its label:\n{info}')
    with open(tree_of(name), encoding='utf-8') as file:
        expected = file.read().splitlines()
    found = run(golden, 'list', path).splitlines()
    for line in sorted(set(expected) ^ set(found)):
        print('missing: ' if line in expected else 'not expected: ', line)
    if found != expected:
        sys.exit(f'{name}: not the tree that was put in')
    run(fsck, '-f', '-n', path)
    if 'names' not in run(umfs, 'dump', path, '/'):
        sys.exit(f'{name}: umfs dump does not show the root directory')
    if '"user.first"' not in run(umfs, 'dump', path, '/page'):
        sys.exit(f'{name}: umfs dump does not show the extended attributes')
    print(f'{name}: {len(found)} names as expected')


def pack(name, path, golden):
    with open(path, 'rb') as pool, \
            lzma.open(image_of(name), 'wb', preset=9 | lzma.PRESET_EXTREME) as packed:
        packed.write(pool.read())
    with open(tree_of(name), 'w', encoding='utf-8') as file:
        file.write(run(golden, 'list', path))  # which changes the pool
    size = os.path.getsize(image_of(name))
    print(f'{image_of(name)}: {size} bytes')
    if size > LIMIT:
        sys.exit(f'{name}: more than {LIMIT} bytes')


def make(path, golden, mkfs):
    run(mkfs, '-q', '--size', '32M', '-N', '512', '-L', 'golden', '--durability=none', path)
    run(golden, 'fill', path)
    with open(path, 'rb') as pool:
        filled = pool.read()
    pack('clean', path, golden)
    with open(path, 'wb') as pool:
        pool.write(filled)
    run(golden, 'die', path)
    pack('dead', path, golden)


def main(args):
    making = args[:1] == ['--make']
    golden, fsck, umfs, mkfs = args[making:]
    with tempfile.TemporaryDirectory(dir=os.environ.get('UMFS_TEST_DIR', '/dev/shm')) as folder:
        path = os.path.join(folder, 'pool')
        if making:
            make(path, golden, mkfs)
        for name in NAMES:
            check(name, path, golden, fsck, umfs)


if __name__ == '__main__':
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(sys.argv[1:])
