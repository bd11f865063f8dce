#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A binary cache that misbehaves: server.py DIR LOG. Prints its port.

The first part of a path says how: /MODE/CACHE/FILE is DIR/CACHE/FILE. Each request is a line of LOG:
MODE FILE RANGE STATUS.
"""
import base64
import gzip
import http.server
import os
import re
import sys
import threading
import time

TOP, LOG = sys.argv[1:]
seen, lock = {}, threading.Lock()
# 200 MB of zeros.
BOMB = gzip.compress(bytes(200_000_000), 1)


class Cache(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def log(self, status):
        with lock, open(LOG, "a") as f:
            f.write(f"{self.mode} {self.file} {self.headers.get('Range', '-')} {status}\n")

    def first(self):
        """How often was this asked for before?"""
        with lock:
            n = seen.get(self.path, 0)
            seen[self.path] = n + 1
        return n == 0

    def send(self, status, body=b"", headers=(), length=True):
        self.log(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    # ---- ranges ----
    def part(self, body):
        """The status, headers and bytes of what was asked for, as a good server does it."""
        m = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not m:
            return 200, [], body
        start = int(m[1])
        if start >= len(body):
            return 416, [("Content-Range", f"bytes */{len(body)}")], b""
        return 206, [("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")], body[start:]

    def cut(self, status, headers, body, n):
        """Promise all and send N bytes."""
        self.log(status)
        self.send_response(status)
        for name, value in headers + [("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:n])
        if n < len(body):
            self.hang_up()

    # ---- NARs ----
    def nar(self, body):
        mode, half = self.mode, len(body) // 2
        status, headers, part = self.part(body)
        if mode == "cut" and self.first():
            return self.cut(status, headers, part, half)
        if mode == "cut-often":
            return self.cut(status, headers, part, 400_000)
        if mode == "cut-soon":
            return self.cut(status, headers, part, 1000)
        if mode == "cut-no-range":
            return self.cut(200, [], body, half if self.first() else len(body))
        if mode == "cut-other-range" and self.headers.get("Range"):
            return self.send(206, body[7:], [("Content-Range", f"bytes 7-{len(body) - 1}/{len(body)}")])
        if mode == "cut-other-range" and self.first():
            return self.cut(200, [], body, half)
        if mode == "cut-416":
            if self.headers.get("Range"):
                return self.send(416)
            return self.cut(200, [], body, half if self.first() else len(body))
        if mode == "cut-chunked" and self.first():
            self.send(200, headers=[("Transfer-Encoding", "chunked")], length=False)
            self.chunk(body[:half])
            return self.hang_up()
        if mode == "cut-no-length" and self.first():
            self.send(200, body[:half], [("Connection", "close")], length=False)
            return self.hang_up()
        if mode == "slow":
            self.send(status, headers=headers + [("Content-Length", str(len(part)))], length=False)
            for i in range(0, len(part), 1 + len(part) // 20):
                self.wfile.write(part[i:i + 1 + len(part) // 20])
                self.wfile.flush()
                time.sleep(0.02)
            return None
        if (mode == "stall" and self.first()) or mode == "stall-always":
            self.send(status, part[:half], headers + [("Content-Length", str(len(part)))], length=False)
            self.wfile.flush()
            time.sleep(20)
            return self.hang_up()
        if mode == "flipped":
            return self.send(status, part[:half] + bytes([part[half] ^ 1]) + part[half + 1:], headers)
        if mode in ("short", "short-unsaid"):
            return self.send(200, body[:-16])
        if mode in ("long", "long-unsaid"):
            return self.send(200, body + b"more than it is")
        if mode in ("endless", "endless-unsaid"):
            self.send(200, headers=[("Transfer-Encoding", "chunked")], length=False)
            self.chunk(body)
            while True:
                self.chunk(bytes(65536))
        if mode == "bomb":
            return self.send(200, BOMB)
        if mode == "no-nar":
            return self.send(404)
        return self.send(status, part, headers)

    # ---- narinfos ----
    def narinfo(self, body):
        mode = self.mode
        if mode == "bad-signature":
            body = re.sub(rb"(Sig: test-1:)....", rb"\1AAAA", body)
        if mode == "no-signature":
            body = re.sub(rb"Sig: .*\n", b"", body)
        if mode == "other-size":
            body = re.sub(rb"NarSize: (\d+)", lambda m: b"NarSize: %d" % (int(m[1]) + 8), body)
        if mode == "smaller-size":
            body = re.sub(rb"NarSize: (\d+)", lambda m: b"NarSize: %d" % (int(m[1]) - 8), body)
        if mode.endswith("-unsaid") or mode in ("bomb", "narhash"):
            body = re.sub(rb"File(Hash|Size): .*\n", b"", body)
        if mode == "narhash":
            body = re.sub(rb"NarHash: sha256:....", b"NarHash: sha256:0000", body)
        if mode == "filehash":
            body = re.sub(rb"FileHash: sha256:....", b"FileHash: sha256:0000", body)
        if mode == "filesize":
            body = re.sub(rb"FileSize: (\d+)", lambda m: b"FileSize: %d" % (int(m[1]) + 8), body)
        if mode == "garbage":
            body = b"garbage\n" + body
        if mode == "other-path":
            body = re.sub(rb"(StorePath: .*?)-", rb"\1-x", body)
        if mode == "url-out":
            body = re.sub(rb"URL: .*", b"URL: ../../../../etc/passwd", body)
        if mode == "url-file":
            body = re.sub(rb"URL: .*", b"URL: file:///etc/passwd", body)
        if mode == "url-absolute":
            url = f"URL: http://{self.headers['Host']}/ok/{self.cache}/".encode()
            body = body.replace(b"URL: ", url)
        if mode == "endless-narinfo":
            self.send(200, headers=[("Transfer-Encoding", "chunked")], length=False)
            self.chunk(body)
            while True:
                self.chunk(b"X: " + b"x" * 65536 + b"\n")
        if mode == "gzip":
            return self.send(200, gzip.compress(body), [("Content-Encoding", "gzip")])
        if mode == "narinfo-500":
            return self.send(500)
        if mode == "narinfo-403":
            return self.send(403)
        return self.send(200, body)

    # ---- all of them ----
    def do_GET(self):
        try:
            self.get()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def get(self):
        _, self.mode, self.cache, self.file = self.path.split("/", 3)
        mode = self.mode
        if mode == "redirect":
            return self.send(302, headers=[("Location", "/ok/" + self.path.split("/", 2)[2])])
        if mode == "redirect-loop":
            return self.send(302, headers=[("Location", self.path)])
        if mode == "redirect-file" and self.file != "nix-cache-info":
            return self.send(302, headers=[("Location", f"file://{TOP}/{self.cache}/{self.file}")])
        if mode == "no-answer":
            return time.sleep(20)
        if mode == "500-once" and self.first():
            return self.send(500, b"x" * 100_000)
        if mode == "500":
            return self.send(500)
        if mode == "429" and self.file.endswith(".narinfo") and self.first():
            return self.send(429, headers=[("Retry-After", "1")])
        if mode == "no-info" and self.file == "nix-cache-info":
            return self.send(404)
        if mode == "other-store" and self.file == "nix-cache-info":
            return self.send(200, b"StoreDir: /other/store\n")
        if mode == "password":
            want = "Basic " + base64.b64encode(b"user:secret").decode()
            if self.headers.get("Authorization") != want:
                return self.send(401, headers=[("WWW-Authenticate", 'Basic realm="x"')])
        path = os.path.join(TOP, self.cache, self.file)
        if not os.path.exists(path):
            if mode != "endless-404":
                return self.send(404)
            self.send(404, headers=[("Transfer-Encoding", "chunked")], length=False)
            while True:
                self.chunk(bytes(65536))
        with open(path, "rb") as f:
            body = f.read()
        if self.file.endswith(".narinfo"):
            return self.narinfo(body)
        return self.send(200, body) if self.file == "nix-cache-info" else self.nar(body)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *args):
        pass


server = Server(("127.0.0.1", 0), Cache)
print(server.server_port, flush=True)
server.serve_forever()
