#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-clients-that-leave-or-flood-harm-nobody.t - a client that is reset in
# the midst of its operations does not take the daemon along; one that takes its
# time to read an answer is not cut for it; one that publishes faster than the
# database takes it has no more waiting than a bound.
import os
import random
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, private_kb

F = WebSocket.frame
CHECKED = bool(os.environ.get('TIDINGS_CHECKED'))


def leaving(tap, site):
    """Subscribe operations by the hundred, then a reset, on a busy channel."""
    pid = site.pid('wsd')
    stop = threading.Event()

    def publish():
        db = site.connect()
        while not stop.is_set():
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', 'x')")
        db.close()
    publisher = threading.Thread(target=publish)
    publisher.start()
    operations = F(1, '{"op":"subscribe","channel":"b"}') * 1500
    tried = 0
    try:
        for tried in range(20 if CHECKED else 80):
            ws = WebSocket(site.ws_port, '/push/ws?channel=a', 'tidings.json')
            ws.sock.setblocking(True)
            ws.sock.sendall(operations)
            time.sleep(random.random() * 0.01)  # somewhere in the midst
            ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            ws.sock.close()
            if site.pid('wsd') != pid:
                break
    finally:
        stop.set()
        publisher.join()
    ws = WebSocket(site.ws_port, '/push/ws', 'tidings.json')
    ws.send(1, '{"op":"ping","ref":1}')
    answer = json.loads(ws.read(20)[1])
    ws.close()
    tap.ok(answer['op'] == 'ok' and site.pid('wsd') == pid,
           'who is reset in the midst of operations takes nobody along', tried, answer)


def slow(tap, site):
    """message_timeout is 1 s; the whole message has come long before."""
    ws = WebSocket(site.ws_port, '/push/ws/echo', rcvbuf=4096)
    ws.sock.settimeout(20 * PATIENCE)
    ws.sock.setblocking(True)
    data = b'e' * 12000000
    ws.sock.sendall(F(2, data))
    time.sleep(2.5)  # longer than message_timeout, which is the point
    ws.send(9, b'still here')
    got, want = b'', 10 + len(data) + 2 + 10
    while len(got) < want:
        more = ws.sock.recv(1 << 20)
        if not more:
            break
        got += more
    tap.ok(len(got) == want and got.endswith(b'\x8a\x0astill here'),
           'who is slow to read an answer gets all of it, and goes on', len(got), got[-80:])
    ws.close()


def flooding(tap, site):
    """The lock is somebody else's, so nothing is taken."""
    pid = site.pid('wsd')
    before = private_kb(pid)
    db = site.connect()
    db.execute('BEGIN IMMEDIATE')
    one = ','.join(['{"channel":"a","data":""}'] * 15000)
    publish = F(1, '{"op":"publish","echo":false,"messages":[%s]}' % one)
    peers = [WebSocket(site.ws_port, '/push/ws?channel=b', 'tidings.json') for _ in range(3)]
    sent, until = 0, time.monotonic() + 3
    for ws in peers:
        ws.sock.setblocking(False)
    while time.monotonic() < until:
        stuck = True
        for ws in peers:
            with contextlib.suppress(BlockingIOError):
                sent += ws.sock.send(publish)
                stuck = False
        if stuck:
            time.sleep(0.01)
    grown = private_kb(pid) - before
    db.execute('ROLLBACK')
    db.close()
    tap.ok(grown < 200 << 10, 'what waits to be published is bounded: %d MB of %d MB sent'
           % (grown >> 10, sent >> 20), grown)
    for ws in peers:
        ws.sock.close()
    with WebSocket(site.ws_port, '/push/ws?channel=c', 'tidings.json') as ws:
        def again():
            ws.send(1, '{"op":"publish","channel":"c","data":"x","ref":1}')
            while True:
                answer = json.loads(ws.read(20)[1])
                if 'op' in answer:
                    return answer['op'] == 'ok'
        wait_for(again, 20, 'a publish that is taken', 0.2)
    tap.ok(site.pid('wsd') == pid, 'and afterwards it goes on')


def main(tap):
    settings = {'wsd': {'message_timeout': '1s'}, 'tidings': {'busy_timeout': '1s'}}
    with Site(settings) as site:
        leaving(tap, site)
        slow(tap, site)
        flooding(tap, site)
        tap.ok(site.lives(), 'the programs live')


run(main)
