# SPDX-License-Identifier: BSD-3-Clause
"""Python's library on the files of the working directory; prints what is the same everywhere."""
import concurrent.futures
import dbm.dumb
import fcntl
import filecmp
import glob
import hashlib
import logging.handlers
import mmap
import multiprocessing
import os
import pathlib
import pickle
import random
import shelve
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile

SHARED_MAPS = os.environ["SHARED_MAPS"] == "yes"  # a log's index is one, too


def test_sqlite3():
    for journal in ("delete", "wal" if SHARED_MAPS else "truncate"):
        with sqlite3.connect("py.db") as db:
            print(db.execute(f"pragma journal_mode={journal}").fetchone())
            db.execute("create table if not exists t(a integer primary key, b)")
            db.executemany("insert or replace into t values(?, ?)", ((i, "x" * i) for i in range(500)))
        copy = sqlite3.connect("copy.db")
        db.backup(copy)
        print(copy.execute("select count(*), sum(length(b)) from t").fetchone())
        copy.close()
        db.close()
    os.remove("py.db")
    os.remove("copy.db")


def test_mmap():
    with open("map", "w+b") as file:
        file.truncate(100000)
        with mmap.mmap(file.fileno(), 0) as m:
            m[5:10] = b"hello"
            m[99990:] = b"0123456789"
            m.flush()
            file.seek(5)
            print(file.read(5), m.rfind(b"789"))
            m.resize(300000)
            m[299999] = 7
            m.move(1000, 0, 20)
        print(os.fstat(file.fileno()).st_size)
        with mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_COPY, offset=4096) as m:
            m[0] = 1
            print(os.pread(file.fileno(), 1, 4096))
    with open("map", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
        print(hashlib.sha256(m).hexdigest())


def test_mmap_shared():
    with open("shared", "w+b") as file:
        file.truncate(8192)
        m = mmap.mmap(file.fileno(), 0)
        pid = os.fork()
        if not pid:
            m[4096:4101] = b"child"
            os._exit(0)
        os.waitpid(pid, 0)
        print(m[4096:4101], os.pread(file.fileno(), 5, 4096))


def test_tempfile():
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"unnamed")
        file.seek(0)
        print(file.read(), os.fstat(file.fileno()).st_nlink)
    with tempfile.NamedTemporaryFile(dir=".", suffix=".x") as file:
        file.write(b"named")
        file.flush()
        print(os.path.getsize(file.name), glob.glob("*.x") == [os.path.basename(file.name)])
    with tempfile.TemporaryDirectory(dir=".") as name:
        pathlib.Path(name, "a", "b").mkdir(parents=True)
        pathlib.Path(name, "a", "b", "c").write_text("c")
    with tempfile.SpooledTemporaryFile(max_size=10, dir=".") as file:
        file.write(b"x" * 100)
        file.seek(0)
        print(len(file.read()), sorted(os.listdir(".")))


def test_shutil():
    for d in range(5):
        os.makedirs(f"tree/{d}/sub")
        for f in range(20):
            pathlib.Path(f"tree/{d}/sub/{f}").write_bytes(random.Random(f).randbytes(f * 1000))
        os.symlink("sub/3", f"tree/{d}/link")
    shutil.copytree("tree", "tree2", symlinks=True)
    compared = filecmp.dircmp("tree", "tree2")
    print(compared.left_only, compared.diff_files)
    shutil.copy2("tree/1/sub/9", "nine")
    shutil.move("tree2", "moved")
    for kind in ("tar", "gztar", "zip"):
        name = shutil.make_archive("archive", kind, "tree")
        shutil.unpack_archive(name, "unpacked")
        print(sum(len(f) for _, _, f in os.walk("unpacked")))
        shutil.rmtree("unpacked")
        os.remove(name)
    shutil.rmtree("moved")
    print(shutil.disk_usage(".").total > 0)


def test_pathlib():
    path = pathlib.Path("lib/one/two")
    path.mkdir(parents=True)
    (path / "f").write_text("text\n" * 1000)
    (path / "g").symlink_to("f")
    (path / "h").hardlink_to(path / "f")
    print((path / "g").resolve().relative_to(pathlib.Path.cwd()), (path / "h").stat().st_nlink)
    print(sorted(str(p) for p in pathlib.Path("lib").rglob("*")))
    (path / "f").rename(path / "new")
    (path / "new").chmod(0o400)
    (path / "g").unlink()


def test_files():
    with open("text", "w+", encoding="utf-8") as file:
        file.writelines(f"{i} \u00fc\n" for i in range(10000))
        file.seek(0)
        print(sum(len(line) for line in file))
    with open("text", "r+b", buffering=0) as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"END")
        file.truncate()
    with open("text", "ab") as file:
        file.write(b"appended")
        print(file.tell())
    fd = os.open("raw", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
    print(os.writev(fd, [b"a" * 1000, b"b" * 2000]), os.preadv(fd, [bytearray(10), bytearray(10)], 995))
    print(os.sendfile(1, fd, 0, 3))
    os.posix_fallocate(fd, 0, 10000)
    print(os.copy_file_range(fd, fd, 100, 0, 20000), os.fstat(fd).st_size)
    os.close(fd)


def test_locks():
    with open("lock", "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        pid = os.fork()
        if not pid:
            try:
                with open("lock", "r+") as mine:
                    fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(3)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def count_lines(name):
    with open(name, "rb") as file:
        return sum(1 for _ in file)


def test_processes():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(count_lines, ["text"] * 6))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(count_lines, ["text"] * 6)))
    done = subprocess.run([sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"],
                          stdin=open("text", encoding="utf-8"), stdout=open("out", "w"), check=True)
    print(done.returncode, open("out").read().strip())
    with open("out", "w") as out:
        subprocess.run("echo one; echo two >&2", shell=True, stdout=out, stderr=subprocess.STDOUT, check=True)
    print(open("out").read().split())


def test_append():
    def writer(who):
        with open("log", "ab", buffering=0) as file:
            for i in range(100):
                file.write(b"%d %d\n" % (who, i))
    threads = [threading.Thread(target=writer, args=(w,)) for w in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    lines = sorted(open("log", "rb").readlines())
    print(len(lines), len(set(lines)))
    open("log", "wb").writelines(lines)


def test_databases():
    with shelve.open("shelf") as shelf:
        shelf["a"] = list(range(1000))
    with shelve.open("shelf") as shelf:
        print(len(shelf["a"]))
    with dbm.dumb.open("dumb", "c") as db:
        db["k"] = b"v" * 1000
    print(len(dbm.dumb.open("dumb")["k"]))
    with open("pickle", "wb") as file:
        pickle.dump({"x": [1, 2, 3]}, file)
    print(pickle.load(open("pickle", "rb")))
    for name in glob.glob("shelf*"):
        os.remove(name)


def test_archives():
    with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("in/it", "content" * 1000)
    with zipfile.ZipFile("z.zip", "a") as z:
        z.writestr("more", "x")
    print(zipfile.ZipFile("z.zip").testzip(), zipfile.ZipFile("z.zip").namelist())
    with tarfile.open("t.tar.bz2", "w:bz2") as t:
        t.add("tree")
    print(len(tarfile.open("t.tar.bz2").getnames()))
    os.remove("z.zip")
    os.remove("t.tar.bz2")


def test_logging():
    log = logging.getLogger("x")
    handler = logging.handlers.RotatingFileHandler("rotated", maxBytes=1000, backupCount=2)
    log.addHandler(handler)
    for i in range(100):
        log.warning("line %d", i)
    handler.close()
    print(sorted(glob.glob("rotated*")))


def test_signals():
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(os.path.getsize("text")))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    for _ in range(300):
        with open("signals", "wb") as file:
            file.write(b"x" * 10000)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(len(seen) > 0, len(set(seen)))


def test_scandir():
    os.mkdir("many")
    for i in range(1000):
        open(f"many/{i}", "w").close()
    print(sum(e.is_file() for e in os.scandir("many")))
    fd = os.open("many", os.O_RDONLY)
    print(len(os.listdir(fd)), os.stat("77", dir_fd=fd).st_size)
    for i in range(0, 1000, 3):
        os.unlink(f"{i}", dir_fd=fd)
    os.fchdir(fd)
    print(len(os.listdir(".")), os.path.basename(os.getcwd()))
    os.chdir("..")
    os.close(fd)


def main():
    for name, function in list(globals().items()):
        if name.startswith("test_") and (SHARED_MAPS or "mmap" not in name):
            print(name, flush=True)
            function()
            sys.stdout.flush()


main()
