# SPDX-License-Identifier: BSD-3-Clause
"""The damaged pools of tests/fsck, as what has to be written to a device to have them."""
import os
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'fsck'))

import fscktest  # noqa: E402

PAGE = 4096


def chunk(off, data):
    return struct.pack('<QQ', off, len(data)) + data


def whole(path):
    """All data of a sparse file."""
    out = []
    with open(path, 'rb') as file:
        for at, stop in fscktest.data_ranges(path):
            file.seek(at)
            out.append(chunk(at, file.read(stop - at)))
    return b''.join(out)


def changed(base, path):
    """The pages of `path` that are not as in `base`."""
    out = []
    with open(base, 'rb') as old, open(path, 'rb') as new:
        for at, stop in fscktest.data_ranges(path):
            old.seek(at)
            new.seek(at)
            before, after = old.read(stop - at), new.read(stop - at)
            if before == after:
                continue
            for i in range(0, len(after), PAGE):
                if before[i:i + PAGE] != after[i:i + PAGE]:
                    out.append(chunk(at + i, after[i:i + PAGE]))
    return b''.join(out)


def make(build, target):
    """base.KIND and NAME:KIND in the folder `target`; their names."""
    tools = fscktest.Tools(*[os.path.join(build, program) for program in (
        'fsck/fsck.umfs', 'tests/fsck/fsck-populate', 'tests/fsck/fsck-corrupt')])
    os.makedirs(target, exist_ok=True)
    names = []

    def put(name, data):
        with open(os.path.join(target, name), 'wb') as file:
            file.write(data)
        names.append(name)

    try:
        for kind in sorted(fscktest.KINDS):
            put('base.' + kind, whole(tools.base_pool(kind)))
        for name, kind, commands, _, _ in fscktest.read_cases(
                os.path.join(ROOT, 'tests', 'fsck', 'cases')):
            pool = tools.copy_pool(kind)
            fscktest.damage(tools, pool, commands)
            put('%s:%s' % (name, kind), changed(tools.base_pool(kind), pool))
    finally:
        tools.close()
    return names
