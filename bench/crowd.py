# SPDX-License-Identifier: MIT
"""The parts crowd and sustained of bench/run: mod_tidings on a usual httpd.

crowd: thousands of clients on an httpd with 150 workers (or 20 processes),
which hands them over or parks them. sustained: rates that are to be held
without loss and without a delay that grows. README.md explains the figures.
"""

import os
import subprocess

from report import Demand, connects, cpu, cpu_total, faults, latency
from report import print_rows, quotient
from servers import Failed, Missing, HTTPD, HTTPD_MODULES, find, listens
from servers import tail

CROWD = 1000, 10000           # plain clients, SSE and WebSocket
TLS, WSS, PREFORK = 5000, 2000, 3000
FAST = 100, 10000.0           # clients, messages per second
WIDE = 10000, 10.0
STEP, STEPS = 0.8, 10         # of the search for a rate that is held
TRIES = 2                     # at each of them
NOISE_MS = 50                 # what one hiccup of the machine comes to
LATE_MS = 500                 # later than this nobody has kept up
BATCH_MS = "2"                # what the publisher commits at once


# --- the servers -----------------------------------------------------------

def module(site):
    """The line that loads mod_tidings; without it the part makes no sense,
    but for trying it with fewer clients than httpd has workers."""
    path = os.path.join(site.options.build, "apache", "mod_tidings.so")
    if site.options.proxied:
        return ""
    if not os.path.exists(path):
        raise Missing("mod_tidings is not built")
    return f'LoadModule tidings_module "{path}"'


def certificate(site):
    """A certificate for TLS that lives as long as the servers do."""
    done = subprocess.run(
        [find(["openssl"], "openssl"), "req", "-x509", "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", site.path("tls.key"),
         "-out", site.path("tls.crt")],
        check=False, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise Failed("openssl: " + done.stderr.strip())


def where(site, tls):
    """Arguments of load: httpd, with or without TLS."""
    if tls:
        return ["--target", f"127.0.0.1:{site.port['TLS']}", "--tls"]
    return ["--target", f"127.0.0.1:{site.port['HTTPD']}"]


def warm(site, tls):
    """Let httpd's workers answer something, so that what they allocate for
    their first request is not taken for memory of the clients."""
    done = subprocess.run(
        [site.program("bench/load"), "ask", "--path", "/static.txt",
         "--clients", "150", "--seconds", "1", *where(site, tls)],
        check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Failed("warming httpd: " + done.stderr.strip())


def crowd_httpd(site, mpm="event"):
    """Start it; arguments of load to measure it."""
    certificate(site)
    conf = site.fill("crowd.conf.in", {
        "MODULES": find(HTTPD_MODULES, "httpd's modules"),
        "USER": "User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        "TIDINGS_MODULE": module(site),
        "TIDINGS": site.tidings_include()})
    os.makedirs(site.path("htdocs"), exist_ok=True)
    with open(site.path("htdocs/static.txt"), "w", encoding="ascii") as f:
        f.write("x" * 100 + "\n")
    argv = [find(HTTPD, "httpd"), "-f", conf, "-DFOREGROUND"]
    if mpm == "prefork":
        argv.append("-DCROWD_PREFORK")
    server = site.start("httpd", argv)
    server.wait_for(lambda: listens(site.port["HTTPD"]), "httpd port")
    return ["--tree", f"httpd={server.pid}"]


def publish(site, channel):
    return ["--publish", "db:" + site.path("data/tidings.db"),
            "--channel", channel]


def ask_for(site, form, tls=False, channel="bench"):
    """Arguments of load for clients of a channel."""
    return where(site, tls) + ["--form", form, "--path",
                               f"/push/{form}?channel={channel}"]


def tidings(form, tls=False, mpm="event"):
    def begin(site):
        module(site)  # first: it may be missing
        pid = site.tidings("wsd" if form == "ws" else form)
        httpd = crowd_httpd(site, mpm)
        warm(site, tls)
        return (httpd + ask_for(site, form, tls) + publish(site, "bench") +
                ["--pid", f"program={pid}"])
    return begin


# --- all of them at once ---------------------------------------------------

def together(row, site):
    """Every kind of client on one httpd, at the same time."""
    module(site)
    pids = [site.tidings("wsd")]
    groups = crowd_httpd(site)
    pids.append(site.pid_of("sse"))
    groups += ["--pid", "program=" + ",".join(map(str, pids))]
    loads = []
    for number, (form, tls, clients) in enumerate((
            ("sse", False, CROWD[-1]), ("sse", True, TLS),
            ("ws", True, WSS))):
        count = scaled(site.options, clients)
        channel = f"bench{number}"
        loads.append(site.start_load(row.name, [
            "watch", "--clients", str(count), "--connect-rate", "1000000",
            "--connect-ms", "60000", "--drain-ms", "10000",
            # So long that all of the others are there as well.
            "--settle-ms", "20000" if count > 1000 else "3000",
            "--hz", "1", "--messages", str(max(3, round(
                site.options.seconds))),
            *ask_for(site, form, tls, channel), *publish(site, channel),
            *groups]))
    values = [site.finish_load(load) for load in loads]
    return {"label": row.name, "loads": values,
            "connected": sum(v["connected"] for v in values),
            "faults": sum(faults(v) for v in values)}


# --- rates that are to be held ---------------------------------------------

def complaint(value, seconds):
    """What speaks against a rate having been held, or None."""
    first, last = value["fifths_ms"][0], value["fifths_ms"][-1]
    if faults(value) > 0:
        return f"{faults(value)} faults"
    if value["publish_seconds"] > 1.02 * seconds + 0.1:
        return f"published in {value['publish_seconds']:.1f} s"
    if last > 1.5 * first + NOISE_MS or last > LATE_MS:
        return f"p99 {first:.0f} ms, later {last:.0f} ms"
    return None


def sustain(begin, clients, hz):
    """The highest rate that is held: hz, or the next lower step."""
    def attempt(row, site, rate):
        seconds = site.options.seconds * 2
        count = clients if clients <= 100 else scaled(site.options, clients)
        value = site.finish_load(site.start_load(row.name, [
            "watch", "--clients", str(count), "--warm", "20",
            "--connect-rate", "5000", "--hz", f"{rate:.3f}",
            "--messages", str(max(3, round(rate * seconds))),
            # So long that what comes late is not taken for lost.
            "--drain-ms", "15000", "--batch-ms", BATCH_MS,
            "--size", str(site.options.size), *begin(site)]))
        if not value["received"]:
            raise Failed("nothing came")
        return value, complaint(value, seconds)

    def measure(row, site):
        complaints = []
        for number in range(STEPS * TRIES):
            rate = hz * STEP ** (number // TRIES)
            if number > 0:
                # What the last try has left behind is no part of the next.
                site.close()
                site.open()
            value, against = attempt(row, site, rate)
            if against is None:
                value["held_hz"] = rate
                value["complaints"] = complaints
                return value
            complaints.append(f"{rate:.4g}/s: {against}")
        raise Failed("no rate was held, " + complaints[-1])
    return measure


# --- the rows --------------------------------------------------------------

def scaled(options, clients):
    return max(40, round(clients * options.crowd))


def numbers(*clients):
    return lambda options: list(dict.fromkeys(
        scaled(options, n) for n in clients))


def rows(row, bare, nchan):
    """The measurements of both parts; row makes one, bare and nchan make what
    begins the servers to compare with."""
    plain = numbers(*CROWD)
    found = []
    for form, name in ("sse", "SSE"), ("ws", "WebSocket"):
        found += [
            row(f"crowd/{form}-tidings", "crowd", "Tidings, mod_tidings",
                tidings(form), clients=plain),
            row(f"crowd/{form}-bare", "crowd", "bare loop, direct",
                bare("tcp", form), clients=plain),
            row(f"crowd/{form}-nchan", "crowd", "Nchan, direct",
                nchan(form, True), clients=plain)]
    found += [
        row("crowd/tls", "crowd", "Tidings, SSE over TLS",
            tidings("sse", True), clients=numbers(TLS)),
        row("crowd/wss", "crowd", "Tidings, WebSocket over TLS",
            tidings("ws", True), clients=numbers(WSS)),
        row("crowd/prefork", "crowd", "Tidings, SSE, 20 prefork processes",
            tidings("sse", mpm="prefork"), clients=numbers(PREFORK)),
        row("crowd/together", "together", "all kinds at once", None,
            clients=numbers(CROWD[-1] + TLS + WSS), measure=together)]
    for name, (clients, hz) in ("fast", FAST), ("wide", WIDE):
        for server, about, begin in (
                ("tidings", "Tidings, mod_tidings", tidings("sse")),
                ("bare", "bare loop, direct", bare("tcp", "sse"))):
            found.append(row(
                f"sustained/{name}-{server}", "sustained", about, None,
                clients=lambda options: [0],
                measure=sustain(begin, clients, hz)))
    return found


# --- what is printed -------------------------------------------------------

def memory_total(r):
    """None where too few were connected to tell."""
    if r["connected"] * 2 < r["clients"]:
        return None
    return sum(g["dirty_kb_per_client"] for g in r["groups"].values())


def connect_total(r):
    return sum(g["connect_us"] for g in r["groups"].values())


def load_cpu(r):
    return r["load_cpu_us"]


def to_all(r):
    return r["to_all_ms"]["p99"]


def print_crowd(results, rows_, options):
    shown = [("SSE", "crowd/sse-", n) for n in numbers(*CROWD)(options)]
    shown += [("WebSocket", "crowd/ws-", n) for n in numbers(*CROWD)(options)]
    shown += [("crowd", name, scaled(options, n)) for name, n in (
        ("crowd/tls", TLS), ("crowd/wss", WSS), ("crowd/prefork", PREFORK))]
    for title, name, n in shown:
        print_rows(
            results, [row for row in rows_ if row.kind == "crowd" and
                      row.name.startswith(name)], n,
            f"{title}, {n} clients: CPU in us per delivery, latency in ms, "
            "private memory of program and httpd in kB per client, connecting",
            [("program", cpu("program"), 2), ("httpd", cpu("httpd"), 2),
             ("total", cpu_total, 2), ("p50", latency("p50"), 1),
             ("p99", latency("p99"), 1), ("to all", to_all, 1),
             ("memory", memory_total, 2), ("connects/s", connects, 0),
             ("CPU each", connect_total, 1), ("load's", load_cpu, 2),
             ("faults", faults, None)], "")


def print_sustained(results, rows_, name, title):
    print_rows(
        results, [row for row in rows_ if row.name.startswith(name)], 0,
        f"{title}: the highest rate that was held, p99 in ms of the first and "
        "the last fifth, CPU in us per delivery",
        [("messages/s", held_hz, 1), ("deliveries/s", deliveries, 0),
         ("first", lambda r: r["fifths_ms"][0], 1),
         ("last", lambda r: r["fifths_ms"][-1], 1), ("CPU", cpu_total, 2),
         ("load's", load_cpu, 2)], "")


def held_hz(r):
    return r["held_hz"]


def deliveries(r):
    return r["received"] / r["seconds"] if r["seconds"] else 0


def print_tables(results, options, rows_):
    print_crowd(results, rows_, options)
    print_sustained(results, rows_, "sustained/fast",
                    f"{FAST[0]} clients, {FAST[1]:g} messages/s asked for")
    print_sustained(results, rows_, "sustained/wide",
                    f"{scaled(options, WIDE[0])} clients, {WIDE[1]:g} "
                    "messages/s asked for")


def fewest(results, name, n, figure):
    """A demand that each round must meet counts the worst one."""
    values = results.series(name, n, figure)
    if values is None:
        return None
    values = [v for v in values if v is not None]
    return [min(values)] if values else []


def whole(results, name, n, text):
    return Demand(f"{text}, {n} clients: fewest held without fault", n, False,
                  fewest(results, name, n,
                         lambda r: r["connected"] - faults(r)))


def plain_demands(results, form, title, n, options):
    ours = f"crowd/{form}-tidings"

    def ratio(of, figure):
        return quotient(results, ours, figure, f"crowd/{form}-{of}", figure,
                        n)
    at = f"{title} handed over, {n} clients: "
    found = [
        whole(results, ours, n, f"{title} handed over"),
        Demand(at + "CPU with httpd's / bare loop's", 1.15, True,
               ratio("bare", cpu_total)),
        Demand(at + "CPU with httpd's / Nchan's direct", 1.0, True,
               ratio("nchan", cpu_total)),
        Demand(at + "p99 / Nchan's direct", 1.0, True,
               ratio("nchan", latency("p99"))),
        Demand(at + "p99 until the last client has it / Nchan's", 1.0, True,
               ratio("nchan", to_all)),
        Demand(at + "memory with httpd's, kB per client", 2, True,
               results.series(ours, n, memory_total)),
        Demand(at + "the same for Nchan, to compare", 0, None,
               results.series(f"crowd/{form}-nchan", n, memory_total)),
    ]
    if n == scaled(options, CROWD[-1]):
        found.append(Demand(at + "connected per second", 5000, False,
                            results.series(ours, n, connects)))
    return found


def sustained_demands(results):
    found = []
    for name, (clients, hz) in ("fast", FAST), ("wide", WIDE):
        ours = results.series(f"sustained/{name}-tidings", 0, held_hz)
        bare = results.series(f"sustained/{name}-bare", 0, held_hz)
        if ours is not None:
            ours = [a and a / min(hz, b or hz)
                    for a, b in zip(ours, bare or [hz] * len(ours))]
        found.append(Demand(
            f"{clients} clients x {hz:g} messages/s, rate held / it, or what "
            "the bare loop holds", 1, False, ours))
    return found


def demands(results, options):
    found = []
    for n in numbers(*CROWD)(options):
        found += plain_demands(results, "sse", "SSE", n, options)
        found += plain_demands(results, "ws", "WebSocket", n, options)
    for name, title, n, bound in (
            ("crowd/tls", "SSE over TLS", TLS, None),
            ("crowd/wss", "WebSocket over TLS", WSS, None),
            ("crowd/prefork", "SSE, 20 prefork processes", PREFORK, True)):
        n = scaled(options, n)
        found += [
            whole(results, name, n, title),
            Demand(f"{title}, {n} clients: memory with httpd's, kB per "
                   "client", 2, bound, results.series(name, n, memory_total))]
    n = numbers(CROWD[-1] + TLS + WSS)(options)[0]
    found.append(Demand(
        f"all kinds at once, {n} clients: fewest held without fault",
        sum(numbers(CROWD[-1], TLS, WSS)(options)), False,
        fewest(results, "crowd/together", n,
               lambda r: r["connected"] - r["faults"])))
    return found + sustained_demands(results)
