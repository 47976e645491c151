# SPDX-License-Identifier: BSD-3-Clause
"""bench/run --only flat: what must not grow with the pool, the directory or the files.

Two measured programs: bench/micro.c through libumfs (and plainly on tmpfs) for times of
calls, as in the other rows; bench/flat.c, which uses core directly, for counts of the
4 KiB pages that are touched, and for mkfs, attach and recovery. The pages are the same in
every run; times are compared within one run only. What bench/judge looks at:

  flat_lookup, flat_create, flat_delete   a call in a directory of 1 M names / of 1 000, on the
                                          same 200 names again and again
  flat_lookup_random, flat_lookup_made    the same over all names: of those of a large
                                          directory none is in the processor's caches
  flat_attach, flat_recovery              most / least over pools of all sizes
  flat_metadata                           a pool of 16 GiB or more, default inode ratio

fsck.umfs reads all that is used, so it grows with the files; what it takes is in flat_pools,
and flat_fsck has what it comes to for each file, and for 100 million.
"""
import os
import resource
import statistics
import subprocess

GIB = 1 << 30
NAMES = (1000, 100_000, 1_000_000, 10_000_000)
TMPFS_NAMES_MAX = 1_000_000  # its inodes and dentries take 1.2 KiB of kernel memory a name
TREE_DIRS = 1000
BATCH = 200  # names made and removed at a time, little beside 1 000
CALLS = 4000
WARM = 3  # batches
COUNTED = 200
LOOKUPS = {"lookup": "lookup_few", "lookup_random": "lookup_random",
           "lookup_made": "lookup_made"}
OPS = {**LOOKUPS, "create": "create", "delete": "unlink"}
TITLES = {"lookup": "stat, the same 200 names", "lookup_random": "stat, any name at random",
          "lookup_made": "stat, in the order made", "create": "create + close",
          "delete": "unlink"}
POOLS = ((GIB, "1 GiB"), (16 * GIB, "16 GiB"), (1 << 40, "1 TiB"), (16 << 40, "16 TiB"))
OPENS = (10, 10_000)
HELD = 10_000
MILLION = 1_000_000
HUNDRED_MILLION = 100_000_000


def short(n):
    return f"{n // MILLION} M" if n >= MILLION else f"{n:,}".replace(",", " ")


def own_kib(pid, *fields):
    """Memory of a process that is its own: of /proc/PID/status."""
    total = 0
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.split(":")[0] in fields:
                total += int(line.split()[1])
    return total


class Flat:
    def __init__(self, bench, say, side_class):
        self.bench, self.say = bench, say
        self.side_class = side_class
        self.program = os.path.join(bench.args.build, "bench/umfs-bench-flat")
        if not os.path.exists(self.program):
            raise SystemExit("bench/run: bench/umfs-bench-flat is not built")
        self.sizes = [n for n in NAMES if n <= bench.args.flat_names]
        self.rounds = bench.args.rounds
        self.results = {}
        self.pool = os.path.join(bench.dir, "pool-flat")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 2 * HELD <= hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2 * HELD, hard))

    def core(self):
        return self.side_class("core", self.program)

    # ---- calls on names ----

    def start_sides(self):
        files = sum(self.sizes) + TREE_DIRS * 1000 + 4 * BATCH + 2 * max(OPENS)
        groups = -(-files // 30_000)
        size = max(groups * (128 << 20), 4 * GIB)
        subprocess.run([self.bench.mkfs, "-q", "--size", str(size + (64 << 20)), "-N",
                        str(files), self.pool], check=True)
        mount = os.path.join(self.bench.dir, "mnt-flat")
        env = dict(os.environ, LD_PRELOAD=self.bench.lib,
                   LIBUMFS_MOUNT=f"{mount}={self.pool}", LIBUMFS_MODE="atomic")
        sides = {"umfs": (self.side_class("umfs", self.bench.micro, env), mount),
                 "tmpfs": (self.side_class("tmpfs", self.bench.micro), self.bench.dir)}
        self.bench.sides["flat"] = sides["umfs"][0]
        self.bench.sides["flat-tmpfs"] = sides["tmpfs"][0]
        return sides

    def sized(self, side):
        return [n for n in self.sizes if side == "umfs" or n <= TMPFS_NAMES_MAX]

    def fill(self, sides):
        """The directories, and what making each name took while they grew."""
        grown = {}
        for name, (side, at) in sides.items():
            for n in self.sized(name):
                self.say(f"{name}: {short(n)} names in a directory")
                side.ask(f"dir {at}/names-{n}")
                grown[f"{name}_{n}"] = side.ask(f"time create 64 {n}") / n
            side.ask(f"dir {at}/tree")
            side.ask(f"spread {TREE_DIRS}")
            self.say(f"{name}: {TREE_DIRS} directories of 1 000 names")
            grown[f"{name}_tree"] = side.ask(f"time create 64 {TREE_DIRS * 1000}") / (
                TREE_DIRS * 1000)
        return grown

    def one_turn(self, side, times):
        for op in LOOKUPS.values():
            side.ask(f"time {op} 64 {CALLS // 4}")  # caches forget the turns of others
            times[op].append(side.ask(f"time {op} 64 {CALLS}") / CALLS)
        made, gone = [], []
        for _ in range(WARM + CALLS // BATCH):
            made.append(side.ask(f"time create 64 {BATCH}"))
            gone.append(side.ask(f"time unlink 64 {BATCH}"))
        times["create"].append(statistics.mean(made[WARM:]) / BATCH)
        times["unlink"].append(statistics.mean(gone[WARM:]) / BATCH)

    def name_times(self, sides):
        times = {}
        for turn in range(self.rounds + 1):
            for name, (side, at) in sides.items():
                for n in self.sized(name) + ["tree"]:
                    one = times.setdefault((name, n), {op: [] for op in OPS.values()})
                    where = "tree" if n == "tree" else f"names-{n}"
                    side.ask(f"dir {at}/{where} {TREE_DIRS * 1000 if n == 'tree' else n}")
                    if n == "tree":
                        side.ask(f"spread {TREE_DIRS}")
                    self.one_turn(side, one)
                    if not turn:  # the first one warms up
                        for values in one.values():
                            values.clear()
        return {key: {op: statistics.median(v) for op, v in one.items()}
                for key, one in times.items()}

    def name_pages(self):
        """Of single calls: the mean, and the most of any."""
        side = self.core()
        side.ask(f"attach {self.pool}")
        pages = {}
        for n in self.sizes:
            for op in ("lookup", "open", "create", "delete"):
                total, most = side.ask_all(f"count {op} names-{n} {n} {COUNTED}")
                pages[(op, n)] = (total / COUNTED, most)
        side.ask("detach")
        side.quit()
        return pages

    def names(self):
        sides = self.start_sides()
        grown = self.fill(sides)
        times = self.name_times(sides)
        pages = self.name_pages()
        for key, op in OPS.items():
            row = {"title": TITLES[key], "unit": "ns", "sizes": {}}
            for n in self.sizes + ["tree"]:
                one = {"umfs": round(times[("umfs", n)][op], 1)}
                if ("tmpfs", n) in times:
                    one["tmpfs"] = round(times[("tmpfs", n)][op], 1)
                counted = pages.get(("lookup" if key in LOOKUPS else key, n))
                if counted:
                    one["pages"], one["pages_most"] = round(counted[0], 2), counted[1]
                one["of_1000"] = round(times[("umfs", n)][op] / times[("umfs", 1000)][op], 3)
                if ("tmpfs", n) in times:
                    one["tmpfs_of_1000"] = round(
                        times[("tmpfs", n)][op] / times[("tmpfs", 1000)][op], 3)
                row["sizes"][str(n)] = one
            if "1000000" in row["sizes"]:
                row["of_1000"] = row["sizes"]["1000000"]["of_1000"]
            self.results[f"flat_{key}"] = row
        self.results["flat_growing"] = {"title": "create + close while it grows", "unit": "ns",
                                        **{k: round(v, 1) for k, v in grown.items()}}
        return sides

    # ---- memory ----

    def memory(self, sides):
        """What a process has of its own by being attached, and by each file that is open."""
        side, mount = sides["umfs"]
        fields = ("RssAnon", "VmPTE")
        fresh = {"plain": self.side_class("plain", self.bench.micro),
                 "umfs": self.side_class("umfs", self.bench.micro, dict(
                     os.environ, LD_PRELOAD=self.bench.lib,
                     LIBUMFS_MOUNT=f"{mount}={self.pool}"))}
        used = {}
        for name, one in fresh.items():
            at = mount if name == "umfs" else self.bench.dir
            one.ask(f"dir {at}/names-{self.sized(name)[0]} 1000")
            one.ask("time lookup_made 64 1")
            used[name] = own_kib(one.proc.pid, *fields)
        umfs = fresh["umfs"]
        umfs.ask(f"time hold 64 {HELD}")
        held = own_kib(umfs.proc.pid, *fields)
        for one in fresh.values():
            one.quit()
        self.results["flat_memory"] = {
            "title": "memory of a process",
            "attached_kib": used["umfs"] - used["plain"],
            "attached_pool_kib": 128,
            "open_file_bytes": round((held - used["umfs"]) * 1024 / HELD, 1),
            "open_file_pool_bytes": 64 + 128,
        }

    # ---- whole pools ----

    def pools(self):
        """(path, what it is, directory with files to open) of each pool to compare."""
        for size, text in POOLS:
            path = os.path.join(self.bench.dir, f"pool-{size}")
            side = self.core()
            pages, took = side.ask_all(f"format {path} {size} 0")
            side.ask(f"attach {path}")
            side.ask(f"files held {max(OPENS)}")
            space = side.ask_all("space")
            side.ask("detach")
            side.quit()
            yield path, text, {"format_pages": pages, "format_ns": took, "space": space}
            os.unlink(path)
        side = self.core()
        side.ask(f"attach {self.pool}")
        side.ask(f"files held {max(OPENS)}")
        space = side.ask_all("space")
        side.ask("detach")
        side.quit()
        yield self.pool, f"{space[0] // GIB} GiB, {short(space[5])} files", {"space": space}

    def dies_with(self, path, opens):
        side = self.core()
        side.ask(f"attach {path}")
        side.ask(f"hold held {opens}")
        side.proc.kill()
        side.proc.wait()

    def attach_row(self, path, into):
        into["attach_ns"], into["attach_pages"] = [], None
        side = self.core()
        for turn in range(self.rounds + 1):
            took = side.ask(f"attach {path}")
            side.ask("detach")
            if turn:
                into["attach_ns"].append(took)
        into["attach_ns"] = statistics.median(into["attach_ns"])
        into["attach_pages"] = side.ask(f"count-attach {path}")
        side.ask("detach")
        side.quit()

    def fsck_row(self, path, into):
        """CPU time and the most memory of fsck.umfs -n."""
        process = subprocess.Popen([self.bench.build.fsck, "-n", path], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"bench/run: fsck.umfs finds {path} damaged")
        into["fsck_ns"] = round((usage.ru_utime + usage.ru_stime) * 1e9)
        into["fsck_kib"] = usage.ru_maxrss

    def recovery_row(self, path, opens, into):
        """By the next to attach, and by one that is attached all the while."""
        first, beside = [], []
        for _ in range(3):
            self.dies_with(path, opens)
            side = self.core()
            first.append(side.ask(f"attach {path}"))
            self.dies_with(path, opens)
            beside.append(side.ask("recover"))
            side.ask("detach")
            side.quit()
        self.dies_with(path, opens)
        side = self.core()
        into[f"recovery_{opens}_pages"] = side.ask(f"count-attach {path}")
        self.dies_with(path, opens)
        into[f"beside_{opens}_pages"] = side.ask("count-recover")
        side.ask("detach")
        side.quit()
        into[f"recovery_{opens}_ns"] = statistics.median(first)
        into[f"beside_{opens}_ns"] = statistics.median(beside)

    def whole_pools(self):
        rows = {}
        for path, text, row in self.pools():
            self.say(f"pool of {text}")
            self.fsck_row(path, row)
            self.attach_row(path, row)
            for opens in OPENS:
                self.recovery_row(path, opens, row)
            rows[text] = row
        self.results["flat_pools"] = {"title": "mkfs, attach, recovery", "pools": rows}

        def spread(key):
            values = [r[key] for r in rows.values() if key in r]
            return round(max(values) / min(values), 3)

        def growth(key):
            """Pages, beside those of the smallest pool: fewer are no harm."""
            values = [r[key] for r in rows.values() if key in r]
            return round(max(values) / values[0], 3)
        self.results["flat_mkfs"] = {"title": "mkfs, 1 GiB to 16 TiB",
                                     "pages_ratio": growth("format_pages"),
                                     "time_ratio": spread("format_ns")}
        self.results["flat_attach"] = {"title": "attach, over all pools",
                                       "pages_ratio": growth("attach_pages"),
                                       "time_ratio": spread("attach_ns")}
        self.results["flat_recovery"] = {
            "title": f"recovery, {OPENS[0]} open, over all pools",
            "pages_ratio": max(growth(f"recovery_{OPENS[0]}_pages"),
                               growth(f"beside_{OPENS[0]}_pages")),
            "time_ratio": max(spread(f"recovery_{OPENS[0]}_ns"),
                              spread(f"beside_{OPENS[0]}_ns"))}
        self.fsck_rows(list(rows.values()))
        return rows

    def fsck_rows(self, rows):
        """The last pool has the files; the first, the smallest, hardly any."""
        least, many = rows[0], rows[-1]
        files = many["space"][5]
        each_ns = (many["fsck_ns"] - least["fsck_ns"]) / files
        each_bytes = (many["fsck_kib"] - least["fsck_kib"]) * 1024 / files
        self.results["flat_fsck"] = {
            "title": "fsck.umfs, by file", "files": files, "file_ns": round(each_ns, 1),
            "file_bytes": round(each_bytes, 1),
            "of_100_m_s": round(each_ns * HUNDRED_MILLION / 1e9, 1),
            "of_100_m_gib": round(each_bytes * HUNDRED_MILLION / GIB, 2)}

    # ---- space ----

    def space(self, rows):
        row = {"title": "metadata, 16 GiB and more", "pools": {}}
        for text, one in rows.items():
            pool, front, heads = one["space"][:3]
            row["pools"][text] = {
                "front_bytes": front, "heads_bytes": heads,
                "percent": round(100 * (front + heads) / pool, 3)}
            if pool >= 16 * GIB and "format_pages" in one:
                row["percent"] = max(row.get("percent", 0), row["pools"][text]["percent"])
                row["per_gib_bytes"] = round((front + heads) * GIB / pool)
        self.results["flat_metadata"] = row
        used = list(rows.values())[-1]["space"]
        self.results["flat_file"] = {
            "title": "an empty file",
            "inode_bytes": used[3],
            "name_bytes": round(used[4] * 4096 / used[5], 1),
            "bytes": round(used[3] + used[4] * 4096 / used[5], 1),
            "files": used[5]}

    def run(self):
        sides = self.names()
        self.memory(sides)
        for side, _ in sides.values():
            side.quit()
        self.space(self.whole_pools())
        os.unlink(self.pool)
        return self.results


def counted(row, key, width):
    if key + "_ns" not in row:
        return f"{'-':>{width}}"
    one = f"{row[key + '_ns'] / 1000:.0f} ({row[key + '_pages']})"
    return f"{one:>{width}}"


def table(results):
    for key in OPS:
        row = results[f"flat_{key}"]
        print(f"\n{row['title']}: ns, times 1 000 names; tmpfs; pages touched, mean and most")
        for n, one in row["sizes"].items():
            what = "1 000 x 1 000" if n == "tree" else short(int(n))
            line = f"  {what:<16}{one['umfs']:>9.0f}{one['of_1000']:>7.2f}x"
            line += (f"{one['tmpfs']:>10.0f}{one['tmpfs_of_1000']:>7.2f}x" if "tmpfs" in one
                     else f"{'-':>10}{'-':>8}")
            line += f"{one['pages']:>9.2f}{one['pages_most']:>4}" if "pages" in one else ""
            print(line)
    print(f"\n{'pool':<22}{'mkfs':>15}{'attach':>15}{'fsck ms, MiB':>18}"
          + "".join(f"{f'recover {k}':>18}{f'beside {k}':>18}" for k in OPENS)
          + "   (us of CPU, pages)")
    for text, row in results["flat_pools"]["pools"].items():
        line = f"{text:<22}" + counted(row, "format", 15) + counted(row, "attach", 15)
        fsck = f"{row['fsck_ns'] / 1e6:.0f}, {row['fsck_kib'] / 1024:.0f}"
        line += f"{fsck:>18}"
        print(line + "".join(counted(row, f"{what}_{k}", 18)
                             for k in OPENS for what in ("recovery", "beside")))
    f = results["flat_fsck"]
    print(f"fsck: {f['file_ns']} ns and {f['file_bytes']} B a file; 100 M files:"
          f" {f['of_100_m_s']} s of CPU, {f['of_100_m_gib']} GiB")
    m, f, meta = results["flat_memory"], results["flat_file"], results["flat_metadata"]
    print(f"\nA process attached: {m['attached_kib']} KiB of its own, "
          f"{m['attached_pool_kib']} KiB of the pool; an open file: {m['open_file_bytes']} B"
          f" and {m['open_file_pool_bytes']} B.")
    for text, one in meta["pools"].items():
        print(f"Metadata of {text}: {one['percent']} %"
              f" ({one['front_bytes'] >> 20} MiB in front, {one['heads_bytes'] >> 20} MiB in"
              " groups)")
    print(f"An empty file: {f['inode_bytes']} B inode + {f['name_bytes']} B for its name"
          f" (over {short(f['files'])} files); 100 M files:"
          f" {HUNDRED_MILLION * f['bytes'] / GIB:.1f} GiB")
