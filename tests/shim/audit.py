#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does any call on a file of ours reach the kernel?

usage: audit.py RAW_CALL

Programs run under libumfs and strace. A descriptor of ours is a placeholder in
the kernel's table, which strace shows by name; a path of ours lies below a
directory that does not exist. So a system call that names either, other than
those that libumfs itself makes to keep its numbers, was missed. RAW_CALL makes
such calls on purpose, which have to be found. File locks are the kernel's, on a
file that stands for ours: that is a placeholder, too. Exit code 77: no strace here.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
PLACEHOLDER = "/.umfs-fd-"
PASSED = "/.umfs-pass-"
SHADOW = "/.umfs-locks-"
# What libumfs does with its numbers, and how it looks whether the directory is there.
OWN = re.compile(
    r"(fcntl\(.*, F_(DUPFD|DUPFD_CLOEXEC|GETFD|SETFD)\b"
    r"|close\(|close_range\(|dup\([0-9]{4,}<|dup2\(|dup3\("
    r"|fstat\(.*S_IFLNK"
    r"|symlinkat\(\"UMFS\"|openat\(AT_FDCWD.*/\.umfs-fd-[^\"]*\", O_.*O_PATH"
    r"|unlinkat\(AT_FDCWD.*/\.umfs-fd-"
    # Whether the directory is mounted, so that others can be given what is open.
    r"|openat\(AT_FDCWD.*/\.umfs-pass-"
    # The descriptor is not looked at.
    r"|mmap\([^)]*\bMAP_ANONYMOUS\b"
    # A path by way of /proc/self/fd is followed.
    r"|readlinkat\(AT_FDCWD[^,]*, \"(/proc/[0-9]+/fd/[0-9]+|/[^\"]*/\.umfs-fd-[^/\"]* \(deleted\))\")")
# Where the kernel believes a process to be whose working directory is ours, and calls that name
# something there. Left out: exec, whose path libumfs looks at before, what is no path, and how
# a new image finds out where it is.
LIMBO = "/.umfs-cwd-"
CWD = re.compile(r"AT_FDCWD<([^>]*)>")
RELATIVE = re.compile(
    r'(?!execve|memfd_create|symlink|stat\("\.")\w+\((AT_FDCWD<[^>]*>, )?"(?!/)[^"]'
    r'|symlink(at)?\("[^"]*", (AT_FDCWD<[^>]*>, )?"(?!/)[^"]')  # what comes first is no path
MOVES = re.compile(r'f?chdir\([^"<]*["<]([^">]*)[">].* = 0$')
MADE = re.compile(r"(?:clone3?|v?fork)\(.* = ([0-9]+)$")
# And with the files that locks are taken on, and their directory.
OWN_SHADOW = re.compile(
    r"(fcntl\(.*, F_(OFD_)?(SETLK|SETLKW|GETLK)\b|flock\(|lseek\(.*, SEEK_(SET|END)\s*\)|fchmod\("
    r"|ftruncate\(|open\(|openat\(|renameat2\(|unlinkat\(|newfstatat\(|fstat\(|getdents64\("
    r"|mkdir\(|chown\(|chmod\(|rmdir\("
    # What keeps the lock that says that the directory is in use.
    r"|mmap\(NULL, [0-9]+, PROT_NONE, MAP_SHARED\|MAP_NORESERVE, )")

SCRIPTS = {
    "redirections": "echo a > d; cat < d; (echo b; sh -c 'echo c') >> d; wc -l < d; read x < d",
    "coreutils": "seq 1000 > s; sort -r s > t; head -n 3 t; tail -n 3 s; cut -c1 s | uniq -c;"
                 " cp s u; mv u v; ln v w; ln -s v x; readlink -f x; touch -d yesterday v;"
                 " truncate -s 5 v; dd if=s of=y bs=4096 status=none; csplit -s s 300 600;"
                 " md5sum s t > sums; md5sum -c sums; mkdir -p a/b/c; rmdir a/b/c; chmod 600 s;"
                 " stat s; ls -lR .; du -s .; df .; tee z < s > /dev/null; rm -r a",
    "tar": "mkdir in; seq 100 > in/a; seq 200 > in/b; tar cf t.tar in; tar czf t.tgz in;"
           " mkdir out; tar xzf t.tgz -C out; diff -r in out/in",
    "search": "mkdir tree; seq 99 > tree/a; cp tree/a tree/b; grep -r 77 tree; find . -name 'a*';"
              " find tree -type f -exec wc {} +; sed -i s/7/x/ tree/a; awk '{n+=$1} END{print n}'"
              " tree/b",
    "shell": "for i in 1 2 3; do echo $i > f$i; done; cat f*; set -- *; echo $#; exec 3> g;"
             " echo three >&3; exec 3>&-; cat g; test -f g && cd . && pwd; echo echo sourced > k; . ./k;"
             " bash -c 'printf %s\\\\n bash > h; mapfile -t v < h; echo ${v[0]}; echo x >> h'",
    "locks": "exec 9> l; flock -n 9; ! flock -n l true; echo in >&9; flock -u 9; flock -n l cat l;"
             " exec 9>&-; python3 -c \"import fcntl; f=open('l','r+'); fcntl.lockf(f, fcntl.LOCK_EX);"
             " fcntl.flock(f, fcntl.LOCK_EX); f.write('x'); f.close(); print(open('l').read())\"",
    "sqlite3": "sqlite3 db 'create table t(a); insert into t values(1); select * from t'",
    "cc": "printf '#include <stdio.h>\\nint main(void){puts(\"hi\");return 0;}\\n' > m.c;"
          " gcc -c m.c -o m.o; ar rc libm.a m.o; ls -l m.o libm.a;"
          " printf 'all: n.o\\nn.o: m.c\\n\\tgcc -c m.c -o n.o\\n' > Makefile; make",
    "python": "python3 -c \"import os,shutil,tempfile,subprocess; open('p','w').write('hi');"
              " print(open('p').read(), os.listdir('.')); os.makedirs('q/r'); shutil.copy('p','q/r');"
              " shutil.copytree('q','q2'); shutil.rmtree('q2'); os.replace('p','p2');"
              " print([e.name for e in os.scandir('.')]);"
              " subprocess.run(['cat'], stdin=open('p2'), stdout=open('p3','w'), check=True)\"",
}


def programs_of(script):
    return [p for p in ("gcc", "ar", "make", "python3", "bash", "tar", "sqlite3") if p in script.split()]


TRACER = ["strace", "-f", "-y", "-s", "300", "-e", "trace=%file,%desc,clone,clone3,fork,vfork"]


def whole(file):
    """(pid, one string) for each call, those cut by another thread's put together."""
    begun = {}
    for line in file:
        pid, _, text = line.rstrip("\n").partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text[:-len("<unfinished ...>")]
        elif text.startswith("<..."):
            yield pid, begun.pop(pid, "") + text.partition("resumed>")[2]
        else:
            yield pid, text


def missed(call, mount):
    # Text that is read or written may say anything; nor do exec's arguments matter.
    if re.match(r"p?(read|write)\w*\(", call):
        call = call.partition('"')[0]
    if PLACEHOLDER in call or PASSED in call:
        return not OWN.match(call)
    if SHADOW in call:
        return not OWN.match(call) and not OWN_SHADOW.match(call)
    return mount + "/" in call and not call.startswith("execve(")


class Places:
    """In which working directories processes are, as far as a log has shown it."""

    def __init__(self):
        self.of = {}

    def see(self, pid, call):
        """A call that was made; True: it names something by a path relative to one of ours."""
        shown = CWD.search(call)
        if shown:
            self.of[pid] = shown[1]
        found = RELATIVE.match(call) and LIMBO in self.of.get(pid, "")
        moved, made = MOVES.match(call), MADE.match(call)
        if moved and moved[1].startswith("/"):
            self.of[pid] = moved[1]
        if made:
            self.of.setdefault(made[1], self.of.get(pid, ""))
        return found


def calls_missed(log, mount):
    """The calls in a log of TRACER that name a file below mount or a descriptor of one."""
    places = Places()
    with open(log, encoding="utf-8", errors="replace") as file:
        return [c for pid, c in whole(file) if places.see(pid, c) or missed(c, mount)]


def no_tracer():
    """Why there can be no audit here, or None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "strace may not trace here" if probe.returncode else None


class Audit:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="umfs-audit.", dir="/dev/shm")
        self.pool = os.path.join(self.dir, "pool")
        self.mount = os.path.join(self.dir, "no-such-directory")
        subprocess.run([os.environ["UMFS_MKFS"], "-q", "--size", "128M", self.pool], check=True)

    def run(self, command):
        """(result, calls that the kernel saw)"""
        log = os.path.join(self.dir, "log")
        preload = f"{os.environ.get('UMFS_PRELOAD', '')}:{os.environ['UMFS_LIB']}".lstrip(":")
        done = subprocess.run(
            [*TRACER, "-o", log, "env", f"LD_PRELOAD={preload}",
             f"LIBUMFS_MOUNT={self.mount}={self.pool}", *command],
            cwd=self.dir, capture_output=True, text=True, check=False)
        return done, calls_missed(log, self.mount)


def main():
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    if no_tracer():
        print(no_tracer())
        return 77
    audit = Audit()
    failed = 0
    try:
        for kind in ("path", "fd", "locked", "relative", "in"):
            _, found = audit.run([os.path.abspath(sys.argv[1]), kind, os.path.join(audit.mount, "planted")])
            if len(found) != 1:
                print(f"FAILED: planted call on a {kind}: {len(found)} found", *found, sep="\n  ")
                failed += 1
        for name, script in SCRIPTS.items():
            lacking = [p for p in programs_of(script) if not shutil.which(p)]
            if lacking:
                print(f"{name}: left out, no {lacking[0]}")
                continue
            place = f"{audit.mount}/{name}"
            done, found = audit.run(["sh", "-ec", f"mkdir {place}; cd {place}; {script}"])
            print(f"{name}: exit {done.returncode}, {len(found)} calls missed")
            if done.returncode or found:
                failed += 1
                print(done.stderr[-2000:], *found[:20], sep="\n  ")
    finally:
        shutil.rmtree(audit.dir)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
