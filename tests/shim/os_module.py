# SPDX-License-Identifier: BSD-3-Clause
"""The os module, shutil and friends in the directory given: any difference is an assertion."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading

top = sys.argv[1]
os.chdir(top)


def refuses(code, function, *args, **kw):
    try:
        function(*args, **kw)
    except OSError as e:
        assert e.errno == code, (function, args, e)
    else:
        raise AssertionError((function, args, "did not fail"))


# Files, whole and in parts.
with open("f", "w") as f:
    for i in range(10000):
        f.write("line %d\n" % i)
assert sum(1 for _ in open("f")) == 10000
with open("f", "r+b", buffering=0) as f:
    assert f.seek(10) == 10 and f.tell() == 10
    assert f.write(b"xyz") == 3
    f.seek(8)
    assert f.read(7) == open("f", "rb").read()[8:15]
    assert f.truncate(100) == 100
    assert os.fstat(f.fileno()).st_size == 100
    assert not f.isatty()
with open("f", "ab") as f:
    f.write(b"end")
    f.flush()
    os.fsync(f.fileno())
assert os.path.getsize("f") == 103

fd = os.open("g", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
refuses(errno.EEXIST, os.open, "g", os.O_RDWR | os.O_CREAT | os.O_EXCL)
assert os.writev(fd, [b"ab", b"cd"]) == 4
assert os.pread(fd, 10, 1) == b"bcd"
assert os.pwrite(fd, b"X", 2) == 1
assert os.preadv(fd, [bytearray(2), bytearray(5)], 0) == 4
assert os.lseek(fd, 0, os.SEEK_SET) == 0 and os.read(fd, 100) == b"abXd"
dup = os.dup(fd)
assert not os.get_inheritable(dup)
os.set_inheritable(dup, True)
assert os.get_inheritable(dup)
os.close(dup)
os.dup2(fd, 100)
assert os.pread(100, 4, 0) == b"abXd"
os.close(100)
os.ftruncate(fd, 2)
assert os.stat(fd).st_size == 2
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
os.close(fd)
refuses(errno.EBADF, os.read, fd, 1)

# Names.
os.makedirs("a/b/c")
os.makedirs("a/b/c", exist_ok=True)
refuses(errno.EEXIST, os.mkdir, "a")
refuses(errno.ENOTEMPTY, os.rmdir, "a")
os.rename("g", "a/g")
os.replace("a/g", "a/b/g")
os.link("a/b/g", "hard")
assert os.stat("hard").st_nlink == 2 and os.path.samefile("hard", "a/b/g")
os.symlink("a/b", "soft")
assert os.readlink("soft") == "a/b" and os.path.islink("soft") and os.path.isdir("soft")
assert os.path.realpath("soft/g") == os.path.realpath(top) + "/a/b/g"
assert sorted(os.listdir("soft")) == ["c", "g"]
refuses(errno.ENOTDIR, os.listdir, "f")
refuses(errno.ENOENT, os.stat, "none")
os.unlink("soft")
os.remove("hard")
entries = {e.name: e for e in os.scandir(".")}
assert entries["a"].is_dir() and entries["f"].is_file() and entries["f"].stat().st_size == 103
assert entries["a"].inode() == os.stat("a").st_ino
assert [sorted(d + f) for _, d, f in os.walk("a")] == [["b"], ["c", "g"], []]
d = os.open("a", os.O_RDONLY | os.O_DIRECTORY)
assert sorted(os.listdir(d)) == ["b"]
os.mkdir("new", dir_fd=d)
assert stat.S_ISDIR(os.stat("new", dir_fd=d, follow_symlinks=False).st_mode)
os.rename("new", "newer", src_dir_fd=d, dst_dir_fd=d)
os.rmdir("newer", dir_fd=d)
os.fchdir(d)
assert os.getcwd() == os.path.realpath(top) + "/a" and os.listdir(".") == ["b"]
os.chdir("..")
os.close(d)

# Attributes.
os.chmod("f", 0o600)
assert stat.S_IMODE(os.stat("f").st_mode) == 0o600
os.utime("f", ns=(10**18 + 1, 10**18 + 2))
assert os.stat("f").st_mtime_ns == 10**18 + 2 and os.stat("f").st_atime_ns == 10**18 + 1
os.utime("f")
assert os.access("f", os.R_OK | os.W_OK) and not os.access("f", os.X_OK)
old = os.umask(0o077)
os.close(os.open("masked", os.O_CREAT | os.O_WRONLY, 0o666))
assert stat.S_IMODE(os.stat("masked").st_mode) == 0o600
assert os.umask(old) == 0o077
os.truncate("f", 7)
assert os.path.getsize("f") == 7
v = os.statvfs(".")
assert v.f_namemax == 255 and v.f_bfree <= v.f_blocks
if os.geteuid() == 0:
    os.chown("f", 5, 6)
    assert os.stat("f").st_uid == 5 and os.stat("f").st_gid == 6

# Processes and threads.
pid = os.fork()
if pid == 0:
    os.mkdir("by-child")
    os._exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
os.rmdir("by-child")
out = subprocess.run(["ls", "a"], capture_output=True, text=True, check=True).stdout
assert out == "b\n", out
out = subprocess.run("pwd; cat f | wc -c", shell=True, capture_output=True, text=True, check=True)
assert out.stdout.split() == [os.path.realpath(top), "7"], out


def fill(n):
    for i in range(200):
        name = "t%d-%d" % (n, i)
        with open(name, "wb") as f:
            f.write(b"x" * (i * 31))
        assert os.path.getsize(name) == i * 31
        os.unlink(name)


threads = [threading.Thread(target=fill, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()

ticks = []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
while len(ticks) < 20:
    fill(9)
signal.setitimer(signal.ITIMER_REAL, 0)

# shutil and tempfile.
shutil.copyfile("/bin/ls", "copy")
assert open("copy", "rb").read() == open("/bin/ls", "rb").read()
shutil.copy2("copy", "copy2")
shutil.copytree("/usr/include/linux", "tree")
assert len(os.listdir("tree")) == len(os.listdir("/usr/include/linux"))
shutil.move("tree", "moved")
shutil.rmtree("moved")
with tempfile.TemporaryDirectory(dir=".") as t:
    open(os.path.join(t, "x"), "w").close()
with tempfile.NamedTemporaryFile(dir=".") as t:
    t.write(b"text")
for name in ("a", "f", "copy", "copy2", "masked"):
    shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
assert os.listdir(".") == [], os.listdir(".")
print("os module: all as expected")
