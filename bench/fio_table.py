#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Print two JSON reports of the same fio job file, tmpfs and UMFS, as one table."""
import json
import sys


def load(path):
    # A preloaded library or fio itself may have put a line before the JSON.
    with open(path, encoding="utf-8") as file:
        text = file.read()
    jobs = json.loads(text[text.index("{"):])["jobs"]
    for job in jobs:
        if job.get("error"):
            sys.exit(f"{path}: fio reports error {job['error']} in job {job['jobname']}")
    return {job["jobname"]: job for job in jobs}


def rate(job):
    """Calls a second and MiB a second, whichever direction the job has."""
    side = max((job["read"], job["write"]), key=lambda s: s["total_ios"])
    return side["iops"], side["bw_bytes"] / (1 << 20)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: fio_table.py TMPFS.json UMFS.json")
    tmpfs, umfs = load(sys.argv[1]), load(sys.argv[2])
    head = (f"{'fio job (psync)':<18}{'tmpfs calls/s':>15}{'UMFS calls/s':>15}"
            f"{'tmpfs MiB/s':>14}{'UMFS MiB/s':>13}{'ratio':>9}")
    print(head)
    print("-" * len(head))
    for name, job in tmpfs.items():
        a, b = rate(job), rate(umfs[name])
        if not a[0] or not b[0]:
            sys.exit(f"job {name} made no calls")
        print(f"{name:<18}{a[0]:>15,.0f}{b[0]:>15,.0f}{a[1]:>14,.0f}{b[1]:>13,.0f}"
              f"{b[0] / a[0]:>8.2f}x")


if __name__ == "__main__":
    main()
