#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-stop-spreads-its-closes.t - SIGTERM to wsd: it takes nobody new,
# sends its clients away with 1012 one after the other over the time `drain`,
# serves meanwhile those who are still there, and exits with 0.  With drain = 0
# and for a single client at once; a second SIGTERM ends it.  Under `tidings run`
# clients come back to the next one and lose nothing.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, WsFollower

CLIENTS, DRAIN = 40, 3.0


class Wsd:
    """One of its own, since that of `tidings run` comes back."""

    def __init__(self, site, drain):
        self.site, self.port = site, free_port()
        site.settings = {'wsd': {'drain': drain, 'close_timeout': '20s'}}
        site.write_conf()
        self.child = site.spawn([os.path.join(reachable_build(), 'daemon', 'wsd'), '-c',
                                 site.conf, '-l', '127.0.0.1:%d' % self.port])
        wait_for(self.listens, 20, 'the daemon')

    def listens(self):
        with contextlib.suppress(OSError):
            socket.create_connection(('127.0.0.1', self.port), 5).close()
            return True

    def clients(self, n):
        """Half of them raw, half with the subprotocol; all are attached."""
        held = [WebSocket(self.port, '/push/ws?channel=a', i % 2 and 'tidings.json')
                for i in range(n)]
        self.site.publish_sql('a', 'here')
        for ws in held:
            if b'here' not in ws.read(20)[1]:
                raise Failure('not attached')
        return held

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        return time.monotonic()


class Client(threading.Thread):
    """Reads to its end as a browser does; when and what came."""

    def __init__(self, ws, began):
        super().__init__(daemon=True)
        self.ws, self.began, self.code, self.at, self.got = ws, began, None, None, []
        self.start()

    def run(self):
        while self.code is None:
            frame = self.ws.read(40)
            if frame is None:
                return
            if frame[0] == 8:
                self.at = time.monotonic() - self.began
                self.code = int.from_bytes(frame[1][:2], 'big')
                self.ws.send(8, frame[1][:2])
                self.ws.wait_end()
                self.ws.close()
            elif frame[0] == 1:
                text = frame[1].decode()
                self.got.append(int(json.loads(text)['data'] if text[0] == '{' else text))


def spread(tap, site):
    wsd = Wsd(site, '%gs' % DRAIN)
    held = wsd.clients(CLIENTS)
    slow = socket.create_connection(('127.0.0.1', wsd.port), 20 * PATIENCE)
    slow.sendall(b'GET /push/ws?channel=a HTTP/1.1\r\nHost: x\r\n')
    began = wsd.stop()
    clients = [Client(ws, began) for ws in held]
    wait_for(lambda: any(c.code for c in clients), 20, 'the first close')
    refused, n, db = 0, 0, site.connect()
    while any(c.is_alive() for c in clients) and time.monotonic() < began + 60 * PATIENCE:
        db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", (str(n),))
        n += 1
        refused += not wsd.listens()
        time.sleep(0.03)
    db.close()
    for c in clients:
        c.join(20 * PATIENCE)
    at = sorted(c.at for c in clients if c.at is not None)
    tap.equal([c.code for c in clients], [1012] * CLIENTS, 'all are told 1012')
    tap.note('closes from %.2f to %.2f s, half of them by %.2f' % (at[0], at[-1], at[len(at) // 2]))
    early = sum(1 for a in at if a < DRAIN / 3)
    tap.ok(early <= CLIENTS * 2 / 3, 'not at once: in the first third not more than two thirds',
           early, at)
    tap.ok(at[-1] > DRAIN / 2, 'the last of them has time', at[-1])
    tap.ok(at[-1] < DRAIN + 10 * PATIENCE, 'but not for ever', at[-1])
    ended = len({round(a, 1) for a in at})
    tap.ok(ended >= 5, 'one after the other', ended)
    tap.ok(refused > 0 and refused >= n - 1, 'nobody new is taken meanwhile', refused, n)
    odd = [c.got for c in clients if c.got != list(range(len(c.got)))]
    tap.ok(not odd, 'until then each has every message, in order', *odd[:2])
    most = max(len(c.got) for c in clients)
    tap.ok(most > n // 3, 'those who are there are served', most, n)
    tap.equal(wsd.child.wait(20 * PATIENCE), 0, 'it exits with 0')
    took = time.monotonic() - began
    tap.ok(took < DRAIN + 10 * PATIENCE, 'when the last one is gone', took)
    try:
        rest = slow.recv(100)
    except ConnectionResetError:  # not all of it had been read
        rest = b''
    tap.equal(rest, b'', 'who was in the handshake is closed')
    slow.close()


def at_once(tap, site, drain, n):
    wsd = Wsd(site, drain)
    held = wsd.clients(n)
    began = wsd.stop()
    clients = [Client(ws, began) for ws in held]
    for c in clients:
        c.join(20 * PATIENCE)
    name = 'drain = %s, %d clients' % (drain, n)
    tap.equal([c.code for c in clients], [1012] * n, name + ': 1012')
    tap.equal(wsd.child.wait(20 * PATIENCE), 0, name + ': it exits with 0')
    took = time.monotonic() - began
    tap.ok(took < 5 * PATIENCE, name + ': at once', took)


def twice(tap, site):
    wsd = Wsd(site, '10m')
    held = wsd.clients(10)
    began = wsd.stop()
    tap.equal(held[-1].read_close(20), 1012, 'drain = 10m: the first goes at once')
    others = [ws.read(0.5) for ws in held[:3]]
    tap.equal(others, [None] * 3, 'others stay')
    wsd.stop()
    tap.equal(wsd.child.wait(20 * PATIENCE), 0, 'a second SIGTERM ends it')
    tap.ok(time.monotonic() - began < 20 * PATIENCE, 'without waiting')
    for ws in held:
        ws.wait_end(20)
        ws.close()
    tap.ok(True, 'and everybody sees the end')


def supervised(tap):
    with Site({'wsd': {'drain': '1s'}}) as site:
        followers = [WsFollower(site) for _ in range(20)]
        sent, stopping = [], threading.Event()

        def publish():
            db = site.connect()
            while not stopping.is_set():
                sent.append('m%d' % len(sent))
                db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", (sent[-1],))
                time.sleep(0.005)
            db.close()

        writer = threading.Thread(target=publish, daemon=True)
        writer.start()
        for turn in range(2):
            n = len(sent)
            wait_for(lambda: len(sent) > n + 100, 20, 'more messages')
            before = [f.connects for f in followers]
            site.kill('wsd', signal.SIGTERM)
            wait_for(lambda: all(f.connects > b for f, b in zip(followers, before)), 20,
                     'all of them back')
        n = len(sent)
        wait_for(lambda: len(sent) > n + 50, 20, 'more messages')
        stopping.set()
        writer.join(20)
        for f in followers:
            with contextlib.suppress(Failure):
                f.wait_data(sent[-1], 20)
            f.stop()
        lost = [len(f.got) for f in followers if f.data != sent]
        tap.ok(not lost, 'under tidings run: 20 come back twice, each has all %d messages once'
               % len(sent), lost)
        tap.ok(not any(f.resets or f.odd for f in followers), 'without a reset',
               [(f.resets, f.odd) for f in followers][:3])
        held = [WebSocket(site.ws_port) for _ in range(5)] + [WebSocket(site.port) for _ in range(5)]
        site.wait_subscribers('a', 10)
        began = time.monotonic()
        site.supervisor.terminate()
        clients = [Client(ws, began) for ws in held]
        for c in clients:
            c.join(20 * PATIENCE)
        tap.equal([c.code for c in clients], [1012] * 10, 'tidings run ends: 1012')
        tap.ok(any(c.at > 0.3 for c in clients), 'it waits for the drain too',
               [c.at for c in clients])
        tap.equal(site.supervisor.wait(30 * PATIENCE), 0, 'and exits with 0')


def main(tap):
    with Site(programs=False) as site:
        spread(tap, site)
        at_once(tap, site, '0', CLIENTS)
        at_once(tap, site, '10m', 1)
        at_once(tap, site, '10m', 0)
        twice(tap, site)
    supervised(tap)


run(main)
