#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# stop-ends-every-stream.t - SIGTERM to `tidings run`: every held answer ends in
# an orderly way, in each transport; nothing is left, no process, no socket, no
# pid file.  A client that does not read holds nobody up for long, a second
# SIGTERM not at all.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, RawStream, WebSocket, alive, children_of


def hold(site):
    held = {}
    for name in ('sse', 'iframe', 'longpoll'):
        held[name] = RawStream(site.port, '/push/%s?channel=a' % name)
    for name in ('sse', 'iframe', 'longpoll'):
        held[name + ' by FastCGI'] = peer = FcgiPeer(os.path.join(site.run_dir, name + '.sock'))
        peer.send(peer.request('channel=a'))
    held['ws'] = WebSocket(site.port)
    held['ws directly'] = WebSocket(site.ws_port)
    held['ws.json'] = WebSocket(site.port, '/push/ws?channel=a', 'tidings.json')
    site.wait_subscribers('a', len(held))
    return held


def main(tap):
    with Site() as site:
        held = hold(site)
        site.publish_sql('a', 'last words')
        for name in ('sse', 'iframe'):
            held[name].read_head().wait('last words')
        held['longpoll'].read_head().wait_end()
        held['longpoll'] = RawStream(site.port, '/push/longpoll?channel=a')
        site.wait_subscribers('a', len(held) - 1)
        pids = children_of(site.supervisor.pid)
        began = time.monotonic()
        site.supervisor.terminate()
        for name, c in held.items():
            if isinstance(c, WebSocket):
                with contextlib.suppress(Failure):
                    code = c.read_close(5)
                tap.equal(code, 1012, name + ': a close frame, 1012')
                c.send(8, b'\x03\xf4')
            elif isinstance(c, FcgiPeer):
                with contextlib.suppress(Failure):
                    c.wait_end(5)
                tap.ok((3, 1) in c.records, name + ': END_REQUEST', c.records)
            else:
                if name == 'longpoll':
                    c.read_head()
                # One that is handed over has its end in that of the connection.
                end = 'cut' if site.handover and name != 'longpoll' else 'clean'
                tap.equal((c.status, c.wait_end(5)), (200, end),
                          name + ': the answer ends as it should')
            c.close()
        body = json.loads(held['longpoll'].body)
        tap.ok(body['messages'] == [] and not body['reset'], 'longpoll: an empty list', body)
        tap.equal(site.supervisor.wait(15), 0, 'the supervisor exits with 0')
        took = time.monotonic() - began
        tap.ok(took < 3.5 * PATIENCE, 'soon', took)
        tap.equal([p for p in pids if alive(p)], [], 'no process is left')
        tap.equal(os.listdir(site.run_dir), [], 'no socket, pid file or scoreboard is left')
        tap.ok('warning' not in site.programs_log(), 'nothing to warn of',
               site.programs_log()[-500:])
        r = site.get('/push/poll?channel=a')
        tap.equal(r.status, 503, 'httpd says 503 meanwhile')
        ready = site.programs_log().count(': ready')
        site.spawn_supervisor()
        wait_for(lambda: site.programs_log().count(': ready') >= ready + 7, 15, 'seven')
        with RawStream(site.port, '/push/sse?channel=a&since=earliest') as s:
            tap.ok(b'last words' in s.read_head().wait('last words'), 'it starts again')

        # One that does not read, and one that does not answer the close.
        def stuck():
            peer = FcgiPeer(os.path.join(site.run_dir, 'sse.sock'), rcvbuf=4096)
            peer.send(peer.request('channel=stuck'))
            ws = WebSocket(site.ws_port, '/push/ws?channel=stuck', rcvbuf=4096)
            site.wait_subscribers('stuck', 2)
            for i in range(10):
                site.publish_sql('stuck', 'x' * 500000)
            return peer, ws

        clients = stuck()
        pids = children_of(site.supervisor.pid)
        began = time.monotonic()
        site.supervisor.terminate()
        site.supervisor.wait(20)
        took = time.monotonic() - began
        tap.ok(took < 8 * PATIENCE, 'who does not read holds it up for a few seconds', took)
        tap.equal([p for p in pids if alive(p)], [], 'no process is left')
        for c in clients:
            c.close()

        ready = site.programs_log().count(': ready')
        site.spawn_supervisor()
        wait_for(lambda: site.programs_log().count(': ready') >= ready + 7, 15, 'seven')
        clients = stuck()
        pid = site.pid('sse')
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        def again():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            return not alive(pid)
        with contextlib.suppress(Failure):
            wait_for(again, 10, 'its end', 0.05)
        took = time.monotonic() - began
        tap.ok(not alive(pid) and took < 1.5 * PATIENCE, 'SIGTERM again: at once', took)
        site.supervisor.terminate()
        site.supervisor.send_signal(signal.SIGTERM)
        tap.equal(site.supervisor.wait(20), 0, 'SIGTERM twice is no crash')
        tap.equal(os.listdir(site.run_dir), [], 'and leaves nothing')
        for c in clients:
            c.close()

        # Interrupted in a terminal, all get the signal at once.
        ready = site.programs_log().count(': ready')
        site.spawn_supervisor()
        wait_for(lambda: site.programs_log().count(': ready') >= ready + 7, 15, 'seven')
        for pid in [site.supervisor.pid] + children_of(site.supervisor.pid):
            # The supervisor may have ended it already.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        tap.equal(site.supervisor.wait(20), 0, 'Ctrl-C ends it as well')
        tap.equal(os.listdir(site.run_dir), [], 'and leaves nothing')


run(main)
