# SPDX-License-Identifier: BSD-3-Clause
"""Requests to the server at the socket $SOCK; prints status, length and sum of each answer."""
import concurrent.futures
import hashlib
import http.client
import os
import socket
import sys


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(os.environ["SOCK"])


def ask(method, path, body=None, **headers):
    connection = Connection("localhost")
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return f"{method} {path} {answer.status} {len(data)} {hashlib.sha256(data).hexdigest()[:16]}"


def main():
    if sys.argv[1:]:
        print(ask("GET", "/f2"))
        return
    for how in ("sendfile", "plain", "direct", "threads", "gzip", "cached"):
        for i in range(8):
            print(ask("GET", f"/{how}/f{i}"))
        print(ask("GET", f"/{how}/f6", Range="bytes=1000-70000"))
        print(ask("HEAD", f"/{how}/f7"))
        print(ask("GET", f"/{how}/sub/link"))
        print(ask("GET", f"/{how}/dangling").split()[:3])
    print(ask("GET", "/sub/"), ask("GET", "/nowhere"), ask("GET", "/sub"))
    listing = ask("GET", "/list/")
    print(listing.split()[:3])
    print(ask("GET", "/f6", **{"If-Modified-Since": "Sun, 09 Sep 2001 01:46:40 GMT"}))
    print(ask("GET", "/cached/f6"))
    body = bytes(range(256)) * 8000
    print(ask("PUT", "/put/new/file", body), ask("PUT", "/put/small", b"x"), ask("PUT", "/put/small", b"y"))
    print(ask("MKCOL", "/put/dir/"), ask("COPY", "/put/small", Destination="/put/dir/copy"))
    print(ask("MOVE", "/put/new/file", Destination="/put/dir/moved"), ask("DELETE", "/put/small"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for line in pool.map(lambda i: ask("GET", f"/{('sendfile', 'plain', 'threads')[i % 3]}/f{i % 8}"), range(96)):
            print(line)


main()
