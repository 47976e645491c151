# SPDX-License-Identifier: BSD-3-Clause
"""What the fsck tests share: pools, the tools, and damage that takes more than one field."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

PAGE = 4096
GROUP = 32768
TIMEOUT = 60
KINDS = {'clean', 'crash', 'small', 'full'}


class Failure(Exception):
    """A test's expectation that did not hold."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def run(args, **kwargs):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=TIMEOUT, check=False, **kwargs)


class Tools:
    """Paths of the programs under test, and a folder for pools that is gone at the end."""

    def __init__(self, fsck, populate, corrupt):
        self.fsck_path, self.populate_path, self.corrupt_path = fsck, populate, corrupt
        base = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix='umfs-fsck-', dir=base)
        self.made = {}

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def base_pool(self, kind):
        if kind not in self.made:
            path = os.path.join(self.dir, 'base.' + kind)
            done = run([self.populate_path, kind, path])
            check(done.returncode == 0, 'populate %s: %s' % (kind, done.stderr.decode()))
            self.made[kind] = path
        return self.made[kind]

    def copy_pool(self, kind, name='pool'):
        path = os.path.join(self.dir, name)
        copy_sparse(self.base_pool(kind), path)
        return path

    def corrupt(self, pool, *args):
        done = run([self.corrupt_path, pool, *args])
        check(done.returncode == 0, 'corrupt %s: %s' % (args, done.stderr.decode()))
        return done.stdout.decode().strip()

    def list_fields(self):
        return run([self.corrupt_path, '--list']).stdout.decode().splitlines()

    def place(self, pool, obj):
        return int(self.corrupt(pool, '--place', obj))

    def fsck(self, *args):
        """Exit code, findings (list of dicts), the whole report."""
        done = run([self.fsck_path, '--json', *args])
        check(done.returncode >= 0, 'fsck %s died of signal %d' % (args, -done.returncode))
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise Failure('fsck %s: no JSON: %r %r' % (args, done.stdout, done.stderr)) from None
        check(report['exit'] == done.returncode, 'exit code in the report')
        return done.returncode, report['findings'], report


def data_ranges(path):
    """The parts of a sparse file that hold data."""
    end = os.path.getsize(path)
    with open(path, 'rb') as f:
        at = 0
        while at < end:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            stop = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            yield at, stop
            at = stop


def copy_sparse(source, target):
    if os.path.exists(target):
        os.unlink(target)
    with open(source, 'rb') as s, open(target, 'wb') as t:
        t.truncate(os.path.getsize(source))
        for at, stop in data_ranges(source):
            s.seek(at)
            t.seek(at)
            t.write(s.read(stop - at))


def contents(path):
    """Data of a sparse file, zeros left out, for comparison."""
    pages = {}
    with open(path, 'rb') as f:
        for at, stop in data_ranges(path):
            for page in range(at // PAGE, (stop + PAGE - 1) // PAGE):
                f.seek(page * PAGE)
                data = f.read(PAGE)
                if data.strip(b'\0'):
                    pages[page] = data
    return pages


def codes(findings):
    return {f['code'] for f in findings}


class Pool:
    """A pool file read and patched by hand, for what one field does not do."""

    def __init__(self, tools, path):
        self.tools, self.path = tools, path
        self.file = open(path, 'r+b', buffering=0)
        self.pages = self.get(88)
        self.ipg = self.get(136, 4)
        self.groups = self.get(140, 4)
        self.slots = self.get(148, 4)
        self.irecs = self.get(160, 4)
        self.ofds = self.get(168, 4)

    def get(self, at, size=8):
        self.file.seek(at)
        return int.from_bytes(self.file.read(size), 'little')

    def put(self, at, value, size=8):
        self.file.seek(at)
        self.file.write(value.to_bytes(size, 'little'))

    def put_bytes(self, at, data):
        self.file.seek(at)
        self.file.write(data)

    def at(self, obj):
        return self.tools.place(self.path, obj)

    def corrupt(self, *args):
        self.tools.corrupt(self.path, *args)

    def ino(self, path):
        return self.get(self.at('dentry:' + path) + 8, 4)

    def epoch(self):
        return self.get(PAGE + 8, 4)

    def bit(self, page, bit):
        return self.get(page * PAGE + bit // 8, 1) >> bit % 8 & 1

    def flip_bit(self, page, bit, want):
        """Flip a bit of a bitmap page; it must have been `not want`."""
        at = page * PAGE + bit // 8
        byte = self.get(at, 1)
        check((byte >> bit % 8 & 1) != want, 'bit %d of page %d already so' % (bit, page))
        self.put(at, byte ^ 1 << bit % 8, 1)

    def entry_page(self, obj):
        return (self.get(self.at(obj)) & 0x000ffffffffff000) // PAGE

    def lose_name(self, path):
        """Clear the start bit of a dentry: its directory forgets the name."""
        dentry, leaf = self.at('dentry:' + path), self.at('leaf:' + path)
        cell = (dentry - leaf) // 16
        at = leaf + 8 + cell // 8
        self.put(at, self.get(at, 1) & ~(1 << cell % 8), 1)

    def runs(self, path):
        """Runs of equal references in the top node of a directory: (first, count)."""
        first, found = self.at('dref:%s:0' % path), []
        i = 0
        while i < 512:
            n = 1
            while i + n < 512 and self.get(first + 8 * (i + n)) == self.get(first + 8 * i):
                n += 1
            found.append((first + 8 * i, n))
            i += n
        return found


# ---- damage that takes more than one field; `covers` are fields as fields.py counts them ----

SPECIAL = {}


def special(name, *covers):
    def add(fn):
        SPECIAL[name] = (fn, covers)
        return fn
    return add


@special('pagebit-used')
def _(p):
    page = p.entry_page('pte:height1:1:3') - p.groups
    p.flip_bit(p.groups + page // GROUP * GROUP, page % GROUP, False)


def free_page(p):
    """A free page of group 0 in a unit that is backed, since others of it are in use."""
    free = [n for n in range(2048) if not p.bit(p.groups, n)]
    return [n for n in free if any(p.bit(p.groups, k) for k in range(n & ~511, n))][-1]


@special('pagebit-free')
def _(p):
    p.flip_bit(p.groups, free_page(p), True)


@special('pagebit-unbacked')
def _(p):
    p.flip_bit(p.groups, GROUP - 1, True)


@special('pagebit-head')
def _(p):
    p.flip_bit(p.groups, 1, False)


@special('pagebit-tail')
def _(p):
    check(p.pages - p.groups < GROUP, 'the group is not short')
    p.flip_bit(p.groups, p.pages - p.groups, False)


@special('inodebit-used')
def _(p):
    p.flip_bit(p.groups + 1, p.ino('height1'), False)


@special('inodebit-free')
def _(p):
    p.flip_bit(p.groups + 1, p.ipg - 1, True)


@special('inodebit-zero')
def _(p):
    p.flip_bit(p.groups + 1, 0, False)


@special('inodebit-tail')
def _(p):
    p.flip_bit(p.groups + 1, p.ipg, False)


LEAF = 0x8000000000000267  # P RW US A D bit 9 NX; accessed and dirty mean nothing


@special('pte-head')
def _(p):
    p.put(p.at('pte:height1:1:3'), (p.groups + 1) * PAGE | LEAF)


@special('pte-unused-group')
def _(p):
    p.put(p.at('pte:height1:1:3'), (p.groups + GROUP + 5000) * PAGE | LEAF)


@special('pte-unbacked')
def _(p):
    p.put(p.at('pte:height1:1:3'), (p.groups + GROUP - 5) * PAGE | LEAF)


@special('pte-crossed')
def _(p):
    p.put(p.at('pte:height1:1:3'), (p.groups + free_page(p)) * PAGE | LEAF)


@special('pte-twice')
def _(p):
    p.put(p.at('pte:height1:1:4'), p.get(p.at('pte:height1:1:3')))


@special('pte-twice-other')
def _(p):
    p.put(p.at('pte:height1:1:4'), p.get(p.at('pte:height2:1:0')))


@special('pmd-twice')
def _(p):
    """A table of one file is another's, too, which has as many pages there."""
    p.put(p.at('pte:holes:2:1024'), p.get(p.at('pte:height2:2:512')) & ~(1 << 54))


@special('xattr-shared')
def _(p):
    p.put(p.at('inode:dir/hard1') + 88, p.get(p.at('inode:dir/link') + 88))
    p.file.flush()
    p.corrupt('inode:dir/hard1', 'nlink=+0', 'seal')


@special('xattr-twice')
def _(p):
    p.put_bytes(p.at('xentry:dir/hard1') + 24 + 8, b'user.one')
    p.file.flush()
    p.corrupt('xattr:dir/hard1', 'count=+0', 'seal')


@special('pmd-large-align')
def _(p):
    page = p.entry_page('pte:height2:1:0') | 1
    p.put(p.at('pte:height2:2:1536'), page * PAGE | LEAF | 1 << 7)


@special('pmd-loop')
def _(p):
    at = p.at('pte:height2:2:1536')
    p.put(at, at // PAGE * PAGE | 7)


@special('node-swap')
def _(p):
    runs = p.runs('big')
    for a, n in runs:
        for b, m in runs:
            if a < b and n == m:
                x, y = p.get(a), p.get(b)
                for i in range(n):
                    p.put(a + 8 * i, y)
                    p.put(b + 8 * i, x)
                return
    raise Failure('no two leaves of one depth')


@special('node-self')
def _(p):
    first = p.at('dref:big:0')
    p.put(first, first // PAGE * PAGE | 1)


@special('start-overlap', 'umfs_dleaf_pm.start')
def _(p):
    cell = (p.at('dentry:dir/hard1') - p.at('leaf:dir/hard1')) // 16 + 1
    at = p.at('leaf:dir/hard1') + 8 + cell // 8
    p.put(at, p.get(at, 1) | 1 << cell % 8, 1)


@special('start-lost', 'umfs_dleaf_pm.start')
def _(p):
    p.lose_name('dir/fifo')


@special('name-slash')
def _(p):
    seal_at(p, p.at('dentry:dir/socket'), b'so/ket')


@special('name-dots')
def _(p):
    seal_at(p, p.at('dentry:dir/fifo'), b'..')


@special('dir-two-names')
def _(p):
    other = p.ino('other')
    p.corrupt('dentry:dir/sub/hard2', 'ino=%d' % other, 'type=4', 'seal')


@special('name-twice')
def _(p):
    a, b = p.at('dentry:dir/sub/deep'), p.at('dentry:dir/sub/hard2')
    p.file.seek(a)
    p.put_bytes(b, p.file.read(32))
    leaf = a // PAGE * PAGE
    p.put(leaf + 64 + (b - leaf) // 16, p.get(a, 1), 1)


@special('dir-loop')
def _(p):
    top, other = p.ino('dir'), p.ino('other')
    p.corrupt('dentry:dir/sub/deep', 'ino=%d' % top, 'seal')
    p.corrupt('dentry:dir', 'ino=%d' % other, 'seal')


@special('dir-lost')
def _(p):
    p.lose_name('other')


@special('file-lost')
def _(p):
    p.lose_name('dir/socket')


@special('top-lost')
def _(p):
    p.lose_name('dir')


def lose_all(p, page):
    """All names in a leaf."""
    for word in range(4):
        p.put(page * PAGE + 8 + 8 * word, 0)


@special('names-lost')
def _(p):
    """All names of the large directory: hundreds for lost+found."""
    first = p.at('dref:big:0')
    for page in {(p.get(first + 8 * i) & 0x000ffffffffff000) // PAGE for i in range(512)}:
        lose_all(p, page)


@special('root-lost')
def _(p):
    lose_all(p, p.at('leaf:dir') // PAGE)


@special('dir-in-data')
def _(p):
    """A directory's page is said to be where a file has its data."""
    page = p.entry_page('pte:height1:1:3')
    ref = p.get(p.at('inode:dir/sub') + 32)
    p.corrupt('inode:dir/sub', 'root=%d' % (ref & 0xfff | page << 12), 'seal')


@special('dir-in-other')
def _(p):
    """Or where another directory has its."""
    ref = p.get(p.at('inode:dir') + 32)
    p.corrupt('inode:dir/sub', 'root=%d' % ref, 'seal')


@special('orphan-left', 'umfs_inode_pm.nlink')
def _(p):
    ino = p.ino('height2')
    p.lose_name('height2')
    p.corrupt('inode:#%d' % ino, 'nlink=0', 'seal')
    p.corrupt('inode:/', 'entries=%d' % (p.get(p.at('inode:/') + 72) - 1), 'seal')


@special('orphan-dir-left', 'umfs_inode_pm.nlink')
def _(p):
    ino, root = p.ino('other'), p.at('inode:/')
    p.lose_name('other')
    p.corrupt('inode:#%d' % ino, 'nlink=0', 'seal')
    p.corrupt('inode:/', 'entries=%d' % (p.get(root + 72) - 1),
              'nlink=%d' % (p.get(root + 16, 4) - 1), 'seal')


@special('swap-old', 'umfs_lane_pm.swap_old')
def _(p):
    at = p.at('pte:height1:1:3')
    p.corrupt('lane:3', 'swap_entry=%d' % at, 'swap_old=0x1000', 'swap_new=%d' % p.get(at), 'seal')


@special('swap-new', 'umfs_lane_pm.swap_new')
def _(p):
    at = p.at('pte:height1:1:3')
    p.corrupt('lane:3', 'swap_entry=%d' % at, 'swap_old=%d' % p.get(at), 'swap_new=0x1000', 'seal')


@special('ulog-generation', 'umfs_ulog_pm.generation')
def _(p):
    ino = p.ino('height1')
    generation = p.get(p.at('inode:height1') + 20, 4)
    p.corrupt('ulog:3', 'state=3', 'ino=%d' % ino, 'generation=%d' % (generation + 1), 'off=0',
              'len=0', 'size=100', 'data_crc=0', 'seal')


def irec(p, ino, *fields):
    p.corrupt('irec:%d' % (p.irecs - 1), 'key=%d' % (p.epoch() << 32 | ino), *fields)


def ofd(p, *fields):
    p.corrupt('ofd:%d' % (p.ofds - 1), 'key=%d' % (p.epoch() << 32 | 77), *fields)


@special('irec-at-rest', 'umfs_irec_pm.key')
def _(p):
    irec(p, 2)


@special('irec-ino', 'umfs_irec_pm.key')
def _(p):
    irec(p, 0x7fffffff, 'opens[0]=1')


@special('irec-flags', 'umfs_irec_pm.flags')
def _(p):
    irec(p, 2, 'opens[0]=1', 'flags=16')


@special('irec-generation', 'umfs_irec_pm.generation')
def _(p):
    for n in range(p.irecs):
        at = p.at('irec:%d' % n)
        if p.get(at) >> 32 == p.epoch() and p.get(at + 8, 4) & 1:
            p.corrupt('irec:%d' % n, 'generation=+1')
            return
    raise Failure('no record of an orphan')


@special('irec-opens', 'umfs_irec_pm.opens')
def _(p):
    check(p.slots < 256, 'every bit has a slot')
    irec(p, 2, 'opens[3]=0x8000000000000000')


@special('ofd-at-rest', 'umfs_ofd_pm.key')
def _(p):
    ofd(p, 'ino=2')


@special('ofd-ino', 'umfs_ofd_pm.ino')
def _(p):
    ofd(p, 'ino=0x7fffffff', 'slots[0]=1')


@special('ofd-irec', 'umfs_ofd_pm.irec')
def _(p):
    ofd(p, 'ino=2', 'irec=0x7fffffff', 'slots[0]=1')


@special('ofd-slots', 'umfs_ofd_pm.slots')
def _(p):
    check(p.slots < 256, 'every bit has a slot')
    ofd(p, 'ino=2', 'slots[3]=0x8000000000000000')


# ---- dentries changed in their names: the tool finds them by name, so seal them here ----

def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def seal_at(p, at, name):
    """Give the dentry at `at` another name, its check with it."""
    p.file.seek(at)
    head = p.file.read(13) + bytes([len(name)])
    p.put_bytes(at, head + struct.pack('<H', crc32c(head + name) & 0xffff) + name)


# ---- the table ----

def read_cases(path):
    """(name, kind, commands, code, mended) of each line."""
    found = []
    with open(path, encoding='ascii') as f:
        for number, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith('#'):
                continue
            parts = [part.strip() for part in line.split('|')]
            check(len(parts) == 5, 'line %d of the cases: five columns' % number)
            check(parts[1] in KINDS, 'line %d of the cases: kind of pool' % number)
            found.append((parts[0], parts[1], [c.strip() for c in parts[2].split(';')],
                          parts[3], parts[4]))
    names = [c[0] for c in found]
    check(len(names) == len(set(names)), 'two cases of one name')
    return found


def damage(tools, pool, commands):
    for command in commands:
        if command.startswith('@'):
            p = Pool(tools, pool)
            SPECIAL[command[1:]][0](p)
            p.file.close()
        else:
            tools.corrupt(pool, *command.split())


def main(test, argv):
    """Common command line: FSCK POPULATE CORRUPT [extra...]; prints what failed, exits 0 or 1."""
    tools = Tools(*[os.path.abspath(a) for a in argv[1:4]])
    try:
        failed = test(tools, *argv[4:])
    except Failure as failure:
        failed = [str(failure)]
    finally:
        tools.close()
    for line in failed:
        print('FAILED', line)
    sys.exit(1 if failed else 0)
