# SPDX-License-Identifier: MIT
"""What bench/run prints: tables of medians, and what is demanded of them."""

import statistics


class Results:
    """All measurements: values per row and number of clients, per round."""

    def __init__(self):
        self.values = {}   # (row name, clients) -> [result or None, ...]
        self.reasons = {}  # (row name, clients) -> why there is none

    def add(self, row, clients, value, reason=None):
        self.values.setdefault((row.name, clients), []).append(value)
        if reason is not None:
            self.reasons[row.name, clients] = reason

    def tried(self, name, clients):
        return (name, clients) in self.values

    def series(self, name, clients, figure):
        """The figure in each round, None where it was not measured; None
        alone if it was left out."""
        if not self.tried(name, clients):
            return None
        return [None if r is None else figure(r)
                for r in self.values[name, clients]]

    def median(self, name, clients, figure):
        values = [v for v in self.series(name, clients, figure) or []
                  if v is not None]
        return statistics.median(values) if values else None

    def worst(self, name, clients, figure):
        values = [v for v in self.series(name, clients, figure) or []
                  if v is not None]
        return max(values) if values else None


def cpu(group):
    return lambda r: r["groups"].get(group, {}).get("cpu_us")


def cpu_total(r):
    return sum(g["cpu_us"] for g in r["groups"].values())


def memory(group):
    return lambda r: r["groups"].get(group, {}).get("dirty_kb_per_client")


def memory_at_end(r):
    return r["groups"]["program"]["dirty_kb_per_client_at_end"]


def connect_cpu(r):
    return r["groups"]["program"]["connect_us"]


def connects(r):
    return r["connects_per_second"]


def on_wire(r):
    return r["bytes_per_delivery"]


def latency(which):
    return lambda r: r["latency_ms"][which]


def faults(r):
    return (r["lost"] + r["duplicated"] + r["disordered"] + r["damaged"] +
            r["clients"] - r["connected"])


def rate(r):
    return r["per_second"]


def show(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def print_table(head, lines):
    widths = [max(len(line[i]) for line in [head] + lines)
              for i in range(len(head))]

    def text(cells):
        return "| " + " | ".join(
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths))) + " |"
    print(text(head))
    print("|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":")
                         for i, w in enumerate(widths)) + "|")
    for line in lines:
        print(text(line))
    print()


def table_line(results, row, clients, columns):
    """Medians of the figures of a row, or why there are none."""
    if all(results.median(row.name, clients, figure) is None
           for _, figure, _ in columns):
        reason = results.reasons.get((row.name, clients), "left out")
        return [row.about + ": not measured, " + reason] + [""] * len(columns)
    return [row.about] + [
        str(results.worst(row.name, clients, figure)) if digits is None
        else show(results.median(row.name, clients, figure), digits)
        for _, figure, digits in columns]


def print_rows(results, rows, clients, title, columns, what="server"):
    """A table of those rows that were tried.  Columns are (heading, figure,
    digits); without digits the worst round is shown."""
    lines = [table_line(results, row, clients, columns) for row in rows
             if results.tried(row.name, clients)]
    if lines:
        print(title + "\n")
        print_table([what] + [heading for heading, _, _ in columns], lines)


def print_watch(results, rows, kind, clients):
    print_rows(
        results, [r for r in rows if r.kind == kind], clients,
        f"{kind}, {clients} clients: CPU in us per delivery, latency in ms, "
        "private memory in kB per held client",
        [("program", cpu("program"), 2), ("httpd", cpu("httpd"), 2),
         ("total", cpu_total, 2), ("p50", latency("p50"), 1),
         ("p99", latency("p99"), 1), ("memory", memory("program"), 2),
         ("httpd's", memory("httpd"), 1), ("faults", faults, None)])


def print_direct(results, rows, kind, clients, title):
    """The same where there is no httpd, with what connecting costs."""
    print_rows(
        results, [r for r in rows if r.kind == kind], clients,
        f"{title}, direct, {clients} clients: CPU in us per delivery, latency "
        "in ms, bytes received per delivery, private memory in kB per idle "
        "client and after the messages, connecting",
        [("CPU", cpu_total, 2), ("p50", latency("p50"), 1),
         ("p99", latency("p99"), 1), ("bytes", on_wire, 0),
         ("memory", memory("program"), 2), ("at end", memory_at_end, 2),
         ("connects/s", connects, 0), ("CPU each", connect_cpu, 1),
         ("faults", faults, None)])


def print_ask(results, rows, kind, title, connections):
    print_rows(
        results, [r for r in rows if r.kind == kind], 0,
        f"{title}, {connections} connections: CPU in us each",
        [("per second", rate, 0), ("program", cpu("program"), 1),
         ("httpd", cpu("httpd"), 1), ("bad", lambda r: r["bad"], None)])


def print_single(results, rows):
    print_rows(
        results, [r for r in rows if r.kind == "single"], 0,
        "single messages published: program and number of connections; "
        "answers in ms, CPU in us each",
        [("per second", rate, 0), ("p50", latency("p50"), 1),
         ("p99", latency("p99"), 1), ("program's CPU", cpu("program"), 1),
         ("httpd's", cpu("httpd"), 1)], "program")


def rows_per_second(r):
    return r["rows_per_second"]


def watch_p99(r):
    return r["watch"]["latency_ms"]["p99"]


def print_batch(results, rows):
    print_rows(
        results, [r for r in rows if r.kind == "batch"], 0,
        "batches published while SSE clients of another channel are held: "
        "rows committed, answers in ms, most rows in the table, CPU in us per "
        "batch, messages to the clients in ms",
        [("rows/s", rows_per_second, 0), ("p99", latency("p99"), 0),
         ("most rows", lambda r: r["most_rows"], 0),
         ("publish's CPU", cpu("program"), 0), ("sse's", cpu("sse"), 0),
         ("clients' p99", watch_p99, 0),
         ("faults", lambda r: faults(r["watch"]), None)], "")


class Demand:
    """A figure that is asked for, and the bound it must keep."""

    def __init__(self, text, target, most, values):
        self.text = text
        self.target = target
        self.most = most      # True: at most target; False: at least;
                              # None: nothing depends on it
        self.asked = values is not None  # False: it was left out
        self.values = [v for v in values or [] if v is not None]

    def line(self):
        bound, verdict = "", ""
        if self.most is not None:
            bound = ("<= " if self.most else ">= ") + f"{self.target:g}"
        if not self.values:
            return [self.text, "-", "-", bound, "not measured"]
        value = statistics.median(self.values)
        if self.most is not None:
            met = value <= self.target if self.most else value >= self.target
            verdict = "met" if met else "NOT MET"
        return [self.text, show(value),
                f"{show(min(self.values))} to {show(max(self.values))}",
                bound, verdict]


def quotient(results, a, of_a, b, of_b, clients):
    """a / b in each round where both were measured; None if left out."""
    if not results.tried(a, clients) or not results.tried(b, clients):
        return None
    pairs = zip(results.series(a, clients, of_a),
                results.series(b, clients, of_b))
    return [x / y for x, y in pairs if x is not None and y]


def sse_demands(results, n):
    def ratio(a, of_a, b, of_b):
        return quotient(results, a, of_a, b, of_b, n)
    own = cpu("program")
    at = f"sse, {n} clients: "
    return [
        Demand(at + "CPU behind httpd / Nchan's behind httpd", 0.7, True,
               ratio("sse/tidings", cpu_total, "sse/nchan", cpu_total)),
        Demand(at + "the same for the bare loop, to compare", 0, None,
               ratio("sse/bare-fcgi", cpu_total, "sse/nchan", cpu_total)),
        Demand(at + "own CPU / bare loop's, both behind httpd", 1.2, True,
               ratio("sse/tidings", own, "sse/bare-fcgi", own)),
        Demand(at + "own CPU / bare loop's, both on their socket", 1.2, True,
               ratio("sse/tidings-own", own, "sse/bare-own", own)),
        Demand(at + "own CPU behind httpd / bare loop's on TCP", 1.2, True,
               ratio("sse/tidings", own, "sse/bare-tcp", own)),
        Demand(at + "own memory per held client, kB", 2, True,
               results.series("sse/tidings", n, memory("program"))),
        Demand(at + "clients held without fault", n, False,
               results.series("sse/tidings", n,
                              lambda r: r["connected"] - faults(r))),
    ]


def ws_demands(results, n):
    def ratio(a, of_a, b, of_b):
        return quotient(results, a, of_a, b, of_b, n)
    own = cpu("program")
    at = f"ws, {n} clients: "
    return [
        Demand(at + "CPU behind httpd / Nchan's behind httpd", 1.0, True,
               ratio("ws-httpd/tidings", cpu_total, "ws-httpd/nchan",
                     cpu_total)),
        Demand(at + "the same for the bare loop, to compare", 0, None,
               ratio("ws-httpd/bare", cpu_total, "ws-httpd/nchan",
                     cpu_total)),
        Demand(at + "CPU / Nchan's", 1.0, True,
               ratio("ws/tidings", own, "ws/nchan", own)),
        Demand(at + "CPU / bare loop's", 1.2, True,
               ratio("ws/tidings", own, "ws/bare", own)),
        # That latency is asked for at 1,000 clients and 20 messages a second.
        Demand(at + "p99 latency / Nchan's", 1.0, True if n == 1000 else None,
               ratio("ws/tidings", latency("p99"), "ws/nchan",
                     latency("p99"))),
        Demand(at + "p99 latency / bare loop's", 0, None,
               ratio("ws/tidings", latency("p99"), "ws/bare",
                     latency("p99"))),
        Demand(at + "memory per idle client, kB", 3, True,
               results.series("ws/tidings", n, memory("program"))),
        Demand(at + "clients held without fault", n, False,
               results.series("ws/tidings", n,
                              lambda r: r["connected"] - faults(r))),
        Demand(at + "handshakes per second / Nchan's", 0, None,
               ratio("ws/tidings", connects, "ws/nchan", connects)),
        Demand(at + "CPU per handshake / Nchan's", 0, None,
               ratio("ws/tidings", connect_cpu, "ws/nchan", connect_cpu)),
    ] + deflate_demands(results, n)


def deflate_demands(results, n):
    def ratio(a, b, figure):
        return quotient(results, a, figure, b, figure, n)
    own = cpu("program")
    ours, plain = "ws/deflate-tidings", "ws/json-tidings"
    at = f"1 KB of JSON deflated, {n} clients: "
    return [
        Demand(at + "CPU / plain", 0, None, ratio(ours, plain, own)),
        Demand(at + "bytes / plain", 0, None, ratio(ours, plain, on_wire)),
        Demand(at + "CPU / Node ws's deflated", 0, None,
               ratio(ours, "ws/deflate-node", own)),
        Demand(at + "bytes / Node ws's deflated", 0, None,
               ratio(ours, "ws/deflate-node", on_wire)),
        Demand(at + "memory per idle client, kB", 3, True,
               results.series(ours, n, memory("program"))),
    ]


def ask_demands(results):
    def ratio(a, b):
        return quotient(results, a, rate, b, rate, 0)
    return [
        Demand("304s per second, poll / null", 0.85, False,
               ratio("ask/poll", "ask/null")),
        Demand("304s per second, poll / null, both on new connections", 0.85,
               False, ratio("ask/poll-fresh", "ask/null")),
        Demand("304s per second, null / static file", 0, None,
               ratio("ask/null", "ask/static")),
        Demand("echoes per second, wsd / Node ws, both behind httpd", 1.0,
               False,
               ratio("ws-httpd/echo-tidings", "ws-httpd/echo-node")),
        Demand("echoes per second, wsd / Node ws, both direct", 1.0, False,
               ratio("ws/echo-tidings", "ws/echo-node")),
        Demand("the same with messages of 16 KiB", 1.0, False,
               ratio("ws/echo-large-tidings", "ws/echo-large-node")),
    ]


def publish_demands(results):
    demands = [Demand("messages committed per second, in batches", 50000,
                      False,
                      results.series("publish/batch", 0, rows_per_second))]
    demands.append(Demand("the same with durability = power", 0, None,
                          results.series("publish/batch-power", 0,
                                         rows_per_second)))
    demands.append(Demand("faults of SSE clients meanwhile", 0, True,
                          results.series("publish/batch", 0, lambda r:
                                         faults(r["watch"]))))
    for n in (32, 100):
        for name, bound, text in (
                ("one", False, "publish / null"),
                ("one-fresh", None, "the same, both on new connections"),
                ("one-power", None, "the same, durability = power")):
            demands.append(Demand(
                f"single publishes per second, {n} connections, {text}"
                if name == "one" else text, 0.6, bound,
                quotient(results, f"publish/{name}-{n}", rate,
                         f"publish/null-{n}", rate, 0)))
    return demands


def print_report(results, options, rows, parts):
    """All tables; parts are modules with tables and demands of their own."""
    for clients in options.clients:
        print_watch(results, rows, "sse", clients)
        print_watch(results, rows, "ws-httpd", clients)
        print_direct(results, rows, "ws", clients, "ws")
        print_direct(results, rows, "deflate", clients, "ws, 1 KB of JSON")
    print_ask(results, rows, "ask", "requests answered 304",
              options.connections)
    print_ask(results, rows, "echo", "WebSocket echoes",
              options.connections)
    for part in parts:
        part.print_tables(results, options, rows)
    print_single(results, rows)
    print_batch(results, rows)
    demands = []
    for clients in options.clients:
        demands += sse_demands(results, clients)
        demands += ws_demands(results, clients)
    demands += ask_demands(results)
    for part in parts:
        demands += part.demands(results, options)
    demands += publish_demands(results)
    print(f"what is demanded, median and range of {options.rounds} rounds\n")
    print_table(["ratio or figure", "median", "range", "target", ""],
                [d.line() for d in demands if d.asked])
