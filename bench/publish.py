# SPDX-License-Identifier: MIT
"""Publishing: single messages against a program that does nothing, and batches
into the table while subscribers of other channels are held."""

import json
import os
import sqlite3
import subprocess
import time
import urllib.request

from servers import Failed, tail

SINGLE = 32, 100      # connections that publish single messages
WRITERS = 4           # connections that publish batches
BATCH = 1000          # messages in a batch
CHANNELS = 10         # that they go to
WATCHERS = 1000       # SSE clients of another channel
WATCH_HZ = 5          # messages per second that those get
KEPT = 1000           # messages that retention leaves in a channel
PRUNE_MS = 1000       # between rounds of pruning
# Rounds of pruning often enough that each measurement has some.
RETENTION = f"[retention]\ncount = {KEPT}\nevery = {PRUNE_MS}ms\n"


def tidings(site, durability):
    """Start the programs; the pid of publish."""
    return site.tidings(
        "publish", f"durability = {durability}",
        "[access]\npublish_from_loopback = yes\n" + RETENTION)


def post(site, name, text, media_type):
    """Arguments of load for posting a text."""
    path = site.path(name)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    return ["--post", path, "--type", media_type]


def load(site, name, arguments):
    """Start load; the server, and where it leaves its result."""
    result = site.path(name + ".json")
    server = site.start(name, [site.program("bench/load")] + arguments +
                        ["--label", name, "--json", result])
    return server, result


def finish(site, server, result):
    try:
        server.process.wait(site.options.seconds * 3 + 120)
    except subprocess.TimeoutExpired:
        raise Failed("load did not end") from None
    if server.process.returncode != 0 or not os.path.exists(result):
        raise Failed("load: " + tail(server.log))
    with open(result, encoding="utf-8") as f:
        return json.loads(f.read())


def check_answers(value):
    if not value["answers"] or set(value["statuses"]) != {"201"}:
        raise Failed(f"answered {value['statuses']}, not 201")
    return value


def ask(site, httpd, pid, connections):
    return ["ask", "--clients", str(connections),
            "--seconds", str(site.options.seconds),
            "--target", f"127.0.0.1:{site.port['HTTPD']}",
            "--tree", f"httpd={httpd.pid}", "--pid", f"program={pid}"]


# --- single messages -------------------------------------------------------

def single(connections, path, durability=None):
    """One message of --size bytes in each request. Without durability it is
    the program that does nothing."""
    def begin(site):
        site.clients = connections
        if durability is None:
            pid = site.null().pid
        else:
            pid = tidings(site, durability)
        httpd = site.httpd(tidings=durability is not None)
        text = "x" * site.options.size
        server, result = load(
            site, "publish", ask(site, httpd, pid, connections) +
            ["--path", path + "?channel=single"] +
            post(site, "message.txt", text, "text/plain"))
        return check_answers(finish(site, server, result))
    return begin


# --- batches ---------------------------------------------------------------

def batch_text(size):
    return json.dumps([{"channel": f"batch{i * CHANNELS // BATCH}",
                        "data": "x" * size} for i in range(BATCH)])


class Table:
    """The change table, looked at from outside."""

    def __init__(self, path):
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True,
                                  isolation_level=None)

    def number(self, sql):
        value = self.db.execute(sql).fetchone()
        return 0 if value is None or value[0] is None else value[0]

    def committed(self):
        """Messages that were ever committed: ids have no gaps."""
        return self.number("SELECT seq FROM sqlite_sequence "
                           "WHERE name = 'changes'")

    def kept(self):
        return self.number("SELECT count(*) FROM changes")


def watch(site, seconds):
    """Hold subscribers to whom a message comes now and then, by HTTP."""
    at = f"127.0.0.1:{site.port['HTTPD']}"
    server, result = load(
        site, "watch",
        ["watch", "--clients", str(WATCHERS), "--connect-rate", "1500",
         "--hz", str(WATCH_HZ), "--messages", str(int(WATCH_HZ * seconds)),
         "--target", at, "--path", "/push/sse?channel=bench",
         "--publish", f"http:{at}/push/publish?channel=bench"])
    about = f"http://{at}/push/publish?channel=bench"

    def all_there():
        with urllib.request.urlopen(about, timeout=5) as answer:
            return json.load(answer)["subscribers"] >= WATCHERS
    server.wait_for(all_there, f"{WATCHERS} subscribers")
    return server, result


def count_rows(table, process, seconds):
    """Rows per second while the load runs, its first and last part left
    out; and how many rows the table had at most."""
    samples, most = [], 0
    while process.poll() is None:
        samples.append((time.monotonic(), table.committed()))
        most = max(most, table.kept())
        time.sleep(0.05)
    begin = samples[0][0] + seconds * 0.2
    end = samples[0][0] + seconds * 1.05
    inside = [s for s in samples if begin <= s[0] <= end]
    if len(inside) < 2:
        raise Failed("the load ended too soon")
    return ((inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0]),
            most)


def batch(durability):
    def begin(site):
        site.clients = WATCHERS + WRITERS
        pid = tidings(site, durability)
        with open(site.path("run/sse.pid"), encoding="ascii") as f:
            sse = f.read().strip()
        httpd = site.httpd(tidings=True)
        table = Table(site.path("data/tidings.db"))
        text = batch_text(site.options.size)
        watcher = watch(site, site.options.seconds * 1.2 + 1)
        before = table.committed()
        server, result = load(
            site, "publish", ask(site, httpd, pid, WRITERS) +
            ["--pid", f"sse={sse}", "--path", "/push/publish?batch=1"] +
            post(site, "batch.json", text, "application/json"))
        rows, most = count_rows(table, server.process, site.options.seconds)
        value = check_answers(finish(site, server, result))
        if table.committed() - before < value["answers"] * BATCH:
            raise Failed("fewer rows than were answered")
        value["rows_per_second"] = rows
        value["most_rows"] = most
        value["watch"] = finish(site, *watcher)
        return value
    return begin


def rows(make):
    """The measurements; make is run's Row."""
    made = []
    for n in SINGLE:
        made += [
            make(f"publish/null-{n}", "single",
                 f"null, new connections, {n}", single(n, "/null")),
            make(f"publish/one-{n}", "single",
                 f"publish, as configured, {n}",
                 single(n, "/push/publish", "process")),
            make(f"publish/one-fresh-{n}", "single",
                 f"publish, new connections, {n}",
                 single(n, "/anew/publish", "process")),
            make(f"publish/one-power-{n}", "single",
                 f"publish, durability = power, {n}",
                 single(n, "/push/publish", "power")),
        ]
    return made + [
        make("publish/batch", "batch", "durability = process",
             batch("process")),
        make("publish/batch-power", "batch", "durability = power",
             batch("power")),
    ]
