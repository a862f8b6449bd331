"""Everything that must outlive the process: requests, bill, deliveries, moods, uploads and keys, in one SQLite file."""

import dataclasses
import json
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.moods import Call, Mood
from simulator.outcomes import Outcome

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL UNIQUE, endpoint_id TEXT NOT NULL,
    arguments TEXT NOT NULL, webhook_url TEXT, base_url TEXT NOT NULL, mood TEXT NOT NULL, drawn_seed INTEGER NOT NULL,
    song_seconds REAL NOT NULL, start_timeout_seconds REAL, submitted_at REAL NOT NULL, started_at REAL,
    completed_at REAL, cancel_requested INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'IN_QUEUE', outcome TEXT);
CREATE INDEX IF NOT EXISTS requests_status ON requests (status, number);
CREATE TABLE IF NOT EXISTS bill (
    request_id TEXT PRIMARY KEY, endpoint_id TEXT NOT NULL, cost_micros INTEGER NOT NULL, units REAL NOT NULL,
    billed_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS told_bill (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, endpoint_id TEXT NOT NULL,
    cost_micros INTEGER NOT NULL, units REAL NOT NULL, billed_at REAL NOT NULL, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, url TEXT NOT NULL, body BLOB NOT NULL,
    mood TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, answers TEXT NOT NULL DEFAULT '[]', next_at REAL);
CREATE INDEX IF NOT EXISTS deliveries_request ON deliveries (request_id);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS moods (number INTEGER PRIMARY KEY AUTOINCREMENT, call TEXT NOT NULL, body TEXT NOT NULL,
    remaining INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS uploads (upload_id TEXT PRIMARY KEY, file_name TEXT NOT NULL, content_type TEXT NOT NULL,
    token TEXT NOT NULL, complete INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# What songs cost, and what somebody told us to add. `fields` are those of a billing event that are told as well.
BILL = """
SELECT request_id, endpoint_id, cost_micros, units, billed_at, '{}' AS fields FROM bill
UNION ALL
SELECT request_id, endpoint_id, cost_micros, units, billed_at, fields FROM told_bill
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request as it was submitted."""

    request_id: str
    endpoint_id: str
    arguments: dict[str, Any]
    webhook_url: str | None
    base_url: str
    mood: Mood
    drawn_seed: int
    song_seconds: float
    start_timeout_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest(Order):
    """The same with what became of it."""

    number: int
    submitted_at: float
    started_at: float | None
    completed_at: float | None
    cancel_requested: bool
    status: str
    outcome: Outcome | None

    @property
    def app_id(self) -> str:
        """Owner and app, which is how follow-up calls name an endpoint."""
        return "/".join(self.endpoint_id.split("/")[:2])


@dataclass(frozen=True, slots=True)
class Delivery:
    number: int
    request_id: str
    url: str
    body: bytes
    mood: Mood
    tries: int
    answers: list[str]
    next_at: float | None


@dataclass(frozen=True, slots=True)
class Upload:
    upload_id: str
    file_name: str
    content_type: str
    token: str
    complete: bool


def _request(row: sqlite3.Row) -> StoredRequest:
    fields = dict(row)
    fields["arguments"] = json.loads(fields["arguments"])
    fields["mood"] = Mood.model_validate_json(fields["mood"])
    fields["cancel_requested"] = bool(fields["cancel_requested"])
    fields["outcome"] = Outcome.from_json(fields["outcome"]) if fields["outcome"] else None
    return StoredRequest(**fields)


def _delivery(row: sqlite3.Row) -> Delivery:
    fields = dict(row)
    fields["mood"] = Mood.model_validate_json(fields["mood"])
    fields["answers"] = json.loads(fields["answers"])
    return Delivery(**fields)


def _bill_line(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "fields": json.loads(row["fields"])}


class Store:
    """One connection behind one lock: calls are short, so the event loop and the render threads may share it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(home / "simulator.sqlite3", check_same_thread=False, timeout=10)
        self._connection.row_factory = sqlite3.Row
        # WAL with NORMAL survives kill -9 of this process at any moment; only a power cut could cost the last lines.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _write(self, sql: str, *values: object) -> int:
        with self._lock, self._connection as connection:
            return connection.execute(sql, values).rowcount

    # Requests

    def add_request(self, order: Order) -> StoredRequest:
        fields = {entry.name: getattr(order, entry.name) for entry in dataclasses.fields(order)}
        fields |= {"arguments": json.dumps(order.arguments), "mood": order.mood.model_dump_json()}
        columns = {**fields, "submitted_at": time.time()}
        marks = ", ".join("?" * len(columns))
        self._write(f"INSERT INTO requests ({', '.join(columns)}) VALUES ({marks})", *columns.values())  # noqa: S608
        return self.request(order.request_id)

    def request(self, request_id: str) -> StoredRequest:
        """Raises KeyError for an id that was never given out."""
        row = self._one("SELECT * FROM requests WHERE request_id = ?", request_id)
        if row is None:
            raise KeyError(request_id)
        return _request(row)

    def requests(self, status: str | None = None) -> list[StoredRequest]:
        """Oldest first; all of them, or those in one status."""
        if status is None:
            return [_request(row) for row in self._all("SELECT * FROM requests ORDER BY number")]
        return [_request(row) for row in self._all("SELECT * FROM requests WHERE status = ? ORDER BY number", status)]

    def queue_length(self) -> int:
        row = self._one("SELECT count(*) AS waiting FROM requests WHERE status = 'IN_QUEUE'")
        return int(row["waiting"]) if row else 0

    def queue_position(self, request: StoredRequest) -> int:
        """How many requests wait before this one; 0 is next."""
        sql = "SELECT count(*) AS ahead FROM requests WHERE status = 'IN_QUEUE' AND number < ?"
        row = self._one(sql, request.number)
        return int(row["ahead"]) if row else 0

    def start(self, request_id: str) -> bool:
        sql = "UPDATE requests SET status = 'IN_PROGRESS', started_at = ? WHERE request_id = ? AND status = 'IN_QUEUE'"
        return self._write(sql, time.time(), request_id) == 1

    def wish_cancel(self, request_id: str) -> None:
        self._write("UPDATE requests SET cancel_requested = 1 WHERE request_id = ?", request_id)

    def complete(self, request: StoredRequest, outcome: Outcome, deliveries: list[tuple[bytes, float]]) -> bool:
        """Outcome, bill line and deliveries (body, seconds to wait) in one transaction; False when it already ended."""
        now = time.time()
        with self._lock, self._connection as connection:
            ended = connection.execute(
                "UPDATE requests SET status = 'COMPLETED', completed_at = ?, outcome = ?"
                " WHERE request_id = ? AND status != 'COMPLETED'",
                (now, outcome.to_json(), request.request_id),
            )
            if ended.rowcount != 1:
                return False
            if outcome.cost_micros:
                line = (request.request_id, request.endpoint_id, outcome.cost_micros, outcome.billable_units, now)
                connection.execute("INSERT INTO bill VALUES (?, ?, ?, ?, ?)", line)
            connection.executemany(
                "INSERT INTO deliveries (request_id, url, body, mood, next_at) VALUES (?, ?, ?, ?, ?)",
                [
                    (request.request_id, request.webhook_url, body, request.mood.model_dump_json(), now + wait_seconds)
                    for body, wait_seconds in deliveries
                ],
            )
            return True

    # Bill

    def bill(self) -> list[dict[str, Any]]:
        return [_bill_line(row) for row in self._all(f"{BILL} ORDER BY billed_at, request_id")]

    def bill_page(
        self, since: float, until: float, request_ids: list[str], endpoint_ids: list[str], *, limit: int, offset: int
    ) -> list[dict[str, Any]]:
        """Newest first, from `since` to before `until`; no ids are all ids."""
        wanted, values = ["billed_at >= ? AND billed_at < ?"], [since, until]
        for column, ids in (("request_id", request_ids), ("endpoint_id", endpoint_ids)):
            if ids:
                wanted.append(f"{column} IN ({', '.join('?' * len(ids))})")
        sql = f"SELECT * FROM ({BILL}) WHERE {' AND '.join(wanted)}"  # noqa: S608
        order = " ORDER BY billed_at DESC, request_id LIMIT ? OFFSET ?"
        return [_bill_line(row) for row in self._all(sql + order, *values, *request_ids, *endpoint_ids, limit, offset)]

    def add_bill_line(self, line: dict[str, Any]) -> None:
        sql = "INSERT INTO told_bill (request_id, endpoint_id, cost_micros, units, billed_at, fields)"
        names = ("request_id", "endpoint_id", "cost_micros", "units", "billed_at")
        self._write(f"{sql} VALUES (?, ?, ?, ?, ?, ?)", *(line[name] for name in names), json.dumps(line["fields"]))

    def remove_bill_lines(self, request_id: str) -> None:
        with self._lock, self._connection as connection:
            connection.execute("DELETE FROM bill WHERE request_id = ?", (request_id,))
            connection.execute("DELETE FROM told_bill WHERE request_id = ?", (request_id,))

    # Deliveries

    def deliveries(self) -> list[Delivery]:
        return [_delivery(row) for row in self._all("SELECT * FROM deliveries ORDER BY number")]

    def deliveries_of(self, request_id: str) -> list[Delivery]:
        return [_delivery(row) for row in self._all("SELECT * FROM deliveries WHERE request_id = ?", request_id)]

    def due_deliveries(self, limit: int) -> list[Delivery]:
        """The unfinished ones, soonest first, whether due yet or not."""
        sql = "SELECT * FROM deliveries WHERE next_at IS NOT NULL ORDER BY next_at, number LIMIT ?"
        return [_delivery(row) for row in self._all(sql, limit)]

    def record_try(self, delivery: Delivery, answer: str, next_at: float | None) -> None:
        answers = json.dumps([*delivery.answers, answer])
        sql = "UPDATE deliveries SET tries = tries + 1, answers = ?, next_at = ? WHERE number = ?"
        self._write(sql, answers, next_at, delivery.number)

    # Moods

    def add_mood(self, mood: Mood) -> None:
        sql = "INSERT INTO moods (call, body, remaining) VALUES (?, ?, ?)"
        self._write(sql, mood.call, mood.model_dump_json(), mood.next)

    def moods(self) -> list[Mood]:
        rows = self._all("SELECT body, remaining FROM moods WHERE remaining > 0 ORDER BY number")
        return [Mood.model_validate_json(row["body"]).model_copy(update={"next": row["remaining"]}) for row in rows]

    def clear_moods(self) -> None:
        self._write("DELETE FROM moods")

    def take_mood(self, call: Call, seed: int | None = None) -> Mood | None:
        """The oldest mood for this kind of call, used up by one; one with a seed is for the call with that seed."""
        with self._lock:
            for row in self._all("SELECT * FROM moods WHERE call = ? AND remaining > 0 ORDER BY number", call):
                mood = Mood.model_validate_json(row["body"])
                if mood.seed not in {None, seed}:
                    continue
                self._write("UPDATE moods SET remaining = remaining - 1 WHERE number = ?", row["number"])
                if mood.strikes(row["remaining"]):
                    return mood
        return None

    # Uploads

    def add_upload(self, upload: Upload) -> None:
        sql = "INSERT INTO uploads VALUES (?, ?, ?, ?, ?)"
        self._write(sql, upload.upload_id, upload.file_name, upload.content_type, upload.token, upload.complete)

    def upload(self, upload_id: str) -> Upload | None:
        row = self._one("SELECT * FROM uploads WHERE upload_id = ?", upload_id)
        return Upload(**{**dict(row), "complete": bool(row["complete"])}) if row else None

    def finish_upload(self, upload_id: str, content_type: str) -> None:
        sql = "UPDATE uploads SET complete = 1, content_type = ? WHERE upload_id = ?"
        self._write(sql, content_type, upload_id)

    # Settings

    def setting(self, name: str) -> str | None:
        row = self._one("SELECT value FROM settings WHERE name = ?", name)
        return str(row["value"]) if row else None

    def save_setting(self, name: str, value: str) -> None:
        sql = "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._write(sql, name, value)
