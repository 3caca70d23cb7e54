#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# vanished-clients-are-noticed.t - httpd tells a FastCGI program of a client that
# has gone only when a write fails: heartbeats find it out.  FIN and RST, in
# every transport, in the middle of messages as well.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, RawStream, SseFollower, WebSocket, sockets


def main(tap):
    with Site({'tidings': {'heartbeat': '300ms'}, 'longpoll': {'wait': '3s'}}) as site:
        fds = {p: sockets(site.pid(p)) for p in ('sse', 'iframe', 'longpoll', 'wsd')}
        for how in ('close', 'reset'):
            clients = []
            for _ in range(10):
                for name in ('sse', 'iframe', 'longpoll'):
                    clients.append(RawStream(site.port, '/push/%s?channel=a' % name))
                ws = WebSocket(site.port)
                ws.reset = lambda ws=ws: RawStream.reset(ws)
                clients.append(ws)
                peer = FcgiPeer(os.path.join(site.run_dir, 'sse.sock'))
                peer.send(peer.request('channel=a'))
                peer.reset = peer.close
                clients.append(peer)
            site.wait_subscribers('a', len(clients))
            for c in clients:
                getattr(c, how)()
            with contextlib.suppress(Failure):
                wait_for(lambda: site.subscribers('a') == 0, 10, 'their end')
            tap.equal(site.subscribers('a'), 0, how + ': 50 that went are noticed')

        follower = SseFollower(site, cursor='latest')
        site.wait_subscribers('a', 1)
        stop = threading.Event()

        def publish():
            db, n = site.connect(), 0
            while not stop.is_set():
                n += 1
                db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                           ('%d %s' % (n, 'x' * 3000),))
                time.sleep(0.002)
            db.close()

        publisher = threading.Thread(target=publish, daemon=True)
        publisher.start()
        for i in range(60):
            stream = RawStream(site.port, '/push/%s?channel=a'
                               % ('sse', 'iframe')[i % 2]).read_head()
            stream.wait('xxx')
            stream.reset()
            ws = WebSocket(site.ws_port)
            ws.read(5)
            RawStream.reset(ws)
        stop.set()
        publisher.join()
        site.publish_sql('a', 'last')
        follower.wait_data('last')
        got = [int(d.split()[0]) for d in follower.data[:-1]]
        tap.equal(got, list(range(1, len(got) + 1)), 'RST mid-stream disturbs nobody')
        follower.stop()
        with contextlib.suppress(Failure):
            site.wait_subscribers('a', 0)
        tap.equal(site.subscribers('a'), 0, 'and all are noticed')
        # httpd may keep a connection or two that it will use again.
        def grown():
            return {p: sockets(site.pid(p)) - n for p, n in fds.items()
                    if sockets(site.pid(p)) > n + 2}
        with contextlib.suppress(Failure):
            wait_for(lambda: not grown(), 10, 'closed descriptors')
        tap.ok(not grown(), 'no descriptor is left', grown())


run(main)
