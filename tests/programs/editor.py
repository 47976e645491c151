# SPDX-License-Identifier: BSD-3-Clause
"""Types at vim in a pseudo-terminal and prints what became of the files."""
import glob
import os
import pty
import select
import shutil
import signal
import sys
import time

VIM = shutil.which("vim") or shutil.which("vim.tiny") or shutil.which("vi")
ESC = "\x1b"


class Terminal:
    def __init__(self, *args):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "dumb"
            os.execv(VIM, [VIM, "-N", "-u", "NONE", "-i", "NONE", "--noplugin", *args])

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.shown += data
        return bool(data)

    def wait_for(self, text):
        end = time.monotonic() + 60
        while text not in self.shown:
            if time.monotonic() > end:
                sys.exit(f"never shown: {text!r} in {self.shown[-2000:]!r}")
            self.read(0.5)

    def type(self, keys):
        for key in keys:
            os.write(self.fd, key.encode())
            while self.read(0):
                pass

    def end(self):
        end = time.monotonic() + 60
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                sys.exit(f"it does not end: {self.shown[-2000:]!r}")
            self.read(0.1)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def session(name, keys, *args):
    term = Terminal(*args, name)
    term.type(keys)
    print(name, term.end(), sorted(os.listdir(".")))


def main():
    session("new", "ihello from the editor\rsecond line" + ESC + ":wq\r")
    with open("many", "w", encoding="ascii") as out:
        out.writelines(f"line {i}\n" for i in range(20000))
    session("many", ":%s/line 7/seven/\r:1,100d\rGothe end" + ESC + ":w\r:w copy\r:r new\r:x\r")
    session("new", "ggOfirst" + ESC + ":set backup backupcopy=yes\r:w\rGoagain" + ESC + ":wq\r")
    session("new", ":set undofile undodir=. \rddp:wq\r")
    session("new", ":w !cat >written\r\r:%!sort\r:wq\r")
    # Killed, its swap file tells what was not written.
    term = Terminal("new")
    term.type("Golost?" + ESC + ":preserve\r:echo 'now' . 'there'\r")
    term.wait_for(b"nowthere")
    os.kill(term.pid, signal.SIGKILL)
    print(term.end(), glob.glob(".*.sw?"))
    session("new", "\r:wq! recovered\r:q!\r", "-r")
    for name in glob.glob(".*.sw?") + glob.glob(".*.un~"):
        os.remove(name)
    print(open("recovered", encoding="ascii").read())


main()
