#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A binary cache that is far away: far.py DIR LOG MS. Prints its port.

It answers each request after MS milliseconds, and writes the path of the request as a line to LOG.
"""
import http.server
import os
import sys
import threading
import time

TOP, LOG, MS = sys.argv[1:]
lock = threading.Lock()


class Cache(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def do_GET(self):
        with lock, open(LOG, "a") as f:
            f.write(self.path + "\n")
        time.sleep(int(MS) / 1000)
        body, status = b"", 404
        path = os.path.join(TOP, self.path.lstrip("/"))
        if os.path.isfile(path):
            status = 200
            with open(path, "rb") as f:
                body = f.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Cache)
print(server.server_port, flush=True)
server.serve_forever()
