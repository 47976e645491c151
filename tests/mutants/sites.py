#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
sites.py - core with a switch at each place that flushes, fences or publishes.

    sites.py IN.c OUT.c     the same source, each such call made a site (site.h)
    sites.py --list FILE... the sites, one a line

A site is a call, as a statement, of one of the functions below, or a store that
its comment calls a commit point. umfs_persist64() is three: store, flush, fence.
"""
import os
import re
import sys

KINDS = {
    'flush': ['umfs_flush', 'port_flush_lines', 'flush_saved'],
    'fence': ['umfs_fence', 'umfs_drain', 'umfs_tx_fence', 'umfs_write_drain', 'settle'],
    'publish': ['umfs_tx_commit', 'umfs_inode_set_size', 'umfs_ulog_arm', 'umfs_ulog_retire',
                'umfs_swap_commit', 'umfs_promise_make', 'umfs_irec_flag'],
    'persist': ['umfs_persist64'],
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
CALL = re.compile(r'(?<![\w>.])(' + '|'.join(KIND_OF) + r'|st32|st64)\(')
# `settle` is a fence in one file; elsewhere the name means something else.
ONLY_IN = {'settle': 'write_page.c'}


def blank_comments(text):
    return re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', ' ', m.group()), text, flags=re.S)


def end_of_call(text, at):
    """Behind the bracket that closes the one at `at`."""
    depth = 0
    while True:
        depth += {'(': 1, ')': -1}.get(text[at], 0)
        at += 1
        if not depth:
            return at


def is_statement(code, start, end):
    before = code[:start].rstrip()
    return code[end:end + 1] == ';' and (before[-1:] in ';{})' or before.endswith('else'))


def sites(path, text):
    """(start, end, kind, name, line) of each."""
    code = blank_comments(text)
    for m in CALL.finditer(code):
        name, end = m.group(1), end_of_call(code, m.end() - 1)
        if ONLY_IN.get(name, os.path.basename(path)) != os.path.basename(path):
            continue
        if not is_statement(code, m.start(), end):
            continue
        kind = KIND_OF.get(name)
        if not kind:
            if 'commit point' not in text[end:text.index('\n', end)]:
                continue
            kind = 'publish'
        yield m.start(), end, kind, name, text.count('\n', 0, m.start()) + 1


def instrument(path, text):
    out, at = ['#include "site.h"\n#line 1 "core/%s"\n' % os.path.basename(path)], 0
    for start, end, kind, name, line in sites(path, text):
        call = text[start:end]
        where = '"%s", %d' % (os.path.basename(path), line)
        out.append(text[at:start])
        if kind == 'persist':
            out.append('UMFS_SITE_PERSIST(%s, %s' % (where, call[call.index('(') + 1:]))
        else:
            out.append('UMFS_SITE(%s, "%s", %s)' % (where, kind, call))
        at = end
    return ''.join(out) + text[at:]


def main():
    if sys.argv[1] == '--list':
        count = 0
        for path in sys.argv[2:]:
            text = open(path).read()
            for start, end, kind, name, line in sites(path, text):
                for part in ['store', 'flush', 'fence'] if kind == 'persist' else [kind]:
                    print('%s:%d %s %s' % (os.path.basename(path), line, part, name))
                    count += 1
        print('%d sites' % count)
    else:
        text = open(sys.argv[1]).read()
        with open(sys.argv[2], 'w') as out:
            out.write(instrument(sys.argv[1], text))


main()
