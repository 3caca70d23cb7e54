# SPDX-License-Identifier: MIT
"""The servers that bench/run compares: starting them, and stopping them.

Whatever is started here is known by its process id, and so are its children
when it is stopped; nothing is ever looked for by name.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
HTTPD = "apache2", "httpd"
HTTPD_MODULES = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules",
                 "/usr/lib/httpd/modules")
NCHAN_MODULE = ("/usr/lib/nginx/modules/ngx_nchan_module.so",
                "/usr/lib64/nginx/modules/ngx_nchan_module.so")
START_S = 20   # limit for a server to come up
STOP_S = 10    # limit for a server to go down before it is killed


class Missing(Exception):
    """Something that a measurement needs is not there."""


class Failed(Exception):
    """A measurement could not be made."""


class Held:
    """While this is entered, signals that end the run have to wait.

    So no process is started without being noted, and stopping the noted ones
    is not cut short by impatience.
    """

    depth = 0
    number = None  # the signal that waits

    def __enter__(self):
        Held.depth += 1

    def __exit__(self, kind, value, traceback):
        Held.depth -= 1
        if Held.depth == 0 and Held.number is not None and kind is None:
            raise SystemExit(128 + Held.number)

    @staticmethod
    def on_signal(number, _frame):
        Held.number = number
        if Held.depth == 0:
            raise SystemExit(128 + number)


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on, or None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


def descendants(pid):
    """Pids of all descendants, with their start times."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(name)
            if fields is not None:
                parents[int(name)] = int(fields[1]), fields[19]
    found = {}
    more = [pid]
    while more:
        parent = more.pop()
        for child, (of, start) in parents.items():
            if of == parent and child not in found:
                found[child] = start
                more.append(child)
    return found


def alive(pid, start):
    fields = stat_fields(pid)
    return fields is not None and fields[19] == start and fields[0] != "Z"


class Server:
    """A process that was started, and must be stopped."""

    def __init__(self, name, argv, log, env=None):
        self.name = name
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=env, start_new_session=True)
        self.pid = self.process.pid

    def wait_for(self, ready, what):
        """Wait until ready() is true."""
        end = time.monotonic() + START_S
        while not ready():
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended: {tail(self.log)}")
            if time.monotonic() > end:
                raise Failed(f"{self.name}: no {what} after {START_S} s: "
                             f"{tail(self.log)}")
            time.sleep(0.02)

    def stop(self):
        """End it and every process it has started."""
        children = descendants(self.pid)
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        end = time.monotonic() + STOP_S
        for pid, start in children.items():
            while alive(pid, start) and time.monotonic() < end:
                time.sleep(0.02)
            if alive(pid, start):
                os.kill(pid, signal.SIGKILL)


def lines_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().strip().splitlines() or ["no word"]
    except OSError:
        return ["no word"]


def tail(path):
    return " / ".join(lines_of(path)[-3:])


def first_line(path):
    return lines_of(path)[0]


def free_ports(count):
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def find(names, what):
    """The first of the names that is a file or a command."""
    for name in names:
        path = name if os.path.exists(name) else shutil.which(
            name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path:
            return path
    raise Missing(what)


# --- the servers -----------------------------------------------------------

class Site:
    """One set of servers in a directory of its own."""

    def __init__(self, options, clients):
        self.options = options
        self.clients = clients
        self.dir = None       # until open
        self.servers = []
        self.loads = 0        # load generators started
        names = ("HTTPD", "NCHAN", "NODE", "BARE", "WS", "TLS")
        self.port = dict(zip(names, free_ports(len(names))))

    def open(self):
        with Held():
            self.dir = tempfile.mkdtemp(prefix="tidings-bench-")
        os.chmod(self.dir, 0o755)

    def close(self):
        with Held():
            # What httpd waits for goes first, so that httpd ends at once.
            while self.servers:
                self.servers.pop(0).stop()
            if self.options.keep:
                print(f"kept: {self.dir}", file=sys.stderr)
            elif self.dir is not None:
                shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, name, argv, env=None):
        with Held():
            server = Server(name, argv, self.path(name + ".out"), env)
            self.servers.append(server)
        return server

    def program(self, name):
        path = os.path.join(self.options.build, name)
        if not os.access(path, os.X_OK):
            raise Missing(f"{name} is not built")
        return path

    def fill(self, template, extra):
        """Write a configuration file from its template."""
        with open(os.path.join(HERE, template), encoding="utf-8") as f:
            text = f.read()
        words = {"DIR": self.dir}
        words.update({k + "_PORT": str(v) for k, v in self.port.items()})
        words.update(extra)
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        path = self.path(template.removesuffix(".in"))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def httpd(self, tidings=False):
        children = (self.clients * 21 // 20 + 999) // 1000 + 1
        conf = self.fill("httpd.conf.in", {
            "MODULES": find(HTTPD_MODULES, "httpd's modules"),
            "USER": "User www-data\nGroup www-data"
                    if os.geteuid() == 0 else "",
            "CHILDREN": str(children), "WORKERS": str(children * 1000),
            "TIDINGS": self.tidings_include() if tidings else ""})
        os.makedirs(self.path("htdocs"), exist_ok=True)
        with open(self.path("htdocs/static.txt"), "w",
                  encoding="ascii") as f:
            f.write("x" * 100 + "\n")
        server = self.start("httpd", [find(HTTPD, "httpd"), "-f", conf,
                                      "-DFOREGROUND"])
        server.wait_for(lambda: listens(self.port["HTTPD"]), "httpd port")
        time.sleep(0.5)  # for the other children and their threads
        return server

    def nchan(self):
        conf = self.fill("nchan.conf.in", {
            "NCHAN_MODULE": find(NCHAN_MODULE, "libnginx-mod-nchan"),
            "DESCRIPTORS": str(self.clients + 1000),
            "USER": "user root;" if os.geteuid() == 0 else ""})
        server = self.start("nchan", [find(["nginx"], "nginx"), "-e",
                                      self.path("nginx.log"), "-c", conf])
        server.wait_for(lambda: listens(self.port["NCHAN"]), "nginx port")
        return server

    def node(self):
        env = dict(os.environ, NODE_PATH="/usr/share/nodejs")
        server = self.start("node", [find(["node", "nodejs"], "Node"),
                                     os.path.join(HERE, "node-server.js"),
                                     str(self.port["NODE"])], env)
        server.wait_for(lambda: listens(self.port["NODE"]), "node port")
        return server

    def bare(self, address, head):
        if address == "unix":
            address = "unix:" + self.path("bare.sock")
        else:
            address = f"127.0.0.1:{self.port['BARE']}"
        server = self.start("bare", [self.program("bench/bare"), address,
                                     self.path("bare.ctl"), head])
        server.wait_for(lambda: os.path.exists(self.path("bare.ctl")),
                        "socket")
        if address.startswith("unix:"):
            os.chmod(self.path("bare.sock"), 0o666)
        return server

    def null(self):
        server = self.start("null", [self.program("bench/null"),
                                     self.path("null.sock")])
        server.wait_for(lambda: os.path.exists(self.path("null.sock")),
                        "socket")
        time.sleep(0.1)  # until the socket's mode is set
        return server

    def tidings_include(self):
        conf = os.path.join(self.options.build, "apache", "apache.conf")
        if not os.path.exists(conf):
            raise Missing("apache/apache.conf is not built")
        return (f'Define TIDINGS_RUN "{self.path("run")}"\n'
                f'Define TIDINGS_WS 127.0.0.1:{self.port["WS"]}\n'
                f'Include "{conf}"\n'
                "# On the same terms as null: no connection is kept.\n"
                f'ProxyPass /fresh "unix:{self.path("run/poll.sock")}|'
                'fcgi://fresh/"\n'
                "ProxyPass /anew "
                f'"unix:{self.path("run/publish.sock")}|fcgi://anew/"')

    def tidings(self, program, more="", sections=""):
        """Start all programs of Tidings; the pid of the one measured. `more`
        is for the section [tidings], `sections` are others."""
        tool = self.program("tools/tidings")
        conf = self.path("tidings.conf")
        for name in "run", "data":
            os.makedirs(self.path(name))
            if os.geteuid() == 0:
                shutil.chown(self.path(name), "www-data", "www-data")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(TIDINGS_INI.format(
                dir=self.dir, port=self.port["WS"],
                user="user = www-data" if os.geteuid() == 0 else "",
                more=more, sections=sections))
        done = subprocess.run([tool, "init", "-c", conf], check=False,
                              capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise Failed("tidings init: " + done.stderr.strip())
        server = self.start("tidings", [tool, "run", "-c", conf])
        pidfile = self.path(f"run/{program}.pid")
        server.wait_for(lambda: os.path.exists(pidfile) and
                        os.path.getsize(pidfile) > 0, pidfile)
        if program == "wsd":
            server.wait_for(lambda: listens(self.port["WS"]), "wsd port")
        else:
            server.wait_for(lambda: os.path.exists(
                self.path(f"run/{program}.sock")), "socket")
        time.sleep(0.3)
        return self.pid_of(program)

    def pid_of(self, program):
        """The pid of a program of Tidings that runs."""
        with open(self.path(f"run/{program}.pid"), encoding="ascii") as f:
            return int(f.read())

    def start_load(self, label, arguments):
        """Start the load generator; what finish_load takes."""
        self.loads += 1
        result = self.path(f"load{self.loads}.json")
        server = self.start(f"load{self.loads}", [
            self.program("bench/load"), *arguments, "--label", label,
            "--json", result])
        return server, result

    def finish_load(self, load):
        """Wait for its end; what it says, as a dictionary."""
        server, result = load
        try:
            server.process.wait(self.options.seconds * 3 + 120)
        except subprocess.TimeoutExpired:
            raise Failed("load did not end") from None
        self.servers.remove(server)
        if server.process.returncode != 0 or not os.path.exists(result):
            raise Failed("load: " + tail(server.log))
        with open(result, encoding="utf-8") as f:
            value = json.loads(f.read())
        value["said"] = first_line(server.log)
        return value


TIDINGS_INI = """\
[tidings]
database = {dir}/data/tidings.db
run_dir = {dir}/run
{user}
{more}

[wsd]
listen = 127.0.0.1:{port}
echo = yes

{sections}
"""
