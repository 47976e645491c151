# SPDX-License-Identifier: BSD-3-Clause
"""Rows of bench/run that need more than one process.

touch          what `cat` of a cached file of 1 MiB costs beyond `cat` of an empty one
touch_process  the same, the whole life of the process
two            two processes at work on two files at once: calls a second on the clock,
               over those of one alone; `of_one` is the least of the kinds of calls
"""
import os
import statistics
import subprocess

MIB = 1 << 20
TOUCH = {"touch": "first read of 1 MiB by a process", "touch_process": "cat of 1 MiB"}
CATS = 100  # processes in a turn
TWO = ("two", "two processes, two files")
# (what, operation of micro.c, block)
CALLS = (("pread 4 KiB random", "pread_random", 4096), ("pwrite 4 KiB random", "pwrite_random", 4096),
         ("pwrite 64 B random", "pwrite_random", 64), ("append 4 KiB", "append", 4096))


def put_file(bench, name, size):
    """The same file on tmpfs and in the pool; their paths."""
    source = os.path.join(bench.dir, f"{name}.source")
    with open(source, "wb") as out:
        out.write(os.urandom(size))
    mount = os.path.join(bench.dir, "mnt-atomic")
    bench.side("atomic")
    env = dict(os.environ, LD_PRELOAD=bench.lib, LIBUMFS_MOUNT=bench.mount_of("atomic"))
    subprocess.run(["cp", source, os.path.join(mount, name)], env=env, check=True)
    return {"tmpfs": source, "umfs": os.path.join(mount, name)}


def touch(bench):
    side = bench.side("tmpfs")
    paths = {size: put_file(bench, f"touched-{size}", size) for size in (0, MIB)}
    preload = {"tmpfs": "", "umfs": f" {bench.lib} {bench.mount_of('atomic')}"}
    times = {row: {"tmpfs": [], "umfs": []} for row in TOUCH}
    for turn in range(bench.args.rounds + 1):
        for column, more in preload.items():
            empty, full = (side.ask(f"spawn {CATS} /bin/cat {paths[size][column]}{more}") / CATS
                           for size in (0, MIB))
            if turn:  # the first one warms up
                times["touch"][column].append(full - empty)
                times["touch_process"][column].append(full)
    for row, title in TOUCH.items():
        if bench.wanted(row):
            bench.note(row, title, times[row])


def rate(answer, calls):
    return calls / max(1, answer[1])


def turn_of_two(pair, command, calls):
    """Calls a ns of one alone, and of both together."""
    alone = rate(pair[0].ask_all(command), calls)
    for side in pair:
        side.tell(command)
    return alone, sum(rate(side.hear(command), calls) for side in pair)


def start_pair(bench, kind):
    """Two processes on two processors, each with a file and names of its own."""
    size = bench.args.file_size // 4
    env, at = None, bench.dir
    if kind == "umfs":
        bench.side("atomic")
        at = os.path.join(bench.dir, "mnt-atomic")
        env = dict(os.environ, LD_PRELOAD=bench.lib, LIBUMFS_MOUNT=bench.mount_of("atomic"))
    pair = []
    for i in range(2):
        side = bench.side_class(f"{kind} {i}", bench.micro, env, cpu=-1 - i)
        bench.sides[f"{kind}-{i}-of-two"] = side
        side.ask(f"map {at}/raw-{i} {size}" if kind == "raw" else f"fill {at}/two-{i} {size}")
        if kind != "raw":
            side.ask(f"dir {at}/two-names-{i}")
        pair.append(side)
    return pair


def two(bench):
    row = {"title": TWO[1], "calls": {}}
    if len(os.sched_getaffinity(0)) < 2:
        row["absent"] = "one processor only"
        bench.results[TWO[0]] = row
        return
    pairs = {kind: start_pair(bench, kind) for kind in ("tmpfs", "umfs", "raw")}
    for what, op, block in CALLS:
        row["calls"][what] = {}
        for kind, pair in pairs.items():
            if kind == "raw" and op == "append":
                continue
            calls = bench.calls_for(pair[0], op, block)
            turns = [turn_of_two(pair, f"time {op} {block} {calls}", calls)
                     for _ in range(bench.args.rounds)]
            row["calls"][what][kind] = round(statistics.median(b / a for a, b in turns), 3)
    row["of_one"] = min(one["umfs"] for one in row["calls"].values())
    for kind, pair in pairs.items():
        for i, side in enumerate(pair):
            side.quit()
            del bench.sides[f"{kind}-{i}-of-two"]
    bench.results[TWO[0]] = row
    bench.say(f"{TWO[1]}: done")


def table(row):
    print("two processes on two files, times one, on the clock:")
    for what, one in row["calls"].items():
        print(f"  {what:<24}" + "".join(f"{kind:>8} {value:.2f}" for kind, value in one.items()))
