#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Files as a Python program uses them, in the working directory; prints what it sees.

With an argument: the errno that a shared mapping of that file gives.
"""
import mmap
import os
import shutil
import sys
import tempfile


def shared_mapping(path):
    with open(path, "r+b") as file:
        try:
            mmap.mmap(file.fileno(), 4096)
        except OSError as error:
            print(error.errno)


def main():
    os.makedirs("a/b")
    with open("a/b/f", "w", encoding="ascii") as file:
        file.write("x" * 100000)
    shutil.copytree("a", "c")
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"tmp")
        file.seek(0)
        print(file.read())
    with open("a/b/f", "rb") as file:
        with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as m:
            print(m[:3], len(m))
    with open("a/b/f", "r+b") as file, open("c/copy", "wb") as copy:
        os.posix_fallocate(file.fileno(), 0, 300000)
        print(os.fstat(file.fileno()).st_size, os.lseek(file.fileno(), 0, os.SEEK_HOLE) > 0)
        print(os.copy_file_range(file.fileno(), copy.fileno(), 100000, 0, 0))
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"named")
    os.link(f"/proc/self/fd/{fd}", "named", follow_symlinks=True)
    os.close(fd)
    with open("named", encoding="ascii") as file:
        print(file.read(), sorted(os.listdir(".")))


if len(sys.argv) > 1:
    shared_mapping(sys.argv[1])
else:
    main()
