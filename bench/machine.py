# SPDX-License-Identifier: BSD-3-Clause
"""What a report says of the machine that it was made on."""
import os
import platform

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


def machine():
    return {"cpu": first_value("/proc/cpuinfo", "model name"), "cpus": os.cpu_count(),
            "memory_mib": int(first_value("/proc/meminfo", "MemTotal").split()[0]) >> 10,
            "kernel": platform.release(), "libc": " ".join(platform.libc_ver()),
            "shmem_enabled": chosen(f"{THP}/shmem_enabled"), "thp_enabled": chosen(f"{THP}/enabled"),
            "load_before": round(os.getloadavg()[0], 2)}


def words(m):
    """In a line. What else the machine did is part of it: times on a busy one tell little."""
    return (f"{m['cpu']}, {m['cpus']} CPUs, {m['memory_mib']} MiB, Linux {m['kernel']}, "
            f"{m['libc']}; load before the run {m['load_before']}")
