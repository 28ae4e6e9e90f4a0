"""A shop that Kadesk can stand beside, in a hundred lines: the contract of docs/shop-api.yaml on an SQLite file.

SECRET=<the secret of both> python shop_server.py shop.db 8080
Put your own tables into `Shop`; keep `Door` as it is. Serve it behind HTTPS.
"""

import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

NAMES = ("Kadesk-Time", "Idempotency-Key", "Kadesk-Signature")
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (order_no TEXT PRIMARY KEY, status TEXT, sku TEXT, name TEXT, price INT,
  quantity INT, paid INT, refunded INT DEFAULT 0, paid_at TEXT, contact TEXT DEFAULT '', password TEXT DEFAULT '',
  note TEXT DEFAULT '');
CREATE TABLE IF NOT EXISTS codes (id INTEGER PRIMARY KEY, text TEXT, sku TEXT, order_no TEXT, supplier TEXT DEFAULT '',
  batch TEXT DEFAULT '', state TEXT DEFAULT 'free', hash TEXT);
CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, answer TEXT)"""


class Shop:
    """What is asked, answered from tables: (status, JSON). Sums are in fen; order numbers are asked in upper case."""

    def __init__(self, path):
        self.path = path
        self.open().executescript(SCHEMA).connection.close()

    def open(self):
        db = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        db.row_factory = sqlite3.Row
        return db

    def answer(self, method, parts, body, key):
        with closing(self.open()) as db:
            if parts[0] == "stock":
                free = db.execute("SELECT count(*) FROM codes WHERE sku = ? AND state = 'free'", parts[1:2]).fetchone()
                return 200, {"for_sale": free[0]}
            order = db.execute("SELECT * FROM orders WHERE order_no = ?", parts[1:2]).fetchone()
            if parts[2:] == ["prove"]:  # the same answer for no order and for a wrong password
                fits = hmac.compare_digest(body["proof"].encode(), (order or {"password": ""})["password"].encode())
                return 200, {"way": "query_password" if fits and order and order["password"] else None}
            if order is None:
                return 404, {}
            if method == "GET" and len(parts) == 2:
                return 200, self.describe(db, order)
            if parts[2] == "check":  # of codes that only a hash is kept of
                hashed = hashlib.sha256("".join(body["code"].upper().split()).encode()).hexdigest()
                row = db.execute("SELECT id FROM codes WHERE order_no = ? AND hash = ?", [parts[1], hashed]).fetchone()
                return 200, {"id": row and str(row["id"])}
            if parts[2] in ("issue", "quarantine", "note") and key:
                return 200, self.once(db, "/".join([*parts, key]), getattr(self, parts[2]), order, body)
            return 405, {}  # not in this shop

    def describe(self, db, order):
        codes = db.execute("SELECT text, id, supplier, batch FROM codes WHERE order_no = ?", [order["order_no"]])
        facts = {name: order[name] for name in ("order_no", "status", "quantity", "paid", "refunded", "contact")}
        goods = {name: order[name] for name in ("sku", "name", "price")}
        ways = ["query_password"] if order["password"] else []
        return facts | {"goods": goods, "paid_at": order["paid_at"], "codes": list(map(dict, codes)), "ways": ways}

    def once(self, db, key, change, order, body):
        """The same answer for the same key, however often it is asked: after a time-out Kadesk asks again."""
        db.execute("BEGIN IMMEDIATE")
        known = db.execute("SELECT answer FROM done WHERE key = ?", [key]).fetchone()
        answer = json.loads(known[0]) if known else change(db, order, body)
        if not known and answer["answer"] == "done":
            db.execute("INSERT INTO done VALUES (?, ?)", [key, json.dumps(answer)])
        db.execute("COMMIT")
        return answer

    def issue(self, db, order, body):
        free = db.execute("SELECT id, text FROM codes WHERE sku = ? AND state = 'free'", [body["sku"]]).fetchone()
        if free is None:
            return {"answer": "refused", "note": "none left"}
        db.execute("UPDATE codes SET state = 'replacement' WHERE id = ?", [free["id"]])
        return {"answer": "done", "code": free["text"], "reference": str(free["id"])}

    def quarantine(self, db, order, body):
        which = [body.get("code"), body.get("id")]
        db.execute("UPDATE codes SET state = 'bad' WHERE (text = ? OR id = ?) AND state = 'free'", which)
        return {"answer": "done"}

    def note(self, db, order, body):
        db.execute("UPDATE orders SET note = note || ? WHERE order_no = ?", [body["text"] + "\n", order["order_no"]])
        return {"answer": "done"}


class Door(BaseHTTPRequestHandler):
    """Checks the signature of what comes in, and signs what goes out."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def take(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 100_000))  # a stranger sends anything
        stamp, key, given = (self.headers.get(name, "") for name in NAMES)
        expected = self.sign("request", self.command, self.path, stamp, key, body=body)
        is_theirs = hmac.compare_digest(expected.encode(), given.encode()) and abs(time.time() - int(stamp)) <= 60
        shop, parts = self.server.shop, [unquote(part) for part in self.path.split("/")[1:]]
        status, content = shop.answer(self.command, parts, json.loads(body or "{}"), key) if is_theirs else (401, {})
        answer, now = json.dumps(content).encode(), str(int(time.time()))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Kadesk-Time", now)
        self.send_header("Kadesk-Signature", self.sign("answer", str(status), given, now, body=answer))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = take

    def sign(self, *parts, body):
        text = "\n".join([*parts, hashlib.sha256(body).hexdigest()])
        return hmac.new(self.server.secret.encode(), text.encode(), "sha256").hexdigest()

    def log_message(self, *_):
        """Codes and order numbers belong into no log."""


def make_server(path, secret, port):
    server = ThreadingHTTPServer(("127.0.0.1", port), Door)
    server.shop, server.secret = Shop(path), secret
    return server


if __name__ == "__main__":
    make_server(sys.argv[1], os.environ["SECRET"], int(sys.argv[2])).serve_forever()
