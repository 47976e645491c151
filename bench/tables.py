# SPDX-License-Identifier: BSD-3-Clause
"""The generated parts of docs/PERFORMANCE.md: each a function of the report, in Markdown.

A part stands between "<!-- generated: NAME -->" and "<!-- end -->".
"""
import re
import statistics

from machine import words
import sides

PART = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->\n)", re.S)
NONE = "*Not measured yet: `bench/report` makes this part.*\n"
COLUMNS = (("tmpfs", "tmpfs"), ("umfs", "UMFS"), ("raw", "raw"), ("ext4", "ext4, disk"),
           ("ext4_loop", "ext4, memory"), ("fuse", "FUSE mount"))
TIMED_ALONE = ("load", "foreign", "foreign_read", "foreign_write", "foreign_close",
               "foreign_fstat", "touch", "touch_process")
BLOCK_SHOWN = ("64", "4096", "65536", "1048576")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def ns(value):
    """Three digits."""
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} ns"


def seconds(value):
    return ns(value * 1e9)


def times(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def part_machine(report):
    text = words(report["run"]["machine"]) + ".\n\n"
    text += (f"Files of {report['run']['file_bytes'] >> 20} MiB, {report['run']['rounds']} rounds;"
             f" huge pages (`shmem_enabled` is {report['run']['machine']['shmem_enabled']}):\n\n")
    text += table(["side", "huge pages"], report["run"]["huge_pages"].items())
    absent = {**report["run"].get("absent", {}), **report["throughput_report"].get("absent", {}),
              **report["apps"].get("absent", {})}
    for name, why in absent.items():
        text += f"\n**Not measured**: {sides.TITLES.get(name, name)}: {why}\n"
    return text


def part_commands(report):
    rows = [(f"`{step['command']}`", f"{step['seconds']:.0f} s") for step in report["steps"]]
    return table(["command", "took"], rows)


def part_calls(report):
    rows = {k: r for k, r in all_results(report).items()
            if "vs_tmpfs" in r and k not in TIMED_ALONE}
    shown = [(c, t) for c, t in COLUMNS if any(c in r for r in rows.values())]
    lines = []
    for row in rows.values():
        cells = [ns(row[c]["median"]) if c in row else "-" for c, _ in shown]
        lines.append([row["title"], *cells, times(row["vs_tmpfs"]),
                      times(row["vs_raw"]) if "vs_raw" in row else "-"])
    return table(["call", *(t for _, t in shown), "× tmpfs", "× raw"], lines)


def part_processes(report):
    results = all_results(report)
    rows = []
    for key in TIMED_ALONE:
        if key in results:
            r = results[key]
            rows.append([r["title"], ns(r["tmpfs"]["median"]), ns(r["umfs"]["median"]),
                         f"{r['added_ns'] / 1000:+.3g} µs"])
    text = table(["what", "tmpfs", "UMFS", "difference"], rows)
    if "two" in results:
        two = results["two"]
        kinds = ("tmpfs", "umfs", "raw")
        text += "\n" + table([f"{two['title']}, × one", *kinds],
                             [[what, *(times(one[k]) if k in one else "-" for k in kinds)]
                              for what, one in two["calls"].items()])
    if "space" in results:
        text += f"\nSpace after random overwrites: {results['space']['ratio']} × the file.\n"
    return text


def part_aims(report):
    """As bench/judge says it."""
    judged, runs = report["judged"], 1 + len(report.get("more", []))
    rows = [[j["title"], j["bound"], j["got"], *([", ".join(j["all"])] if runs > 1 else []),
             j["raw"], j["verdict"]] for j in judged]
    met = sum(j["verdict"] == "met" for j in judged)
    text = f"{met} of {len(rows)} met"
    if runs > 1:
        return (f"{text}, in the median of {runs} runs; the module's was measured once.\n\n" +
                table(["what", "aim", "median", "of", "raw itself", ""], rows))
    return f"{text}.\n\n" + table(["what", "aim", "measured", "raw itself", ""], rows)


def part_throughput(report):
    fio = report["throughput_report"]
    text = (f"A file of {fio['file_bytes'] >> 20} MiB for each thread; median of {fio['rounds']}"
            f" rounds of {fio['ms']} ms; MiB a second of all threads.\n")
    threads = sorted({key.split()[1] for key in fio["throughput"]})
    for count in threads:
        text += f"\n![fio, {count} threads](plots/throughput-{count}.svg)\n"
    names = {**sides.TITLES, "mmap": "fio mmap", "null": "fio null"}
    for count in threads:
        rows = []
        for key, row in fio["throughput"].items():
            pattern, of = key.split()
            if of == count:
                rows += [[pattern, block, *(f"{row[s][block]:.0f}" for s in fio["sides"])]
                         for block in BLOCK_SHOWN]
        text += f"\n{count} thread{'s' if count != '1' else ''}:\n\n"
        text += table(["pattern", "bytes", *(names[s] for s in fio["sides"])], rows)
    return text


def part_paper(report):
    """What the paper says of its Figures 5 and 6: the mean ratio over all sizes of requests."""
    fio = report["throughput_report"]
    others = [s for s in ("tmpfs", "ext4", "ext4_loop", "fuse") if s in fio["sides"]]
    rows = []
    for key, row in fio["throughput"].items():
        pattern, count = key.split()
        cells = []
        for other in others:
            ratios = [row["atomic"][b] / row[other][b] for b in row["atomic"] if row["atomic"][b] and row[other][b]]
            cells.append(f"{times(statistics.geometric_mean(ratios))}"
                         f" ({times(min(ratios))} to {times(max(ratios))})" if ratios else "-")
        rows.append([pattern, count, *cells])
    return table(["pattern", "threads", *(f"× {sides.TITLES[o]}" for o in others)], rows)


def part_map(report):
    rows = report.get("kernel")
    if not rows:
        return NONE
    text = "![open and map](plots/open-map.svg)\n\nThousands of the guest's instructions:\n\n"
    keys = (("splice_first", "UMFS, first"), ("splice_next", "UMFS, next"),
            ("populate", "tmpfs MAP_POPULATE"), ("lazy", "tmpfs, one page"))
    return text + table(["KiB", *(t for _, t in keys)],
                        [[r["kib"], *(r.get(k, "-") for k, _ in keys)] for r in rows])


def part_memory(report):
    row = all_results(report).get("memory")
    if not row:
        return NONE
    from memory import FIELDS, STEPS
    head = ["KiB after", *(f"{s} {f}" for f in FIELDS for s in ("tmpfs", "UMFS"))]
    rows = [[text, *(row[s][step][f] for f in FIELDS for s in ("tmpfs", "umfs"))]
            for step, text in STEPS.items() if step in row["umfs"]]
    text = table(head, rows)
    if "umfs_open_file_bytes" in row:
        text += (f"\nAn open file: {row['umfs_open_file_bytes']} bytes of a process's own under"
                 f" libumfs, {row['tmpfs_open_file_bytes']} on tmpfs. Page tables for the mapped"
                 f" file of {row['file_bytes'] >> 20} MiB: {row['umfs_mapped_table_kib']} KiB,"
                 f" on tmpfs {row['tmpfs_mapped_table_kib']} KiB.\n")
    return text


def part_scale(report):
    results = all_results(report)
    if "flat_pools" not in results:
        return NONE
    rows = []
    for name, row in results["flat_pools"]["pools"].items():
        rows.append([name,
                     f"{ns(row['format_ns'])} ({row['format_pages']})" if "format_ns" in row else "-",
                     f"{ns(row['attach_ns'])} ({row['attach_pages']})",
                     f"{ns(row['recovery_10_ns'])} ({row['recovery_10_pages']})",
                     f"{ns(row['recovery_10000_ns'])} ({row['recovery_10000_pages']})",
                     f"{ns(row['fsck_ns'])}, {row['fsck_kib'] >> 10} MiB"])
    text = table(["pool", "mkfs (pages touched)", "attach", "recovery, 10 open",
                  "recovery, 10 000 open", "fsck"], rows)
    names = []
    for key in ("flat_lookup", "flat_lookup_random", "flat_create", "flat_delete"):
        for size, one in results[key]["sizes"].items():
            names.append([results[key]["title"], "1 000 × 1 000" if size == "tree" else size,
                          ns(one["umfs"]), ns(one["tmpfs"]) if "tmpfs" in one else "-",
                          one.get("pages", "-")])
    text += "\n" + table(["call", "names in the directory", "UMFS", "tmpfs", "pages touched"], names)
    f, fsck = results["flat_file"], results["flat_fsck"]
    text += (f"\nAn empty file takes {f['inode_bytes']} bytes (inode) and {f['name_bytes']} bytes"
             f" (name): *n* files take *n* × {f['bytes']} bytes, 100 million"
             f" {f['bytes'] * 1e8 / 2 ** 30:.1f} GiB. fsck takes {fsck['file_ns']} ns and"
             f" {fsck['file_bytes']} bytes a file (resident: the pool's own pages that it looks at"
             f" are among them), measured over {fsck['files']} files: 100 million"
             f" {fsck['of_100_m_s']} s of CPU and {fsck['of_100_m_gib']} GiB.\n")
    return text


def part_apps(report):
    apps = report["apps"]
    others = [s for s in apps["sides"] if s != "tmpfs"]
    head = ["program", "what", "bound by small I/O"]
    head += [f"{sides.TITLES[s]}, {k}" for s in apps["sides"] for k in ("wall", "CPU")]
    head += [f"{sides.TITLES[s]} × tmpfs, {k}" for s in others if s != "ext4" for k in ("wall", "CPU")]
    rows = []
    for row in apps["apps"].values():
        cold = ", cold" if row["step"].endswith(" cold") else ""
        line = [row["app"], row["title"] + cold, "yes" if row["small"] else ""]
        line += [seconds(row[s][k]["median"]) for s in apps["sides"] for k in ("wall_s", "cpu_s")]
        line += [times(row[s][k] or 0) for s in others if s != "ext4"
                 for k in ("wall_vs_tmpfs", "cpu_vs_tmpfs")]
        rows.append(line)
    return table(head, rows)


def all_results(report):
    return {**report["run"]["results"], **report["million"]["results"],
            **report["scale"]["results"]}


def names():
    return [key[len("part_"):] for key in globals() if key.startswith("part_")]


def generate(text, report):
    """The document with all its generated parts made of the report; None: they say so."""
    def part(match):
        make = globals()[f"part_{match[2]}"]
        return match[1] + (make(report) if report else NONE) + match[4]
    return PART.sub(part, text)
