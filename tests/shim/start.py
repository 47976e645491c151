#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the start of a program stay cheap? Counted, not timed.

usage: start.py

What libumfs adds to the page faults and system calls of a program that uses no file of
ours, from exec to exit, must stay below a bound. Both are counts that no other load on
the machine changes; where the loader puts things makes some faults of difference, so the
median of many starts counts. UMFS_LIB and UMFS_MKFS are as for tests/shim/run.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

PROGRAM = "/bin/true"
STARTS = 60
FAULTS_MORE = 31  # 21 to 24 seen, as the page cache holds the files; 14 are private copies of libc's text
CALLS_MORE = 34   # 30 when this was written, 8 of them for those copies
FAULTS_PLAIN = 80 # 50; more: files are not mapped some pages at a time here


def faults(env):
    counts = []
    for _ in range(STARTS):
        pid = os.posix_spawn(PROGRAM, [PROGRAM], env)
        _, status, usage = os.wait4(pid, 0)
        if status:
            sys.exit(f"{PROGRAM} ended with {status}")
        counts.append(usage.ru_minflt)
    return statistics.median(counts)


def calls(env, where):
    """Of the program alone: strace itself runs without libumfs. None: it can not be had."""
    if not shutil.which("strace"):
        return None
    out = os.path.join(where, "strace")
    command = ["strace", "-o", out]
    for name, value in env.items():
        command += ["-E", f"{name}={value}"]
    if subprocess.run([*command, PROGRAM], capture_output=True, check=False).returncode:
        return None
    with open(out, encoding="utf-8") as file:
        return sum("(" in line for line in file)


def check(what, plain, ours, bound):
    more = ours - plain
    print(f"{what}: {plain:g}, with libumfs {ours:g}: {more:g} more, at most {bound} are good")
    return more <= bound


def main():
    where = tempfile.mkdtemp(prefix="umfs-start.", dir="/dev/shm")
    try:
        pool = os.path.join(where, "pool")
        subprocess.run([os.environ["UMFS_MKFS"], "-q", "--size", "64M", pool], check=True)
        env = {"LD_PRELOAD": os.environ["UMFS_LIB"],
               "LIBUMFS_MOUNT": f"{where}/mnt={pool}"}
        plain = faults({})
        if plain > FAULTS_PLAIN:
            print(f"{plain:g} page faults without libumfs: nothing to compare with")
            return 77
        good = check("page faults", plain, faults(env), FAULTS_MORE)
        plain = calls({}, where)
        if plain is None:
            print("system calls: strace can not be had, left out")
        else:
            good = check("system calls", plain, calls(env, where), CALLS_MORE) and good
    finally:
        shutil.rmtree(where)
    return 0 if good else 1


sys.exit(main())
