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


def watch_line(results, row, clients):
    def median(figure):
        return results.median(row.name, clients, figure)
    if median(cpu_total) is None:
        reason = results.reasons.get((row.name, clients), "left out")
        return [row.about + ": not measured, " + reason] + [""] * 8
    return [row.about, show(median(cpu("program"))),
            show(median(cpu("httpd"))), show(median(cpu_total)),
            show(median(latency("p50")), 1), show(median(latency("p99")), 1),
            show(median(memory("program"))), show(median(memory("httpd")), 1),
            str(results.worst(row.name, clients, faults))]


def print_watch(results, rows, kind, clients):
    lines = [watch_line(results, row, clients)
             for row in rows if row.kind == kind]
    if not lines:
        return
    print(f"{kind}, {clients} clients: CPU in us per delivery, latency in "
          "ms, private memory in kB per held client\n")
    print_table(["server", "program", "httpd", "total", "p50", "p99",
                 "memory", "httpd's", "faults"], lines)


def print_ask(results, rows, kind, title, connections):
    lines = []
    for row in rows:
        if row.kind != kind:
            continue
        if results.median(row.name, 0, rate) is None:
            reason = results.reasons.get((row.name, 0), "left out")
            lines.append([row.about + ": not measured, " + reason] + [""] * 4)
            continue
        lines.append([row.about, show(results.median(row.name, 0, rate), 0)] +
                     [show(results.median(row.name, 0, cpu(g)), 1)
                      for g in ("program", "httpd")] +
                     [str(results.worst(row.name, 0, lambda r: r["bad"]))])
    if lines:
        print(f"{title}, {connections} connections: CPU in us each\n")
        print_table(["server", "per second", "program", "httpd", "bad"],
                    lines)


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
        Demand(at + "own CPU direct / Nchan's direct", 1.0, True,
               ratio("ws/tidings-direct", own, "ws/nchan-direct", own)),
        Demand(at + "own CPU direct / bare loop's direct", 1.2, True,
               ratio("ws/tidings-direct", own, "ws/bare-direct", own)),
        Demand(at + "CPU behind httpd / Nchan's behind httpd", 1.0, True,
               ratio("ws/tidings", cpu_total, "ws/nchan", cpu_total)),
        Demand(at + "the same for the bare loop, to compare", 0, None,
               ratio("ws/bare", cpu_total, "ws/nchan", cpu_total)),
        Demand(at + "p99 latency direct / Nchan's direct", 1.0, True,
               ratio("ws/tidings-direct", latency("p99"), "ws/nchan-direct",
                     latency("p99"))),
        Demand(at + "own memory per held client, kB", 3, True,
               results.series("ws/tidings-direct", n, memory("program"))),
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
        Demand("echo, wsd direct / Node ws direct", 1.0, False,
               ratio("echo/tidings-direct", "echo/node-direct")),
        Demand("echo, wsd / Node ws, both behind httpd", 1.0, False,
               ratio("echo/tidings", "echo/node")),
    ]


def print_report(results, options, rows):
    for clients in options.clients:
        print_watch(results, rows, "sse", clients)
        print_watch(results, rows, "ws", clients)
    print_ask(results, rows, "ask", "requests answered 304",
              options.connections)
    print_ask(results, rows, "echo", "WebSocket echoes",
              options.connections)
    demands = []
    for clients in options.clients:
        demands += sse_demands(results, clients)
        demands += ws_demands(results, clients)
    demands += ask_demands(results)
    print(f"what is demanded, median and range of {options.rounds} rounds\n")
    print_table(["ratio or figure", "median", "range", "target", ""],
                [d.line() for d in demands if d.asked])
