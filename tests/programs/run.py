#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Real programs, once on tmpfs and once in another form, with the same results.

Each case is a script beside this one; lib.sh says what it finds. What it prints and
the tree that it leaves must be the same in both forms, no process may remain, nothing
may lie where the pool's directory would be, and fsck must find the pool whole.

Forms: libumfs; mount, without libumfs in a directory where mount.umfs has the pool;
both, there, each command of the script one or the other (half.sh); audit, libumfs under
strace.

The environment names the build: UMFS_LIB, UMFS_MKFS, UMFS_FSCK, and for the forms
that need them UMFS_MOUNT and UMFS_RAW_CALL; UMFS_PRELOAD is what is loaded before libumfs. Exit code 77:
nothing was run, the last line says why.
"""
import argparse
import collections
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
README = os.path.join(SOURCE, "README.md")
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "shim"))
import audit  # noqa: E402

# name: the script; needs: commands, any of those with a bar between; what: for README
Case = collections.namedtuple("Case", "name needs what seconds size ordinary forms")


def case(name, needs, what, seconds=60, size="256M", ordinary=False, forms=("libumfs", "mount", "both")):
    return Case(name, needs.split(), what, seconds, size, ordinary, forms)


CASES = [
    case("fio", "fio", "engines psync, sync, vsync, mmap, libaio and io_uring; threads and processes; every block verified",
         size="512M"),
    case("sqlite", "sqlite3", "rollback and WAL journal, two writers at once, one killed"),
    case("redis", "redis-server redis-cli", "RDB, AOF with `appendfsync always`; restarted, also after SIGKILL"),
    case("rocksdb", "db_bench ldb", "`db_bench` with plain, mapped and direct input and output", size="1G"),
    case("postgres", "/usr/lib/postgresql/*/bin/postgres pgbench",
         "`initdb`, `pgbench` by four clients, all processes killed and started again", size="1G", seconds=120,
         ordinary=True),
    case("git", "git", "init, add, commit, merge, gc, clone, push, checkout of a large tree"),
    case("build", "gcc make ninja meson pkg-config", "gcc with make and ninja: this project", seconds=180),
    case("archive", "tar rsync setfattr", "tar and rsync of a tree with every type of file"),
    case("python", "python3", "venv, sqlite3, mmap, tempfile, shutil and more of its library"),
    case("bash", "bash dash", "shared redirections, here-documents, processes that share a position"),
    case("coreutils", "sort fallocate", "each program of coreutils that deals with files"),
    case("search", "find grep sed awk xargs", "find, grep, sed, awk and xargs over the system's headers"),
    case("editor", "vim|vim.tiny", "vim in a pseudo-terminal; killed and recovered"),
    case("nginx", "nginx|/usr/sbin/nginx", "serves files by sendfile, threads, direct reads; uploads, cache, logs"),
    case("perl", "perl", "its input and output, directories, locks, tied files, processes"),
    case("static", "busybox", "a static binary, busybox", forms=("mount", "both")),
    case("stress-ng", "stress-ng", "its file-system stressors with `--verify`, four at a time", seconds=240,
         size="1G"),
    case("dbench", "dbench", "a file server's load", size="1G"),
]

BUILT = {"UMFS_LIB": "libumfs/libumfs.so", "UMFS_MKFS": "mkfs/mkfs.umfs", "UMFS_FSCK": "fsck/fsck.umfs",
         "UMFS_MOUNT": "fuse/mount.umfs", "UMFS_RAW_CALL": "tests/shim/raw_call"}

PLANTED = "planted-for-the-audit"

# Whether programs run under libumfs there, and where the files are; see place().
FORMS = ("tmpfs", "libumfs", "mount", "both", "audit")
MOUNTED = ("mount", "both")
CAN_MOUNT = os.path.join(os.path.dirname(HERE), "fuse", "can-mount")

daemons = set()  # mount.umfs, of this process's own; no case leaves it behind


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def found(need):
    if "*" in need:
        import glob
        return bool(glob.glob(need))
    return any(os.access(n, os.X_OK) if n.startswith("/") else shutil.which(n) for n in need.split("|"))


def adopt_orphans():
    """Whatever a case leaves behind becomes our child and can be found."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def children(pid):
    """Children and theirs, those that have ended and wait for their parent left out."""
    result = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in map(int, file.read().split()):
                    if child not in daemons:
                        result += [child] + children(child)
    except OSError:
        pass
    return result


def reap():
    """All that have ended but daemons, which are waited for by who started them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            pids = set(map(int, file.read().split())) - daemons
        for pid in pids:
            os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def name_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")[:100]
    except OSError:
        return "?"


def end_all(grace):
    """End what is left; what did not end by itself within `grace` seconds."""
    end = time.monotonic() + grace
    left = children(os.getpid())
    while left and time.monotonic() < end:
        reap()
        time.sleep(0.05)
        left = children(os.getpid())
    named = [f"{pid} {name_of(pid)}" for pid in left]
    while left:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
        time.sleep(0.05)
        left = children(os.getpid())
    return named


def end_with_parent():
    """SIGTERM to it when this process is killed: it unmounts."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)


class Place:
    """Where a case runs in one form: its directory, its environment, and the end of it."""

    def __init__(self, args, one, form):
        self.args, self.case, self.form = args, one, form
        self.base = tempfile.mkdtemp(prefix="umfs-programs.", dir="/dev/shm")
        self.work = tempfile.mkdtemp(prefix="umfs-programs.")
        self.scripts, self.source = HERE, SOURCE
        self.lib = os.environ.get("UMFS_LIB", "")
        self.pool = os.path.join(self.base, "pool")
        # Paths of the same length, since some programs write them into their files.
        parent = os.path.join(self.base, "tmpfs" if form == "tmpfs" else "mount")
        os.mkdir(parent)
        self.dir = os.path.join(parent, "files")
        self.who = {}
        self.daemon = None
        if form == "tmpfs" or form in MOUNTED:
            os.mkdir(self.dir)
        if one.ordinary and os.geteuid() == 0:
            self.become_ordinary()
        if form != "tmpfs":
            self.make_pool()

    def become_ordinary(self):
        """As nobody, with copies of what nobody may not be able to read."""
        import pwd
        nobody = pwd.getpwnam("nobody")
        self.who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.scripts = os.path.join(self.work, "scripts")
        shutil.copytree(HERE, self.scripts)
        if self.lib:
            self.lib = shutil.copy(self.lib, self.work)
        for path in (self.base, self.work, os.path.dirname(self.dir), self.dir):
            if os.path.exists(path):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def make_pool(self):
        mkfs = os.environ["UMFS_MKFS"]
        if self.who:
            mkfs = shutil.copy(mkfs, self.work)
        subprocess.run([mkfs, "-q", "--size", self.case.size, self.pool], check=True, cwd="/", **self.who)

    def mount(self):
        """By a child that stays ours, so that it can be told from what a case leaves behind."""
        options = "allow_other,dev,suid" if os.geteuid() == 0 else "noatime"
        command = [os.environ["UMFS_MOUNT"], "-F", "-o", options, self.pool, self.dir]
        with open(os.path.join(self.work, "mount"), "wb") as log:
            self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                           start_new_session=True, preexec_fn=end_with_parent)
        daemons.add(self.daemon.pid)
        end = time.monotonic() + 60
        while not os.path.ismount(self.dir):
            if self.daemon.poll() is not None or time.monotonic() > end:
                with open(log.name, encoding="utf-8", errors="replace") as file:
                    raise Failed(f"in form {self.form}: not mounted: {file.read()}")
            time.sleep(0.02)

    def unmount(self):
        """As a user would; what is busy then is a process that was left behind."""
        if not self.daemon:
            return
        end = time.monotonic() + 20
        while (code := subprocess.run(["fusermount3", "-u", self.dir], capture_output=True, text=True,
                                      check=False)).returncode and time.monotonic() < end:
            time.sleep(0.1)
        if code.returncode:
            raise Failed(f"in form {self.form}: not unmounted: {code.stderr}")
        try:
            status = self.daemon.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failed(f"in form {self.form}: the mount's daemon does not end") from None
        daemons.discard(self.daemon.pid)
        self.daemon = None
        if status:
            raise Failed(f"in form {self.form}: the mount's daemon ended with {status}")

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LIBUMFS_", "LD_"))}
        effort = 0 if self.form == "audit" else self.args.effort
        env.update(DIR=self.dir, WORK=self.work, SOURCE=self.source, SCRIPTS=self.scripts, FORM=self.form,
                   COMPARED=self.args.form, EFFORT=str(effort), SHARED_MAPS="no" if self.args.form in MOUNTED else "yes")
        env["PATH"] = env.get("PATH", "") + ":/usr/sbin:/sbin"
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "detect_leaks=0")
        if self.who:
            env["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        if self.form == "libumfs":
            env.update(self.preloaded())
        if self.form == "both":
            env.update(BASH_ENV=os.path.join(self.scripts, "half.sh"), HALF=self.preloaded()["LD_PRELOAD"])
        return env

    def preloaded(self):
        """Where the pool is mounted it is found by itself."""
        first = os.environ.get("UMFS_PRELOAD", "")
        env = {"LD_PRELOAD": f"{first}:{self.lib}".lstrip(":")}
        if not self.daemon:
            env["LIBUMFS_MOUNT"] = f"{self.dir}={self.pool}"
        return env

    def call(self, command, seconds, more=None, **how):
        env = {**self.environment(), **(more or {})}
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, cwd="/",
                                   start_new_session=True, **self.who, **how)
        try:
            out, err = process.communicate(timeout=seconds * self.args.patience)
        except subprocess.TimeoutExpired:
            left = "; ".join(name_of(p) for p in children(os.getpid()))
            end_all(0)
            process.wait()
            raise Failed(f"in form {self.form}: not done in {seconds * self.args.patience} s: {left}") from None
        return process.returncode, out, err

    def run(self):
        """What the script printed."""
        log = os.path.join(self.work, "stdout")
        err = os.path.join(self.work, "stderr")
        command = ["bash", os.path.join(self.scripts, self.case.name + ".sh")]
        if self.form == "audit":
            command = self.traced(command)
        with open(log, "wb") as out, open(err, "wb") as errors:
            code, _, _ = self.call(command, self.case.seconds, stdout=out, stderr=errors)
        with open(log, encoding="utf-8", errors="replace") as file:
            printed = file.read().replace(self.dir, "DIR")
        with open(err, encoding="utf-8", errors="replace") as file:
            complained = file.read()
        if code:
            end_all(0)
            raise Failed(f"in form {self.form}: exit code {code}\n{printed[-1500:]}{complained[-3000:]}")
        left = end_all(15)
        if left:
            raise Failed(f"in form {self.form}: processes are left: {left}")
        return printed

    def traced(self, command):
        """Under strace, which is not itself under libumfs; and then a call past libumfs, to be found."""
        env = [f"{name}={value}" for name, value in self.preloaded().items()]
        planting = [os.environ["UMFS_RAW_CALL"], "path", os.path.join(self.dir, PLANTED)]
        return [*audit.TRACER, "-o", os.path.join(self.work, "trace"), "env", *env,
                "bash", "-c", shlex.join(command) + " || exit; " + shlex.join(planting)]

    def missed(self):
        """Without the one that was planted."""
        found = audit.calls_missed(os.path.join(self.work, "trace"), self.dir)
        planted = [c for c in found if PLANTED in c]
        if len(planted) != 1:
            raise Failed(f"of the planted call {len(planted)} were found: {planted}")
        return [c for c in found if c not in planted]

    def read_tree(self, more):
        code, out, err = self.call(["python3", os.path.join(self.scripts, "tree.py"), self.dir], 60, more,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if code:
            raise Failed(f"in form {self.form}: the tree can not be read: {err[-2000:]}")
        return out

    def tree(self):
        """Where both kinds of process were at work both must see the same."""
        tree = self.read_tree({})
        if self.form == "both":
            report = os.path.join(self.work, "report")
            more = {**self.preloaded(), "LIBUMFS_REPORT": report, "LIBUMFS_REPORT_FORM": "json"}
            difference("the tree, preloaded,", tree, self.read_tree(more), self.form)
            with open(report, encoding="ascii") as file:
                if not json.load(file)["served"]:
                    raise Failed("in form both: libumfs did not find the mount")
        return tree

    def done(self):
        """What was done, as the script counted it: '3 files, 4 commits'."""
        sums = {}
        try:
            with open(os.path.join(self.work, "did"), encoding="ascii") as file:
                for line in file:
                    count, what = line.rstrip("\n").split(" ", 1)
                    sums[what] = sums.get(what, 0) + int(count)
        except FileNotFoundError:
            pass
        return ", ".join(f"{n} {what}" for what, n in sums.items())

    def check(self):
        """The pool is whole, and nothing was written past it."""
        if self.form == "tmpfs":
            return
        self.unmount()
        if os.path.lexists(self.dir) and (self.form not in MOUNTED or os.listdir(self.dir)):
            raise Failed(f"written beneath the pool's directory: {os.listdir(self.dir)}")
        fsck = subprocess.run([os.environ["UMFS_FSCK"], "-n", self.pool], capture_output=True, text=True, check=False)
        if fsck.returncode:
            raise Failed(f"in form {self.form}: fsck: {fsck.returncode}\n{fsck.stdout}{fsck.stderr}")

    def remove(self):
        end_all(0)
        if self.daemon:
            subprocess.run(["fusermount3", "-u", "-z", self.dir], capture_output=True, check=False)
            self.daemon.kill()
            self.daemon.wait()
            daemons.discard(self.daemon.pid)
        if self.args.keep:
            print(f"{self.form}: kept {self.base} and {self.work}")
            return
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)


def difference(name, first, second, form):
    if first == second:
        return
    import difflib
    lines = difflib.unified_diff(first.splitlines(), second.splitlines(), "tmpfs", form, lineterm="", n=1)
    raise Failed(f"{name} differs:\n" + "\n".join(list(lines)[:60]))


def run_form(args, one, form):
    place = Place(args, one, form)
    begun = time.monotonic()
    try:
        if form in MOUNTED:
            place.mount()
        printed = place.run()
        tree = place.tree()
        done = place.done()
        place.check()
        return printed, tree, done, time.monotonic() - begun
    finally:
        place.remove()


def lacking(args, one):
    missing = [n for n in one.needs if not found(n)]
    if missing:
        raise Skipped(f"{one.name}: not installed: {' '.join(missing)}")
    form = "libumfs" if args.form == "audit" else args.form
    if form not in one.forms + ("tmpfs",):
        raise Skipped(f"{one.name}: only in form {' or '.join(one.forms)}")
    if args.form in MOUNTED:
        can = subprocess.run([CAN_MOUNT], stdout=subprocess.PIPE, text=True, check=False)
        if can.returncode:
            raise Skipped(f"{one.name}: {can.stdout.strip()}")


def run_audit(args, one):
    """No call on a file of the pool leaves libc, in threads and children too."""
    if audit.no_tracer():
        raise Skipped(audit.no_tracer())
    place = Place(args, one, "audit")
    try:
        place.run()
        place.check()
        found = place.missed()
    finally:
        place.remove()
    if found:
        kinds = collections.Counter(call.partition("(")[0] for call in found)
        raise Failed(f"{len(found)} calls missed: {dict(kinds)}\n" + "\n".join(c[:400] for c in found[:20]))
    print(f"{one.name}: no call missed")


def run_case(args, one):
    """What was done."""
    lacking(args, one)
    if args.form == "audit":
        return run_audit(args, one)
    printed, tree, done, there = run_form(args, one, "tmpfs")
    if args.form == "tmpfs":
        print(printed, tree, sep="")
        return done
    printed2, tree2, done2, here = run_form(args, one, args.form)
    difference("what it prints", printed, printed2, args.form)
    difference("the tree", tree, tree2, args.form)
    difference("what was done", done, done2, args.form)
    print(f"{one.name}: {done}; {there:.1f} s on tmpfs, {here:.1f} s in form {args.form}; tree:", tree.splitlines()[-1])
    return done


# ---- README's table: a row for each case, as the last runs in each form wrote it ----

COLUMNS = ("libumfs", "mount", "both")
TABLE_HEAD = ["| program | what is run | how many | under libumfs | by the mount | both kinds at once |",
              "|---|---|---|---|---|---|"]
SAME = "as on tmpfs"


def cells_of(line):
    return [c.strip() for c in line.strip("|").split("|")]


def row_of(cells):
    return "| " + " | ".join(cells) + " |"


def row(one, done, form, old):
    """The row with what was done now; of other forms what `old`, its cells, says."""
    many = done if form == one.forms[0] or len(old) < 6 else old[2]
    cells = [one.name, one.what, many]
    for i, column in enumerate(COLUMNS):
        if column not in one.forms:
            cells.append("-")
        elif column == form:
            cells.append(SAME if done == many else f"{SAME}: {done}")
        else:
            cells.append(old[3 + i] if len(old) == 6 else "not run")
    return row_of(cells)


def readme_parts():
    """README up to its table of programs, the table's lines, and the rest."""
    with open(README, encoding="utf-8") as file:
        lines = file.read().split("\n")
    begin = lines.index(TABLE_HEAD[0])
    end = next(i for i in range(begin, len(lines)) if not lines[i].startswith("|"))
    return lines[:begin], lines[begin:end], lines[end:]


def check_readme(done, form):
    """The table has the cases of this file, and what was run now is what it says."""
    table = [cells_of(line) for line in readme_parts()[1][2:]]
    if [c[:2] for c in table] != [[c.name, c.what] for c in CASES]:
        return ["the programs are not those of tests/programs/run.py"]
    now = [row(one, done[one.name], form, old) for one, old in zip(CASES, table) if one.name in done]
    return [f"what was run now: {line}" for line in now if cells_of(line) not in table]


def write_readme(done, form):
    """New rows for what was run; those of other cases stay."""
    before, table, after = readme_parts()
    old = {cells_of(line)[0]: cells_of(line) for line in table[2:]}
    missing = [c.name for c in CASES if c.name not in done and c.name not in old]
    if missing:
        sys.exit(f"README is as it was: not passed: {' '.join(missing)}")
    rows = [row(c, done[c.name], form, old.get(c.name, ())) if c.name in done else row_of(old[c.name]) for c in CASES]
    with open(README, "w", encoding="utf-8") as file:
        file.write("\n".join(before + TABLE_HEAD + rows + after))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--form", choices=FORMS, default="libumfs")
    parser.add_argument("--build", help="the build directory, where the environment does not name the parts")
    parser.add_argument("--list", action="store_true", help="the cases of this form")
    parser.add_argument("--effort", type=int, default=1, help="2: a long run")
    parser.add_argument("--patience", type=float, default=3, help="times the seconds that a case may take")
    parser.add_argument("--check-readme", action="store_true", help="README's table must say what is run")
    parser.add_argument("--write-readme", action="store_true", help="make README's rows of what was run")
    parser.add_argument("--keep", action="store_true", help="do not remove what was made")
    parser.add_argument("case", nargs="*", help="none: all")
    args = parser.parse_args()
    if args.list:
        print(*(c.name for c in CASES if args.form in c.forms), sep="\n")
        return 0
    if args.build:
        for name, part in BUILT.items():
            os.environ[name] = os.path.join(os.path.realpath(args.build), part)
    if args.check_readme and not args.case:
        print(*check_readme({}, args.form), sep="\n")
        return 1 if check_readme({}, args.form) else 0
    chosen = [c for c in CASES if not args.case or c.name in args.case]
    adopt_orphans()
    code = 77
    all_done = {}
    for one in chosen:
        try:
            done = run_case(args, one)
            code = 0 if code == 77 else code
            if args.form in COLUMNS:
                all_done[one.name] = done
        except Skipped as why:
            print("skipped:", why)
        except Failed as why:
            print(f"FAILED: {one.name}:", why)
            code = 1
        sys.stdout.flush()
    if args.write_readme:
        write_readme(all_done, args.form)
    for why in check_readme(all_done, args.form) if args.check_readme else []:
        print(f"FAILED: README's table is stale (run.py --write-readme makes it anew): {why}")
        code = 1
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
