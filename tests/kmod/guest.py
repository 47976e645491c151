# SPDX-License-Identifier: BSD-3-Clause
"""A Debian kernel in QEMU with the module and the tests: made, booted, listened to, ended."""
import ctypes
import glob
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
HERE = os.path.join(ROOT, 'tests', 'kmod')
QEMU = 'qemu-system-x86_64'
# In the order in which they are wanted; what they depend on comes by itself.
MODULES = ['nfit', 'nd_e820', 'nd_pmem', 'brd', 'hwpoison_inject', 'overlay']
MODULES_BENCH = ['crc32c_generic', 'ext4']
MIB = 1 << 20
APT_SECONDS = 180 # no network must not be the end of time

# What no kernel may say, whatever the tests say.
BAD = re.compile(
    r'BUG[: ]|WARNING:|Oops|Bad rss|Bad page|non-zero pgtables_bytes|Kernel panic|Call Trace'
    r'|general protection|unable to handle|KASAN|KFENCE|UBSAN|KCSAN|possible recursive locking'
    r'|possible circular locking|lockdep|list_(add|del) corruption|refcount_t:'
    r'|scheduling while atomic|sleeping function called|blocked for more than'
    r'|soft lockup|hard LOCKUP|rcu: INFO|bad: scheduling|Busy inodes after'
    r'|umfs: assertion|stack-protector|double fault|use-after-free|possible deadlock')
# Said at each boot of these virtual machines, and about them.
HARMLESS = re.compile(r'[Cc]ommand line:|rcu: .*(initialized|enabled|RCU )')


class Skip(Exception):
    """What is missing for these tests to run at all."""


class TooSlow(Skip):
    """The machine gave too little of itself in the time that there was."""


class Failure(Exception):
    """What went wrong."""


def run(args, seconds=600, **kwargs):
    """Exit code and output; 124 when it did not end in that time, as timeout(1) has it."""
    try:
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, text=True, errors='replace',
                              timeout=seconds, **kwargs)
    except subprocess.TimeoutExpired:
        return 124, '%s: no end after %d s' % (args[0], seconds)
    return done.returncode, done.stdout


class Limits:
    """How long guests may take, for how long one may say nothing, and how long it may take to
    start: seconds. The first begins to count with the first guest."""

    def __init__(self, total, silence, boot):
        self.total, self.silence, self.boot = total, silence, boot
        self.begin()

    def begin(self):
        self.deadline = time.monotonic() + self.total


# ---- the kernel ----

def find_headers(wanted):
    places = [wanted] if wanted and '/' in wanted else sorted(
        glob.glob('/usr/src/linux-headers-%s*-amd64' % (wanted or '')))
    for place in places:
        if os.path.exists(os.path.join(place, '.config')) and \
                os.path.exists(os.path.join(place, 'Module.symvers')):
            return place
    raise Skip('no linux-headers found%s (Debian: linux-headers-amd64)'
               % (' in ' + wanted if wanted else ''))


def unpack_package(name, target):
    """Debian's package of that name, unpacked and not installed; kept for the next time."""
    if os.path.exists(os.path.join(target, 'unpacked')):
        return
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    code, text = run(['apt-get', '-q', 'download', name], APT_SECONDS, cwd=target)
    if code:
        if os.geteuid() == 0:
            run(['apt-get', '-q', 'update'], APT_SECONDS)
        code, text = run(['apt-get', '-q', 'download', name], APT_SECONDS, cwd=target)
    debs = glob.glob(os.path.join(target, '*.deb'))
    if code or not debs:
        raise Skip('the package %s can not be had: %s' % (name, text.strip().splitlines()[-1:]))
    code, text = run(['dpkg-deb', '-x', debs[0], target], APT_SECONDS)
    if code:
        raise Failure('dpkg-deb: ' + text)
    os.unlink(debs[0])
    open(os.path.join(target, 'unpacked'), 'w', encoding='ascii').close()


class Kernel:
    """The kernel that the headers are of: its image, its modules, our module."""

    def __init__(self, headers, work):
        self.headers = find_headers(headers)
        self.release = os.path.basename(self.headers).replace('linux-headers-', '', 1)
        self.image = '/boot/vmlinuz-' + self.release
        self.modules = '/lib/modules/' + self.release
        if not (os.access(self.image, os.R_OK) and os.path.isdir(self.modules + '/kernel')):
            place = os.path.join(work, 'linux-' + self.release)
            unpack_package('linux-image-' + self.release, place)
            self.image = place + self.image
            self.modules = place + self.modules
        out = os.path.join(work, 'module-' + self.release)
        code, text = run([os.path.join(ROOT, 'scripts', 'build-kmod'), out, self.headers])
        if code == 77:
            raise Skip(text.strip())
        if code:
            raise Failure(text)
        self.umfs = os.path.join(out, 'umfs.ko')

    def find(self, name):
        for path in glob.glob(self.modules + '/kernel/**/*.ko*', recursive=True):
            if os.path.basename(path).split('.ko')[0].replace('-', '_') == name:
                return path
        return None  # built in

    def load_order(self, names):
        """Paths of those modules and of what they need, each after what it needs."""
        order = []
        for name in names:
            self.add(name, order)
        return order

    def add(self, name, order):
        path = self.find(name)
        if not path or path in order:
            return
        data = read_module(path)
        needs = re.search(rb'\0depends=([^\0]*)\0', data)
        for need in (needs.group(1).decode().split(',') if needs else []):
            if need:
                self.add(need.replace('-', '_'), order)
        order.append(path)


def read_module(path):
    if path.endswith('.ko'):
        with open(path, 'rb') as file:
            return file.read()
    tool = {'.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip'}[os.path.splitext(path)[1]]
    return subprocess.run([tool, '-dc', path], stdout=subprocess.PIPE, check=True).stdout


# ---- the initramfs ----

class Archive:
    """A cpio archive in the "newc" form, which the kernel unpacks at boot."""

    def __init__(self, path):
        self.file = open(path, 'wb')
        self.ino = 0
        self.dirs = set()

    def entry(self, name, mode, data):
        self.ino += 1
        raw = name.encode() + b'\0'
        head = '070701' + ''.join('%08x' % n for n in (
            self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0))
        self.put(head.encode() + raw)
        self.put(data)

    def put(self, data):
        self.file.write(data + b'\0' * (-len(data) % 4))

    def parents(self, name):
        at = os.path.dirname(name)
        if at and at not in self.dirs:
            self.parents(at)
            self.dirs.add(at)
            self.entry(at, stat.S_IFDIR | 0o755, b'')

    def directory(self, name):
        self.parents(name + '/x')

    def add(self, name, data, mode=0o755):
        self.parents(name)
        self.entry(name, stat.S_IFREG | mode, data)

    def copy(self, name, path, mode=0o755):
        with open(path, 'rb') as file:
            self.add(name, file.read(), mode)

    def close(self):
        self.entry('TRAILER!!!', 0, b'')
        self.file.close()


def libraries(program):
    """What the dynamic linker of this system would load for the program."""
    code, text = run(['ldd', program])
    if code:
        return []
    return re.findall(r'(/\S+) \(0x', text)


def find_busybox():
    for path in ('/usr/bin/busybox', '/bin/busybox'):
        if os.path.exists(path):
            return path
    raise Skip('no busybox (Debian: busybox-static)')


def find_tool(name):
    path = shutil.which(name)
    if not path:
        raise Skip('no %s' % name)
    return path


def make_initramfs(path, kernel, modules, programs, tools, files):
    archive = Archive(path)
    for name in ('proc', 'sys', 'dev', 'tmp', 'mnt', 'run'):
        archive.directory(name)
    busybox = find_busybox()
    archive.copy('bin/busybox', busybox)
    archive.copy('init', os.path.join(HERE, 'init'))
    archive.copy('lib.sh', os.path.join(HERE, 'lib.sh'), 0o644)
    order = kernel.load_order(modules)
    for number, module in enumerate(order):
        name = os.path.basename(module).split('.ko')[0]
        archive.add('modules/%02d-%s.ko' % (number, name), read_module(module), 0o644)
    archive.copy('umfs.ko', kernel.umfs, 0o644)
    done = set(libraries(busybox))
    for library in done:
        archive.copy(library.lstrip('/'), library)
    places = [('bin/' + os.path.basename(program), program) for program in programs]
    places += [('tools/' + os.path.basename(tool), find_tool(tool)) for tool in tools]
    for place, program in places:
        archive.copy(place, program)
        for library in libraries(program):
            if library not in done:
                done.add(library)
                archive.copy(library.lstrip('/'), library)
    for suite in sorted(glob.glob(os.path.join(HERE, 'suites', '*'))):
        archive.copy('suites/' + os.path.basename(suite), suite)
    for name, file in files.items():
        archive.copy(name, file, 0o644)
    archive.close()


# ---- the machine ----

def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Guest:
    """One run of the virtual machine. What it prints is in `console`, its results in `said`."""

    def __init__(self, kernel, initramfs, work, memory_mib=1024, nvdimm=None, cmdline='',
                 counted=False, nodes=1):
        # Counted: one processor, and time that goes on by one with each instruction.
        accel = ['-accel', 'tcg,thread=single', '-icount', 'shift=0', '-smp', '1'] if counted \
            else ['-accel', 'tcg,thread=multi', '-smp', '2,sockets=2,cores=1']
        self.console_path = os.path.join(work, 'console.log')
        self.results_path = os.path.join(work, 'results.log')
        for path in (self.console_path, self.results_path):
            open(path, 'w', encoding='ascii').close()
        args = [QEMU] + accel + [
                '-cpu', 'max', '-machine', 'q35,nvdimm=on', '-m', '%dM,slots=2,maxmem=16G' % memory_mib,
                '-display', 'none', '-monitor', 'none', '-nodefaults', '-no-reboot',
                '-serial', 'file:' + self.console_path, '-serial', 'file:' + self.results_path,
                '-kernel', kernel.image, '-initrd', initramfs, '-append',
                'console=ttyS0 quiet loglevel=7 panic=-1 oops=panic nowatchdog '
                'rcupdate.rcu_cpu_stall_suppress=1 mitigations=off no_timer_check ' + cmdline]
        for node in range(nodes if nodes > 1 else 0): # one processor in each
            args += ['-object', 'memory-backend-ram,id=m%d,size=%dM' % (node, memory_mib // nodes),
                     '-numa', 'node,memdev=m%d,cpus=%d' % (node, node)]
        if nvdimm:
            args += ['-object', 'memory-backend-file,id=nv,share=on,mem-path=%s,size=%d'
                     % (nvdimm, os.path.getsize(nvdimm)), '-device', 'nvdimm,id=nv0,memdev=nv']
        self.errors = open(os.path.join(work, 'qemu.log'), 'w+', encoding='utf-8')
        self.words = self.reported = 0
        self.started = self.since = self.spoke = time.monotonic()
        self.delayed = 0
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.errors,
                                        stderr=self.errors, preexec_fn=die_with_parent)

    def said(self):
        with open(self.results_path, encoding='utf-8', errors='replace') as file:
            text = file.read()
        return text.replace('\r', '').split('\n')[:-1]

    def console(self):
        with open(self.console_path, encoding='utf-8', errors='replace') as file:
            return file.read().replace('\r', '')

    def over(self, limits):
        """Why there is nothing to wait for any more, or None: it "ended", it is "silent" on both
        lines, the "time" is over."""
        words = os.path.getsize(self.results_path) + os.path.getsize(self.console_path)
        now = time.monotonic()
        if words != self.words:
            self.words, self.spoke, self.delayed = words, now, self.delay()
            self.report(now)
        if self.process.poll() is not None:
            return 'ended'
        if now > limits.deadline:
            return 'time'
        return 'silent' if now > self.spoke + limits.silence else None

    def report(self, now):
        """Each suite that has ended since we looked last, and how long it took."""
        said = self.said()
        for line in said[self.reported:]:
            if line.startswith('suite '):
                self.since = now
            elif line.startswith('ended '):
                say('%s: %.0f s' % (line.split()[1], now - self.since))
        self.reported = len(said)

    def wait_for(self, line, limits):
        """Until the guest says so: None; or why it will not."""
        while True:
            over = self.over(limits)
            if line in self.said():
                self.report(time.monotonic())
                return None
            if over:
                return over
            time.sleep(0.05)

    def wait_for_end(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def share(self):
        """Of the time since it was started, the part in which it had a processor; > 1: several."""
        with open('/proc/%d/stat' % self.process.pid, encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
        return used / (time.monotonic() - self.started)

    def delay(self):
        """Seconds in which its threads were ready to run and others had the processors."""
        waited = 0
        for path in glob.glob('/proc/%d/task/*/schedstat' % self.process.pid):
            try:
                with open(path, encoding='ascii') as file:
                    waited += int(file.read().split()[1])
            except (OSError, IndexError): # a thread that has ended
                pass
        return waited / 1e9

    def starved(self):
        """Of the time in which it said nothing, the part in which it waited for a processor. A
        guest that hangs waits for none."""
        return (self.delay() - self.delayed) / (time.monotonic() - self.spoke)

    def cut_power(self):
        """By its pid, and until it is gone: no QEMU outlives this program."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close()

    def complaints(self):
        """What the kernel may not say. Killing for want of memory it says where it was, too."""
        lines = self.console().split('\n')
        return [line for at, line in enumerate(lines)
                if BAD.search(line) and not HARMLESS.search(line) and
                not ('Call Trace' in line and
                     'invoked oom-killer' in '\n'.join(lines[max(0, at - 4):at]))]


def check_usable():
    if not shutil.which(QEMU):
        raise Skip('no %s (Debian: qemu-system-x86)' % QEMU)
    if os.uname().machine != 'x86_64':
        raise Skip('not an x86-64 machine')
    code, text = run([QEMU, '-accel', 'help'])
    if code or 'tcg' not in text:
        raise Skip('%s can not emulate a processor: %s' % (QEMU, text.strip()))


def say(text):
    print(text)
    sys.stdout.flush()
