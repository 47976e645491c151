#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the start of a program stay cheap, and its first file? Counted, not timed.

usage: start.py

What libumfs adds to the page faults and system calls of a program from exec to exit must
stay below a bound: of one that uses no file of ours; of one that reads a small one, for which
it attaches and leaves the pool; and, calls alone, of each that a shell starts in a directory
of ours. All are counts that no other load on the machine changes; where the loader puts things
makes some faults of difference, so the median of many starts counts. UMFS_LIB and UMFS_MKFS
are as for tests/shim/run.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

STARTS = 60
FAULTS_PLAIN = 90 # 50 to 59; more: files are not mapped some pages at a time here
FAULTS_MORE = 31  # 21 to 24 seen, as the page cache holds the files; 14 are private copies of libc's text
CALLS_MORE = 34   # 30 when this was written, 8 of them for those copies
CHILD_CALLS_MORE = 38 # 35 when this was written, those of a start among them
FILE_FAULTS_MORE = 44 # 37 seen, those above included
FILE_CALLS_MORE = 90  # 86 when this was written


def faults(command, env):
    counts = []
    for _ in range(STARTS):
        pid = os.posix_spawn(command[0], command, env, file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        _, status, usage = os.wait4(pid, 0)
        if status:
            sys.exit(f"{command} ended with {status}")
        counts.append(usage.ru_minflt)
    return statistics.median(counts)


def calls(command, env, where):
    """Of the program alone: strace itself runs without libumfs. None: it can not be had."""
    if not shutil.which("strace"):
        return None
    out = os.path.join(where, "strace")
    strace = ["strace", "-f", "-o", out, "-E", "LANG=C", "-E", "LC_ALL=C"]
    for name, value in env.items():
        strace += ["-E", f"{name}={value}"]
    if subprocess.run([*strace, *command], capture_output=True, check=False).returncode:
        return None
    with open(out, encoding="utf-8") as file:
        return sum("(" in line for line in file)


def child_calls(directory, env, where):
    """What each program more comes to that a shell in that directory starts."""
    def shell(programs):
        return calls(["/bin/sh", "-c", f"cd {directory}; {'/bin/true; ' * programs} :"], env, where)
    few = shell(2)
    return None if few is None else (shell(12) - few) / 10


def check(what, plain, ours, bound):
    more = ours - plain
    print(f"{what}: {plain:g}, with libumfs {ours:g}: {more:g} more, at most {bound} are good")
    return more <= bound


def compare(what, plain, ours, env, bounds, where):
    """Two commands, without libumfs and with it. None: there is nothing to compare with."""
    before = faults(plain, {})
    if before > FAULTS_PLAIN:
        print(f"{before:g} page faults without libumfs: nothing to compare with")
        return None
    good = check(f"page faults, {what}", before, faults(ours, env), bounds[0])
    before = calls(plain, {}, where)
    if before is None:
        print("system calls: strace can not be had, left out")
        return good
    return check(f"system calls, {what}", before, calls(ours, env, where), bounds[1]) and good


def main():
    where = tempfile.mkdtemp(prefix="umfs-start.", dir="/dev/shm")
    try:
        pool = os.path.join(where, "pool")
        subprocess.run([os.environ["UMFS_MKFS"], "-q", "--size", "64M", pool], check=True)
        env = {"LD_PRELOAD": os.environ["UMFS_LIB"],
               "LIBUMFS_MOUNT": f"{where}/mnt={pool}"}
        plain, file = f"{where}/file", f"{where}/mnt/file"
        with open(plain, "wb") as new:
            new.write(b"x" * 4096)
        subprocess.run(["/bin/cp", plain, file], env=env, check=True)
        good = compare("start", ["/bin/true"], ["/bin/true"], env,
                       (FAULTS_MORE, CALLS_MORE), where)
        if good is None:
            return 77
        read = compare("first file", ["/bin/cat", plain], ["/bin/cat", file], env,
                       (FILE_FAULTS_MORE, FILE_CALLS_MORE), where)
        good = read is not False and good
        before = child_calls(where, {}, where)
        if before is not None:
            after = child_calls(f"{where}/mnt", env, where)
            good = check("system calls, a shell's child", before, after, CHILD_CALLS_MORE) and good
    finally:
        shutil.rmtree(where)
    return 0 if good else 1


sys.exit(main())
