# SPDX-License-Identifier: BSD-3-Clause
"""What a report says of the machine that it was made on."""
import mmap
import os
import platform
import statistics
import time

THP = "/sys/kernel/mm/transparent_hugepage"


def first_value(path, key):
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    return "unknown"


def chosen(path):
    """The word in brackets."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return "unknown"


def new_page_us(advice):
    """Microseconds for 4 KiB of memory that this process has not had, the processor's and the
    host's part of it together. The median of five: some of it others may have just let go of."""
    size, page, costs = 32 << 20, 4096, []
    for _ in range(5):
        with mmap.mmap(-1, size) as memory:
            memory.madvise(advice)
            begun = time.perf_counter()
            for at in range(0, size, page):
                memory[at] = 1
            costs.append((time.perf_counter() - begun) / (size // page) * 1e6)
    return round(statistics.median(costs), 2)


def machine():
    return {"new_page_us": new_page_us(mmap.MADV_NOHUGEPAGE),
            "new_page_huge_us": new_page_us(mmap.MADV_HUGEPAGE),
            "cpu": first_value("/proc/cpuinfo", "model name"), "cpus": os.cpu_count(),
            "memory_mib": int(first_value("/proc/meminfo", "MemTotal").split()[0]) >> 10,
            "kernel": platform.release(), "libc": " ".join(platform.libc_ver()),
            "shmem_enabled": chosen(f"{THP}/shmem_enabled"), "thp_enabled": chosen(f"{THP}/enabled"),
            "load_before": round(os.getloadavg()[0], 2)}


def words(m):
    """In a line. What else the machine did is part of it: times on a busy one tell little."""
    text = (f"{m['cpu']}, {m['cpus']} CPUs, {m['memory_mib']} MiB, Linux {m['kernel']}, "
            f"{m['libc']}; load before the run {m['load_before']}")
    if "new_page_us" in m:
        text += (f"; memory that is new costs {m['new_page_us']} µs for 4 KiB, in huge pages "
                 f"{m['new_page_huge_us']}")
    return text
