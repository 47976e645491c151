#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Uses up the pool's descriptions of open files in the directory given, and then asks for more.

What is refused for want of one leaves nothing behind; what needs none goes on.
"""
import errno
import os
import resource
import sys

MOST = 2000  # a pool of 32 MiB has fewer


def refused(flags, name):
    try:
        os.close(os.open(name, flags, 0o600))
    except OSError as error:
        return error.errno
    return 0


def use_up(name):
    held = []
    while len(held) < MOST:
        try:
            held.append(os.open(name, os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.ENFILE, error
            return held
    raise AssertionError('%d are open, and there is no end' % MOST)


def main():
    os.chdir(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard == resource.RLIM_INFINITY or hard > MOST + 50, 'too few descriptors: %d' % hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST + 50, hard))
    os.close(os.open('held', os.O_WRONLY | os.O_CREAT, 0o600))
    names, free = sorted(os.listdir('.')), os.statvfs('.').f_ffree
    held = use_up('held')
    assert len(held) > 500, len(held)
    for flags in (os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_EXCL):
        assert refused(flags, 'new') == errno.ENFILE
        assert not os.path.lexists('new'), 'refused, and made'
    assert refused(os.O_RDWR | os.O_TMPFILE, '.') == errno.ENFILE
    os.mkdir('dir')
    os.rename('dir', 'moved')
    os.rmdir('moved')
    os.close(held.pop())
    assert refused(os.O_RDWR | os.O_CREAT | os.O_EXCL, 'new') == 0
    os.unlink('new')
    for fd in held:
        os.close(fd)
    assert sorted(os.listdir('.')) == names
    assert os.statvfs('.').f_ffree == free, 'inodes are lost'


main()
