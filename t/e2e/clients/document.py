"""The client id metadata document of a client that has one, served where the demo's authorization server looks for it."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve_document(client_id, redirect_uri, port):
    document = json.dumps({
        "client_id": client_id, "client_name": "Document client", "application_type": "native",
        "redirect_uris": [redirect_uri], "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "token_endpoint_auth_method": "none",
    }).encode()

    class Document(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Document)
    threading.Thread(target=server.serve_forever, daemon=True).start()
