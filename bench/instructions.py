# SPDX-License-Identifier: BSD-3-Clause
"""bench/run --instructions: how many instructions a call takes, which do not drift as times do.

The measured program runs under callgrind, libumfs preloaded, once for each call; only
its loop around the call is counted, which for names makes the name too. What came out when
it was last written is in bench/instructions.json; a call that takes more by TOLERANCE is
said to. Instructions are not time: a cache line that another processor has, or a system call,
is one instruction.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

FILE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "instructions.json")
TOLERANCE = 0.05

# name: (operation and loop of the measured program, block, calls, mode, operations before)
CALLS = {
    "pread 64 B": ("pread_random", "bench_pread", 64, 20000, "atomic", []),
    "pwrite 64 B, sync": ("pwrite_random", "bench_pwrite", 64, 20000, "sync", []),
    "pwrite 64 B, atomic": ("pwrite_random", "bench_pwrite", 64, 20000, "atomic", []),
    "append 64 B": ("append", "bench_append", 64, 20000, "atomic", []),
    "create + close": ("create", "bench_create", 64, 1000, "atomic", []),
    "stat": ("stat", "bench_stat", 64, 1000, "atomic", ["create"]),
    "open + close": ("open", "bench_open", 64, 1000, "atomic", ["create"]),
    "rename": ("rename", "bench_rename", 64, 1000, "atomic", ["create"]),
    "unlink": ("unlink", "bench_unlink", 64, 1000, "atomic", ["create"]),
}


def count(build, name, where):
    """Instructions for one call; None: the program did not do it."""
    op, loop, block, calls, mode, before = CALLS[name]
    pool, mount, out = (os.path.join(where, n) for n in ("pool", "mnt", "out"))
    subprocess.run([f"{build}/mkfs/mkfs.umfs", "-q", "-f", "--size", "1G", pool], check=True)
    lines = [f"fill {mount}/filled {16 << 20}", f"dir {mount}/names"]
    lines += [f"time {o} {block} {calls}" for o in [*before, op]]
    ran = subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
         "--collect-atstart=no", f"--toggle-collect={loop}", f"{build}/bench/umfs-bench-micro"],
        input="\n".join([*lines, "quit\n"]), capture_output=True, text=True, check=False,
        env=dict(os.environ, LD_PRELOAD=f"{build}/libumfs/libumfs.so", LIBUMFS_MODE=mode,
                 LIBUMFS_MOUNT=f"{mount}={pool}"))
    answers = ran.stdout.split("\n")[:-1]
    if ran.returncode or len(answers) != len(lines) or any(a[:2] != "ok" for a in answers):
        sys.stderr.write(ran.stdout + ran.stderr)
        return None
    with open(out, encoding="ascii", errors="replace") as file:
        totals = [line for line in file if line.startswith("totals:")]
    return round(int(totals[0].split()[1]) / calls) if totals else None


def known():
    try:
        with open(FILE, encoding="ascii") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def run(args):
    """Print the table; 0: nothing takes more than it did, 1: something does, 2: not measured."""
    if not shutil.which("valgrind"):
        print("bench/run: valgrind is not installed: no instructions are counted", file=sys.stderr)
        return 2
    was, now, verdict = known(), {}, 0
    print(f"{'instructions a call':<24}{'now':>8}{'then':>8}")
    with tempfile.TemporaryDirectory(prefix="umfs-bench.", dir=args.dir) as where:
        for name in CALLS:
            got = count(args.build, name, where)
            if got is None:
                print(f"{name:<24} not measured")
                return 2
            now[name] = got
            more = name in was and got > was[name] * (1 + TOLERANCE)
            verdict = 1 if more else verdict
            print(f"{name:<24}{got:>8}{was.get(name, '-'):>8}{'  more' if more else ''}",
                  flush=True)
    if args.write_instructions:
        with open(FILE, "w", encoding="ascii") as file:
            json.dump(now, file, indent=1)
            file.write("\n")
    return verdict
