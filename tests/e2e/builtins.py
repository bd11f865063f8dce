# SPDX-License-Identifier: LGPL-2.1-or-later
"""The server of builtins.sh: builtins.py DIRECTORY LOG. Prints its port."""
import base64
import gzip
import http.server
import os
import sys

root, log = sys.argv[1], open(sys.argv[2], "w", buffering=1)
seen = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def content(self, name="file"):
        with open(os.path.join(root, name), "rb") as f:
            return f.read()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def times(self):
        """How often this client has asked for this, this time included."""
        who = "hook" if "nix-oci-hook" in self.headers.get("User-Agent", "") else "nix"
        seen[who, self.path] = seen.get((who, self.path), 0) + 1
        return seen[who, self.path]

    def broken(self, ranges):
        """Half of the file, the first time."""
        body = self.content("large")
        start = self.headers.get("Range")
        if start and ranges:
            start = int(start.split("=")[1].rstrip("-"))
            self.answer(206, body[start:], Accept_Ranges="bytes",
                        Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        elif self.times() == 1:
            self.send_response(200)
            if ranges:
                self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
        else:
            self.answer(200, body)

    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        log.write(f"{self.path} {self.headers.get('User-Agent')} {self.headers.get('Range')}\n")
        if name == "redirect":
            self.answer(302, b"not this", Location="/file")
        elif name == "loop":
            self.answer(302, Location="/loop")
        elif name == "to-file":
            self.answer(302, Location="file:///etc/passwd")
        elif name == "flaky":
            if self.times() < 3:
                self.answer(500, b"not yet")
            else:
                self.answer(200, self.content())
        elif name == "always500":
            self.answer(500, b"<html>no, and never</html>")
        elif name == "forbidden":
            self.answer(403, b"not for you")
        elif name == "encoded":
            self.answer(200, gzip.compress(self.content()), Content_Encoding="gzip")
        elif name == "auth":
            want = "Basic " + base64.b64encode(b"user:secret").decode()
            ok = self.headers.get("Authorization") == want
            self.answer(200 if ok else 401, self.content() if ok else b"who are you?")
        elif name in ("resumed", "restarted"):
            self.broken(name == "resumed")
        elif name == "not.nar.xz":
            self.answer(200, self.content("tree.nar"))
        elif os.path.exists(os.path.join(root, self.path.lstrip("/"))):
            self.answer(200, self.content(self.path.lstrip("/")))
        else:
            self.answer(404, b"there is no such thing")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
