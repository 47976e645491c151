#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""write FILE PIECES: append numbered pieces of 64 KiB, waiting where there is no room for them.
watch FILE PIECES: open the (empty) file, say so, and read what another process appends."""
import errno
import os
import sys
import time

PIECE = 65536
PATIENCE = 120  # seconds without a step


def piece(path, n):
    return (b'%s %d\n' % (os.path.basename(path).encode(), n)).ljust(64, b'.') * (PIECE // 64)


class Waited:
    def __init__(self):
        self.since = time.monotonic()
        self.times = 0

    def step(self):
        self.since = time.monotonic()

    def again(self, say=None):
        if say and not self.times:
            print(say, flush=True)
        self.times += 1
        if time.monotonic() - self.since > PATIENCE:
            sys.exit('no step in %d s' % PATIENCE)
        time.sleep(0.01)


def write(path, count):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    waited = Waited()
    for n in range(count):
        rest = piece(path, n)
        while rest:
            try:
                rest = rest[os.write(fd, rest):]
                waited.step()
            except OSError as err:
                if err.errno != errno.ENOSPC:
                    raise
                waited.again('full')


def watch(path, count):
    fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    print('ready', flush=True)
    waited = Waited()
    for n in range(count):
        while os.fstat(fd).st_size < (n + 1) * PIECE:
            waited.again()
        if os.pread(fd, PIECE, n * PIECE) != piece(path, n):
            sys.exit('piece %d is wrong' % n)
        waited.step()


def main():
    {'write': write, 'watch': watch}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))


main()
