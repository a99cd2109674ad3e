"""A wall meter on loopback that answers as a Shelly plug of the second generation does."""

import http.server
import json
import threading
import time


class FakePlug:
    """With `as plug`: plug.meter is what --meter takes, plug.asked how often it was asked."""

    def __init__(self, watts=100.0):
        plug = self
        self.watts = watts
        self.asked = 0
        began = time.monotonic()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                plug.asked += 1
                counted_wh = plug.watts * (time.monotonic() - began) / 3600
                body = json.dumps({"id": 0, "apower": plug.watts, "aenergy": {"total": round(counted_wh, 3)}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.meter = "shelly:http://127.0.0.1:%d" % self.server.server_port

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
