"""A server on loopback that answers as the Hugging Face hub does."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

FILE = "/timm/resnet50_clip.openai/resolve/main/open_clip_model.safetensors"
COMMIT = "0" * 40


class Hub:
    """A server on loopback; `behave` may cut a GET short by giving how many bytes to send."""

    def __init__(self, files):
        self.files = files
        self.requests = []
        self.behave = lambda number, size: size
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(send_body=False)

            def do_GET(self):
                self.answer(send_body=True)

            def answer(self, *, send_body):
                if self.path not in hub.files:
                    self.send_response(404)
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("X-Error-Code", "EntryNotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                content = hub.files[self.path]
                first = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
                hub.requests.append((self.command, first))
                self.send_response(206 if first else 200)
                self.send_header("ETag", '"abc"')
                self.send_header("X-Repo-Commit", COMMIT)
                if first:
                    total = len(content)
                    self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
                self.send_header("Content-Length", str(len(content) - first))
                self.end_headers()
                if send_body:
                    n_gets = sum(command == "GET" for command, _ in hub.requests)
                    n_bytes = hub.behave(n_gets, len(content) - first)
                    self.wfile.write(content[first : first + n_bytes])
                    self.close_connection = n_bytes < len(content) - first

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def gets(self):
        return [first for command, first in self.requests if command == "GET"]

    def point_to(self, monkeypatch, cache):
        """Let the hub's client ask this server, and keep its files in the folder `cache`."""
        hub = "huggingface_hub.constants"
        template = self.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"{hub}.ENDPOINT", self.address)
        monkeypatch.setattr(f"{hub}.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(f"{hub}.HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(f"{hub}.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
