# SPDX-License-Identifier: BSD-3-Clause
"""The file systems that are measured beside each other: where they are and how to get there.

  tmpfs       a directory of --dir
  ext4        a directory on a disk's ext4: its page cache, and the disk where something syncs
  ext4_loop   ext4 on a loop device over a file of tmpfs, as the paper's "EXT4 on Ramdisk"
  atomic, sync, posix   a pool, by libumfs in that mode; one pool for each
  fuse        a pool by mount.umfs, no libumfs

Which of them a machine does not have is said, loudly, by whoever asks for one, and is in
the report ("absent"). All that is made here is gone at the end.
"""
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(HERE)
MODES = ("atomic", "sync", "posix")
OPTIONAL = ("ext4", "ext4_loop", "fuse")
TITLES = {"tmpfs": "tmpfs", "ext4": "ext4 (disk)", "ext4_loop": "ext4 (loop, memory)",
          "atomic": "UMFS atomic", "sync": "UMFS sync", "posix": "UMFS posix",
          "fuse": "UMFS, FUSE mount"}


class Absent(Exception):
    """This machine does not have that side; the text says why."""


def fs_type(path):
    return subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True,
                          check=True).stdout.strip()


def ext4_place(asked=None):
    """A directory on ext4 that we may write to."""
    for path in [asked] if asked else ["/var/tmp", "/tmp", os.path.expanduser("~")]:
        if os.path.isdir(path) and os.access(path, os.W_OK) and fs_type(path) == "ext2/ext3":
            return path
    raise Absent(f"{asked or '/var/tmp, /tmp and the home directory'}: not on ext4")


def quietly(*command, **more):
    """Run it, or say what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise Absent(f"{command[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


class Side:
    """A directory to work in (`dir`) and what the environment of its programs needs (`env`).

    `who` are the arguments of Popen that make a program an ordinary user's, or {}.
    """

    def __init__(self, name, base, build, size, who=None, inodes=None, ext4=None):
        self.name, self.who, self.env = name, who or {}, {}
        self.base = os.path.join(base, name)
        self.pool = self.daemon = self.mounted = None
        self.build, self.size, self.inodes, self.ext4 = build, size, inodes, ext4
        self.dir = os.path.join(self.base, "files")
        os.mkdir(self.base)
        self.own(self.base)
        try:
            self.make()
        except BaseException:
            self.close()
            raise

    def own(self, path):
        if self.who:
            os.chown(path, self.who["user"], self.who["group"])

    def make(self):
        if self.name in MODES or self.name == "fuse":
            self.make_pool()
        if self.name in MODES:
            self.env = {"LD_PRELOAD": self.build.lib, "LIBUMFS_MODE": self.name,
                        "LIBUMFS_MOUNT": f"{self.dir}={self.pool}"}
            return
        if self.name == "ext4":
            shutil.rmtree(self.base)
            place = ext4_place(self.ext4)
            self.base = os.path.join(place, f"umfs-bench.{os.getpid()}")
            self.dir = os.path.join(self.base, "files")
            os.mkdir(self.base)
            self.own(self.base)
        os.mkdir(self.dir)
        if self.name == "ext4_loop":
            self.make_loop()
        elif self.name == "fuse":
            self.mount()
        self.own(self.dir)

    def make_pool(self):
        self.pool = os.path.join(self.base, "pool")
        inodes = ["-N", str(self.inodes)] if self.inodes else []
        subprocess.run([self.build.mkfs, "-q", "--size", str(self.size), *inodes, self.pool],
                       check=True, cwd="/", **self.who)

    def make_loop(self):
        if os.geteuid():
            raise Absent("only root mounts loop devices")
        image = os.path.join(self.base, "image")
        with open(image, "wb") as file:
            file.truncate(self.size)
        quietly("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", image)
        quietly("mount", "-o", "loop", image, self.dir)
        self.mounted = "kernel"

    def mount(self):
        quietly(os.path.join(ROOT, "tests/fuse/can-mount"))
        options = "allow_other" if os.geteuid() == 0 else "noatime"
        with open(os.path.join(self.base, "log"), "wb") as log:
            self.daemon = subprocess.Popen(
                [self.build.mount, "-F", "-o", options, self.pool, self.dir], cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.mounted = "fuse"
        end = time.monotonic() + 30
        while not os.path.ismount(self.dir):
            if self.daemon.poll() is not None or time.monotonic() > end:
                raise Absent("mount.umfs does not mount")
            time.sleep(0.02)

    def forget(self):
        """Whatever can be cold is: ext4's files are on the disk, and not in memory."""
        if self.name != "ext4":
            return
        for at, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.join(at, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        os.fsync(file.fileno())
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self):
        if self.mounted == "fuse":
            subprocess.run(["fusermount3", "-u", "-z", self.dir], capture_output=True, check=False)
        elif self.mounted == "kernel":
            for _ in range(50):
                if not subprocess.run(["umount", self.dir], capture_output=True,
                                      check=False).returncode:
                    break
                time.sleep(0.1)
            else:
                say(f"{self.dir} could not be unmounted")
        self.mounted = None
        if self.daemon:
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
            self.daemon = None
        shutil.rmtree(self.base, ignore_errors=True)


class Build:
    """Where the parts of a build are; with `copy_to`, copies that others may read."""

    PARTS = {"lib": ("libumfs/libumfs.so", "lib/libumfs.so"),
             "mkfs": ("mkfs/mkfs.umfs", "sbin/mkfs.umfs"),
             "mount": ("fuse/mount.umfs", "sbin/mount.umfs"),
             "fsck": ("fsck/fsck.umfs", "sbin/fsck.umfs")}

    def __init__(self, place):
        self.place = place
        for name, where in self.PARTS.items():
            setattr(self, name, self.find(*where))

    def find(self, *places):
        for path in (os.path.join(self.place, p) for p in places):
            if os.path.isfile(path):
                return path
        say(f"{places[0]} is not in {self.place}: build first"
            " (meson setup build && ninja -C build)")
        sys.exit(2)

    def copy_to(self, place):
        for name in self.PARTS:
            setattr(self, name, shutil.copy(getattr(self, name), place))


def say(text):
    print(text, file=sys.stderr, flush=True)


def open_sides(names, absent, make):
    """{name: make(name)}; of those that can not be had, why, in `absent`."""
    sides = {}
    for name in names:
        if name in absent:
            continue
        try:
            sides[name] = make(name)
        except Absent as why:
            absent[name] = str(why)
            say(f"NOT MEASURED: {TITLES.get(name, name)}: {why}")
    return sides
