#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: tree.py DIR: a line for all that is below it, and one sum of all lines.

Kind, mode, links, owner, size, contents, links' targets, device numbers and extended
attributes. Not times, nor sizes of directories, nor where holes are.
"""
import hashlib
import os
import stat
import sys


def content(path, st):
    if stat.S_ISREG(st.st_mode):
        total = hashlib.sha256()
        with open(path, "rb") as file:
            while data := file.read(1 << 20):
                total.update(data)
        return f"{st.st_size} {total.hexdigest()}"
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(path).replace(sys.argv[1], "DIR")
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        return f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}"
    return ""


def attributes(path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []
    return [f"{n}={os.getxattr(path, n, follow_symlinks=False)!r}" for n in sorted(names)]


def entry(path, shown, twins):
    st = os.lstat(path)
    links = ""
    if stat.S_ISREG(st.st_mode) and st.st_nlink > 1:
        links = twins.setdefault(st.st_ino, shown)
    return " ".join(filter(None, [shown, f"{st.st_mode:o}", str(st.st_nlink), f"{st.st_uid}:{st.st_gid}", links,
                                  content(path, st), *attributes(path)]))


def walk(top):
    """Depth first, in the order of names. By directory: paths may be longer than is allowed."""
    lines, twins, waiting = [], {}, [(top, ".")]
    while waiting:
        path, shown = waiting.pop()
        lines.append(entry(path, shown, twins))
        if stat.S_ISDIR(os.lstat(path).st_mode):
            waiting += [(f"{path}/{n}", f"{shown}/{n}") for n in sorted(os.listdir(path), reverse=True)]
    return lines


def main():
    sys.stdout.reconfigure(errors="surrogateescape")
    lines = [line.replace("\n", "\\n") for line in walk(sys.argv[1])]
    print(*lines, sep="\n")
    print(hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest())


main()
