# SPDX-License-Identifier: BSD-3-Clause
"""Row memory of bench/run: what a process has in memory, and the page tables for it.

The measured program runs plainly on tmpfs and with libumfs on a pool, and is looked at
after each step: started; one file open; HELD files open; all of the filled file read;
that file mapped and all of it touched. Figures are KiB of /proc/PID/status: RssAnon, what
is its own; RssFile and RssShmem, what others may have mapped too (a pool's pages that it
touched are RssShmem: the pool's memory, not more of it); VmPTE, its page tables. What an
open file takes in the kernel (struct file) both have; it is in no such figure.
"""
import os
import resource

HELD = 10_000
FIELDS = ("RssAnon", "RssFile", "RssShmem", "VmPTE")
STEPS = {"started": "started", "opened": "one file opened", "held": f"{HELD} more open",
         "read": "the file read", "mapped": "the file mapped and touched"}


def look(pid):
    found = dict.fromkeys(FIELDS, 0)
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            name = line.split(":")[0]
            if name in found:
                found[name] = int(line.split()[1])
    return found


def room_for_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < HELD + 100 <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (HELD + 100, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= HELD + 100


def measure_one(bench, env, at, many):
    """By step."""
    side = bench.side_class("memory", bench.micro, env)
    bench.sides["memory"] = side
    side.ask("dir /")  # it has started when it answers
    found = {"started": look(side.proc.pid)}
    size = bench.args.file_size
    side.ask(f"dir {at}/memory")
    side.ask("time create 64 1")
    side.ask("time keep 64 1")
    found["opened"] = look(side.proc.pid)
    if many:
        side.ask(f"time hold 64 {HELD}")
        found["held"] = look(side.proc.pid)
    side.ask(f"fill {at}/memory/file {size}")
    side.ask(f"time pread_seq {1 << 20} {size >> 20}")
    found["read"] = look(side.proc.pid)
    side.ask("time touch_mapped 64 1")
    found["mapped"] = look(side.proc.pid)
    side.quit()
    del bench.sides["memory"]
    return found


def measure(bench):
    bench.side("atomic")
    many = room_for_files()
    env = dict(os.environ, LD_PRELOAD=bench.lib, LIBUMFS_MOUNT=bench.mount_of("atomic"))
    row = {"title": "memory of a process", "unit": "KiB", "file_bytes": bench.args.file_size,
           "tmpfs": measure_one(bench, None, bench.dir, many),
           "umfs": measure_one(bench, env, f"{bench.dir}/mnt-atomic", many)}

    def grown(side, first, then, *fields):
        one = row[side]
        return sum(one[then][f] - one[first][f] for f in fields)
    for side in ("tmpfs", "umfs"):
        row[f"{side}_process_kib"] = (row[side]["opened"]["RssAnon"] + row[side]["opened"]["VmPTE"])
        if many:
            row[f"{side}_open_file_bytes"] = round(
                grown(side, "opened", "held", "RssAnon", "VmPTE") * 1024 / HELD, 1)
        row[f"{side}_mapped_table_kib"] = grown(side, "read", "mapped", "VmPTE")
    bench.say("memory: done")
    return row


def table(row):
    print(f"\nmemory of a process in KiB (file of {row['file_bytes'] >> 20} MiB):")
    print(f"  {'':<30}" + "".join(f"{s + ' ' + f:>16}" for f in FIELDS for s in ("tmpfs", "umfs")))
    for step, text in STEPS.items():
        if step in row["tmpfs"]:
            print(f"  {text:<30}" + "".join(f"{row[s][step][f]:>16}" for f in FIELDS
                                            for s in ("tmpfs", "umfs")))
