#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
leave_out.py - a file of core that is wrong on purpose.

    leave_out.py IN.c OUT.c OLD NEW

OLD, which has to stand there exactly once, becomes NEW.
"""
import sys

name, out, old, new = sys.argv[1:]
with open(name, encoding="utf-8") as file:
    text = file.read()
if text.count(old) != 1:
    sys.exit(f"{name}: {old!r} stands there {text.count(old)} times")
with open(out, "w", encoding="utf-8") as file:
    file.write(text.replace(old, new))
