# SPDX-License-Identifier: BSD-3-Clause
"""What a crash left, brought back to order in memory: chapters 6 to 9 of SPEC.md.

Of §9 all that changes what can be seen by names: transactions, undo logs, the bits of
spare pages. Left out is what only frees: records are not settled, so that files without a
name stay, and the counts of groups are not looked at.

R1  Everything that is read here may be damaged: what makes no sense is skipped, and said.
"""
import collections
import struct

from media import Damage, GROUP_PAGES, PAGE, crc32c, need
from objects import (ADDRESS, IGNORED, PSE, REGULAR, REGULAR_MAX, Table, inode_offset, kind_of,
                     raw_inode, size_check, size_of)

CLEAN = 0x636c65616e2e2e2e
LANE_BYTES, LANE_PAGES, RECORDS = 8192, 4, 128
ULOG_HEAD, LANE_ULOG_ROOM = 64, 8128
RESERVE_PAGES, RESERVE_ROOM = 514, 2 << 20
LEASES, LEASE_PAGES, LEASE_ROOM = 30, 17, 65536
IDLE, ACTIVE, COMMITTED = 0, 1, 2
BYTES, PAGES_ALLOC, PAGES_FREE, INODE_ALLOC, INODE_FREE, FPT = 1, 2, 3, 4, 5, 6

Record = collections.namedtuple('Record', 'crc type len txid where count data')
RECORD = struct.Struct('<IHHQQQ')
Ulog = collections.namedtuple('Ulog', 'state ino generation off len size data_crc crc lock')
ULOG = struct.Struct('<QIIQQQIIQ')


def is_at_rest(media):
    return media.u64(PAGE) == CLEAN


class Recovery:
    def __init__(self, media, report):
        self.media, self.report, self.sb = media, report, media.sb

    def run(self):
        used = list(self.slots())
        for slot, _, unused in used:
            self.lanes(slot, unused)
        for slot, incarnation, _ in used:
            self.reserves(slot, incarnation)

    def slots(self):
        for slot in range(self.sb.slot_count):
            incarnation, state, unused = struct.unpack(
                '<II16xQ', self.media.read(2 * PAGE + 64 * slot, 32))
            if state:
                if state > 2:
                    self.report('slot %d: state' % slot)
                yield slot, incarnation, unused if unused >> 32 == incarnation else 0

    def lanes(self, slot, unused):
        for n in range(self.sb.lanes_per_slot):
            lane = slot * self.sb.lanes_per_slot + n
            if unused >> n & 1:
                self.media.seen['lane that was not used'] += 1
                continue
            where = (self.sb.lanes_page + lane * LANE_PAGES) * PAGE
            self.attempt('lane %d' % lane, self.journal, where)
            self.attempt('log of lane %d' % lane, self.log, where + LANE_BYTES, LANE_ULOG_ROOM)
            self.attempt('lane %d' % lane, self.spare, where)

    def reserves(self, slot, incarnation):
        for reserve in range(self.sb.reserve_count):
            where = (self.sb.reserves_page + reserve * RESERVE_PAGES) * PAGE
            lock = self.media.u64(where + 48)
            if lock & 0xffffffff and (lock >> 32, lock >> 24 & 255) == (incarnation, slot):
                if 0 < reserve == self.sb.reserve_count - 1:
                    self.attempt('leases', self.leases, where)
                self.attempt('reserve %d' % reserve, self.log, where, RESERVE_ROOM)

    def attempt(self, what, act, *args):
        try:
            act(*args)
        except Damage as damage:
            self.report('%s: %s' % (what, damage))

    # ---- transactions (§7.1) ----

    def journal(self, where):
        word, done = struct.unpack('<QQ', self.media.read(where, 16))
        txid, state = word >> 2, word & 3
        need(state <= COMMITTED, 'state')
        if state == IDLE:
            return
        records = self.records(where, txid)
        if done:
            self.media.seen['recovery cut short'] += 1
        if state == ACTIVE:
            self.undo(where, records, done)
        else:
            self.finish(records, done)

    def records(self, where, txid):
        data, at, found = self.media.read(where, LANE_BYTES), RECORDS, []
        while at + RECORD.size <= LANE_BYTES:
            head = RECORD.unpack_from(data, at)
            length, end = head[2], at + RECORD.size + head[2]
            if length > 4096 or end > LANE_BYTES or head[3] != txid:
                break
            if crc32c(data[at + 4:end], txid & 0xffffffff) != head[0]:
                break
            found.append(Record(*head, data[at + RECORD.size:end]))
            at = (end + 7) // 8 * 8
        return found

    def undo(self, where, records, done):
        undone = 0
        for record in reversed(records):
            if record.type in (PAGES_ALLOC, INODE_ALLOC):
                undone += 1
                if undone <= done:
                    continue
            self.media.seen['undo of type %d' % record.type] += 1
            self.attempt('record of type %d' % record.type, self.undo_one, where, record)

    def undo_one(self, where, record):
        if record.type == BYTES or record.type == FPT:
            self.put_back(where, record)
        elif record.type == PAGES_ALLOC:
            self.free_pages(record.where, record.count)
        elif record.type == INODE_ALLOC:
            self.free_inode(record.where)
        else:
            need(record.type in (PAGES_FREE, INODE_FREE), 'unknown')

    def finish(self, records, done):
        frees = []
        for record in records:
            if record.type == PAGES_FREE:
                frees.append((self.free_pages, (record.where, record.count)))
            elif record.type == INODE_FREE:
                frees.append((self.free_inode_bit, (record.where,)))
            elif record.type == FPT:
                frees += [(self.free_pages, run) for run in self.entry_runs(record.data)]
        for act, args in frees[done:]:
            self.media.seen['free'] += 1
            self.attempt('freeing', act, *args)

    @staticmethod
    def entry_runs(data):
        runs, end = [], 0  # end: the page that would go on with the last run
        for (entry,) in struct.iter_unpack('<Q', data[:len(data) // 8 * 8]):
            page = (entry & ADDRESS) // PAGE
            if not page:
                end = 0
                continue
            if entry & PSE:
                runs.append((page, 512))
                end = 0
                continue
            if page == end:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((page, 1))
            end = page + 1
        return runs

    def may_be_saved(self, page):
        group, first = divmod(page - self.sb.groups_page, GROUP_PAGES)
        return 0 <= group < self.sb.group_count and first >= 2 and page < self.sb.pool_pages

    def put_back(self, where, record):
        end = record.where + len(record.data)
        if (record.where, end) != (where + 88, where + 96):  # the lane's own spare
            need(record.data and self.may_be_saved(record.where // PAGE) and
                 self.may_be_saved((end - 1) // PAGE), 'place')
        self.media.write(record.where, record.data)

    def free_pages(self, page, count):
        need(1 <= count <= GROUP_PAGES, 'number of pages')
        number, first, _ = self.media.place(page, count)
        self.media.clear_bits(number, 0, first, count)

    def free_inode(self, ino):
        where = inode_offset(self.media, ino)
        need(where is not None, 'inode %d has no memory' % ino)
        self.media.write(where + 4, bytes(4))
        self.free_inode_bit(ino)

    def free_inode_bit(self, ino):
        need(inode_offset(self.media, ino) is not None, 'inode %d has no memory' % ino)
        number, index = divmod(ino, self.sb.inodes_per_group)
        self.media.clear_bits(number, 1, index, 1)

    # ---- undo logs (§8.1) ----

    def log(self, where, room):
        log = Ulog(*ULOG.unpack(self.media.read(where, ULOG.size)))
        if not log.state & 1:
            return
        head = self.media.read(where + 8, 36)
        need(crc32c(head, log.state >> 1 & 0xffffffff) == log.crc, 'checksum')
        need(log.len <= room and log.off <= log.size <= REGULAR_MAX, 'bounds')
        need(log.off + log.len <= log.size, 'bounds')
        saved = self.media.read(where + ULOG_HEAD, log.len)
        need(not log.data_crc or crc32c(saved) == log.data_crc, 'checksum of the bytes')
        inode = self.file_of(log.ino, log.generation)
        self.media.seen['log of a lane' if room == LANE_ULOG_ROOM else 'log of a reserve'] += 1
        self.restore(inode, log.off, saved)
        word = log.size | size_check(log.size, log.ino, log.generation) << 48
        self.media.write(inode_offset(self.media, log.ino) + 144, struct.pack('<Q', word))

    def leases(self, where):
        if self.media.u64(where + 56) != 1 or self.media.u64(where) & 1:
            return
        for lease in range(LEASES):
            word = self.media.u64(where + ULOG_HEAD + 8 * lease)
            if word:
                self.attempt('lease %d' % lease, self.lease, word & 0xffffffff, word >> 32,
                             where + (1 + LEASE_PAGES * lease) * PAGE)

    def lease(self, ino, generation, where):
        state, off, length = struct.unpack('<QQQ', self.media.read(where, 24))
        inode = self.file_of(ino, generation)
        if state & 1:
            need(length <= LEASE_ROOM and off + length <= size_of(inode), 'bounds')
            self.media.seen['lease'] += 1
            self.restore(inode, off, self.media.read(where + PAGE, length))

    def file_of(self, ino, generation):
        inode = raw_inode(self.media, ino)
        need(inode and kind_of(inode) == REGULAR and inode.generation == generation,
             'inode %d is not the file it was' % ino)
        head = self.media.read(inode_offset(self.media, ino) + 4, 124)
        need(crc32c(head, ino) == inode.crc, 'inode %d: checksum' % ino)
        return inode

    def restore(self, inode, off, saved):
        end, writes = off + len(saved), []
        table = Table(self.media, inode, claim=False)
        for run in table.runs(off // PAGE, (end + PAGE - 1) // PAGE):
            low, high = max(off, run.at * PAGE), min(end, (run.at + run.count) * PAGE)
            if run.written and low < high:
                where = run.page * PAGE + low - run.at * PAGE
                writes.append((where, saved[low - off:high - off]))
        for where, data in writes:
            self.media.write(where, data)

    # ---- exchanged pages (§7.2) ----

    def spare(self, where):
        entry_at, old, new, spare, check = struct.unpack(
            '<5Q', self.media.read(where + 64, 40))
        line = struct.pack('<3Q', entry_at, old, new)
        if entry_at and check == crc32c(line):
            need(PAGE <= entry_at <= self.sb.pool_pages * PAGE - 8, 'place of the exchange')
            now = self.media.u64(entry_at) & ~IGNORED
            if now in (old & ~IGNORED, new & ~IGNORED):
                spare = (old if now == new & ~IGNORED else new) & ADDRESS
                spare //= PAGE
                self.media.seen['exchange'] += 1
        if spare:
            self.media.seen['spare'] += 1
            self.free_pages(spare, 1)
