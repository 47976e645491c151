#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Are libc's entries redirected where they can be, and left alone where not?

usage: redirect.py REFUSE PROGRAM

PROGRAM is run under libumfs in several surroundings; the exit report says how
calls were intercepted, and it has to work each time. UMFS_LIB and UMFS_MKFS are
as for tests/shim/run.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
failures = []


def libc_path():
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            if line.rstrip().endswith("/libc.so.6"):
                return line.split()[-1]
    sys.exit("this python has no libc.so.6")


def listed(data):
    """The offsets of the redirected functions in this build, or None."""
    with open(os.path.join(HERE, "../../libumfs/libc_builds.h"), encoding="ascii") as file:
        for part in file.read().split("},\n},"):
            m = re.search(r'"([0-9a-f]{40})"', part)
            if m and bytes.fromhex(m[1]) in data:
                return bytes.fromhex(m[1]), [int(x, 16) for x in
                                             re.findall(r"\{(0x[0-9a-f]+), \d+\}", part)]
    return None, None


class World:
    def __init__(self, refuse, program):
        self.refuse, self.program = refuse, program
        self.dir = tempfile.mkdtemp(prefix="umfs-redirect.", dir="/dev/shm")
        self.pool = os.path.join(self.dir, "pool")
        subprocess.run([os.environ["UMFS_MKFS"], "-q", "--size", "64M", self.pool], check=True)

    def run(self, before=(), program=None, **env):
        report = os.path.join(self.dir, "report")
        if os.path.exists(report):
            os.unlink(report)
        mount = os.path.join(self.dir, "mnt")
        preload = os.environ.get("UMFS_PRELOAD", "")
        env = dict(os.environ, TEST_DIR=mount, SHIM_UMFS="1", LIBUMFS_REPORT=report,
                   LIBUMFS_MOUNT=f"{mount}={self.pool}",
                   LD_PRELOAD=f"{preload}:{os.environ['UMFS_LIB']}".lstrip(":"), **env)
        # The surroundings are for the program, not for what makes them.
        inner = ["env"] + [f"{k}={env.pop(k)}" for k in ("LD_PRELOAD", "LD_LIBRARY_PATH")
                           if k in env]
        done = subprocess.run([*before, *inner, *(program or [self.program])], env=env,
                              text=True, capture_output=True, check=False)
        how = ""
        if os.path.exists(report):
            with open(report, encoding="utf-8") as file:
                how = re.search(r"interception: (.*)", file.read())[1]
        return done, how

    def expect(self, title, want, **args):
        done, how = self.run(**args)
        if done.returncode == 77:
            print(f"{title}: this kernel can not do that, left out")
        elif done.returncode or how != want:
            failures.append(title)
            print(f"{title}: FAILED: exit {done.returncode}, '{how}' instead of '{want}'")
            print(done.stdout + done.stderr)
        else:
            print(f"{title}: {how}")


    def expect_way(self, title, copies, before=()):
        """Are libc's pages its own, or copies of them in a memory file?"""
        done, _ = self.run(before=before, program=["cat", "/proc/self/maps"])
        if done.returncode == 77:
            print(f"{title}: this kernel can not do that, left out")
        elif done.returncode or ("memfd:libumfs" in done.stdout) != copies:
            failures.append(title)
            print(f"{title}: FAILED: exit {done.returncode}\n{done.stdout}{done.stderr}")


def altered_libc(world, name, data, at):
    where = os.path.join(world.dir, name)
    os.mkdir(where)
    copy = bytearray(data)
    copy[at] ^= 0x01
    with open(os.path.join(where, "libc.so.6"), "wb") as file:
        file.write(copy)
    return where


def main():
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    with open(libc_path(), "rb") as file:
        data = file.read()
    build, offsets = listed(data)
    world = World(sys.argv[1], sys.argv[2])
    try:
        if build is None:
            world.expect("a libc that is not listed", "symbols only, unknown build of libc")
            print("not listed: the rest can not be tried here")
            return 77
        world.expect("as it is", "libc's entries")
        world.expect("by wish", "symbols only, LIBUMFS_REDIRECT=0", LIBUMFS_REDIRECT="0")
        world.expect_way("in place", False)
        world.expect("in place, no memory file", "libc's entries",
                     before=[world.refuse, "memfd"])
        copies = [world.refuse, "exec"]
        world.expect("nothing stored is executable", "libc's entries", before=copies)
        world.expect_way("nothing stored is executable, by a memory file", True, before=copies)
        world.expect("no memory file", "symbols only, no memory file",
                     before=[*copies, world.refuse, "memfd"])
        for count in range(1, 16):
            done, how = world.run(before=[*copies, world.refuse, "map", str(count * 4096)])
            if how == "libc's entries":
                continue
            if done.returncode or how != "symbols only, the kernel refuses to map code":
                failures.append(f"map {count}")
                print(f"run of {count} pages refused: FAILED: {how}", done.stderr)
            else:
                print(f"run of {count} pages refused: {how}")
        world.expect("no writable code", "libc's entries", before=[world.refuse, "mdwe"])
        world.expect_way("no writable code, by a memory file", True,
                         before=[world.refuse, "mdwe"])
        # __xstat64: nobody calls it here, and its last byte is no instruction's opcode.
        other = altered_libc(world, "code", data, sorted(offsets)[0])
        world.expect("altered libc", "symbols only, libc was altered", LD_LIBRARY_PATH=other)
        other = altered_libc(world, "id", data, data.index(build))
        world.expect("another libc", "symbols only, unknown build of libc",
                     LD_LIBRARY_PATH=other)
    finally:
        shutil.rmtree(world.dir)
    return 1 if failures else 0


sys.exit(main())
