#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/SPEC.md against the code and the cases.

Every field of every struct of core/format.h stands in a table of SPEC.md with the offset
and size the compiler gives it; every `checked` field has a damaged pool in `cases`; every
`free` field, set to anything, is no finding.
"""
import re
import sys

from fscktest import SPECIAL, Failure, check, codes, main, read_cases

OBJECT_STRUCT = {
    'super': 'umfs_super_pm', 'backup': 'umfs_super_pm', 'runtime': 'umfs_runtime_pm',
    'slot': 'umfs_slot_pm', 'group': 'umfs_group_pm', 'inode': 'umfs_inode_pm',
    'leaf': 'umfs_dleaf_pm', 'dentry': 'umfs_dentry_pm', 'lane': 'umfs_lane_pm',
    'rec': 'umfs_rec_pm', 'ulog': 'umfs_ulog_pm', 'reserve': 'umfs_ulog_pm',
    'lease': 'umfs_lease_pm',
    'xattr': 'umfs_xattr_pm', 'xentry': 'umfs_xentry_pm',
    'irec': 'umfs_irec_pm', 'ofd': 'umfs_ofd_pm',
}

# Where a free field is set to anything: pool, object, and whether a checksum covers it.
FREE_AT = {
    'umfs_super_pm': ('clean', 'super', True),
    'umfs_runtime_pm': ('clean', 'runtime', False),
    'umfs_slot_pm': ('clean', 'slot:0', False),
    'umfs_group_pm': ('clean', 'group:0', False),
    'umfs_inode_pm': ('clean', 'inode:height1', True),
    'umfs_dleaf_pm': ('clean', 'leaf:dir/fifo', False),
    'umfs_xattr_pm': ('clean', 'xattr:dir/hard1', True),
    'umfs_xentry_pm': ('clean', 'xentry:dir/hard1', True),
    'umfs_lane_pm': ('clean', 'lane:0', False),
    'umfs_rec_pm': ('clean', 'rec:0', False),
    'umfs_ulog_pm': ('clean', 'ulog:0', False),
    'umfs_lease_pm': ('clean', 'lease:0', False),
    'umfs_irec_pm': ('crash', 'irec:0', False),
    'umfs_ofd_pm': ('crash', 'ofd:0', False),
}


def read_spec(path):
    """{(struct, field): (offset, size, mark)}"""
    found, current = {}, None
    with open(path, encoding='utf-8') as f:
        for line in f:
            head = re.match(r'### struct (umfs_\w+_pm)', line)
            if head:
                current = head.group(1)
            elif line.startswith('#'):
                current = None
            row = re.match(r'\| (\d+) \| (\d+) \| `(\w+)` \|.*\| (\S[^|]*) \|$', line)
            if row and current:
                mark = row.group(4).strip()
                check(mark in ('checked', 'free'), '%s.%s: mark %r' % (current, row.group(3), mark))
                found[current, row.group(3)] = (int(row.group(1)), int(row.group(2)), mark)
    return found


def read_header(path):
    """{(struct, field)} of format.h."""
    found = set()
    with open(path, encoding='utf-8') as f:
        text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
    for name, body in re.findall(r'struct (umfs_\w+_pm) \{(.*?)\n\};', text, flags=re.S):
        for _, names in re.findall(r'\ble(8|16|32|64) ([^;]+);', body):
            for field in names.split(','):
                found.add((name, re.match(r'\s*(\w+)', field).group(1)))
    return found


def read_layout(tools):
    found = {}
    for line in tools.list_fields():
        struct, field, off, size = line.split()
        found[struct, field] = (int(off), int(size))
    return found


def covered(cases):
    """Fields that some case damages and expects to be found."""
    found = set()
    for _, _, commands, _, _ in cases:
        for command in commands:
            if command.startswith('@'):
                for cover in SPECIAL[command[1:]][1]:
                    found.add(tuple(cover.split('.')))
                continue
            words = command.split()
            struct = OBJECT_STRUCT.get(words[0].split(':')[0])
            if words[0].startswith('tag:'):
                found.add(('umfs_dleaf_pm', 'tag'))
            for word in words[1:]:
                if struct and '=' in word:
                    found.add((struct, word.split('=')[0].split('[')[0]))
    return found


def compare(failed, spec, layout, header):
    for key in sorted(header - set(spec)):
        failed.append('%s.%s is not in SPEC' % key)
    for key in sorted(set(spec) - header):
        failed.append('%s.%s is in SPEC and not in format.h' % key)
    for key in sorted(header ^ set(layout)):
        failed.append('%s.%s: corrupt and format.h differ' % key)
    for key, (off, size, _) in spec.items():
        if key in layout and layout[key] != (off, size):
            failed.append('%s.%s: SPEC says %d+%d, the compiler %d+%d' %
                          (key + (off, size) + layout[key]))


def set_free(tools, struct, field, size):
    """Set a free field (its first element) to anything."""
    kind, obj, sealed = FREE_AT[struct]
    pool = tools.copy_pool(kind)
    element = field + '[0]' if size > 8 or field.startswith('pad') and size not in (4, 8) else field
    for target in (obj, 'backup') if obj == 'super' else (obj,):
        args = [target, element + '=^0x5a']
        tools.corrupt(pool, *args, *(['seal'] if sealed else []))
    status, found, _ = tools.fsck('-n', pool)
    check(status == 0, '%s.%s is free, yet: %s' % (struct, field, sorted(codes(found))))


def test(tools, cases_path, spec_path, header_path):
    failed = []
    spec, header = read_spec(spec_path), read_header(header_path)
    check(len(header) > 80, 'only %d fields found in format.h' % len(header))
    compare(failed, spec, read_layout(tools), header)
    have = covered(read_cases(cases_path))
    free = 0
    for key, (_, size, mark) in sorted(spec.items()):
        if mark == 'checked' and key not in have:
            failed.append('%s.%s: no case damages it' % key)
        if mark == 'free':
            free += 1
            try:
                set_free(tools, *key, size)
            except Failure as failure:
                failed.append(str(failure))
    print('%d fields, %d of them free' % (len(spec), free))
    return failed


if __name__ == '__main__':
    main(test, sys.argv)
