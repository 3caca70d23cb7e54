#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-work-of-some-starves-nobody.t - clients that keep wsd busy without
# end, with deflated operations, echoes and backlogs: others are served, live,
# from a backlog and with answers.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, WebSocket, Witness

# Sends as fast as it is taken and reads what comes, until its input ends.
BUSY = r'''
import json, os, select, sys, zlib
sys.path.insert(0, sys.argv[1])
from tidings_clients import WebSocket

def pack(text):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return WebSocket.frame(0x41, (z.compress(text) + z.flush(zlib.Z_SYNC_FLUSH))[:-4])

what, port = sys.argv[2], int(sys.argv[3])
path, form, data = {
    'deflated operations': ('', 'tidings.json', pack(
        json.dumps({'op': 'x', 'pad': 'r' * 290000}).encode())),
    'deflated echoes': ('/echo', None, pack(b'e' * 100000)),
    'echoes': ('/echo', None, WebSocket.frame(2, b'e' * 60000)),
    'operations': ('', 'tidings.json', WebSocket.frame(1, '{"op":"ping"}') * 1000),
    'backlogs': ('', 'tidings.json', WebSocket.frame(
        1, '{"op":"subscribe","channel":"old","since":"earliest"}')),
}[what]
deflate = {'Sec-WebSocket-Extensions': 'permessage-deflate'}
left = {WebSocket(port, '/push/ws' + path, form, deflate).sock: b'' for _ in range(4)}
for sock in left:
    sock.setblocking(False)
print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    r, w, _ = select.select(list(left), list(left), [], 0.1)
    for sock in r:
        sock.recv(1 << 20)
    for sock in w:
        left[sock] = left[sock] or data * 20
        left[sock] = left[sock][sock.send(left[sock]):]
'''


def main(tap):
    with Site({'retention': {'count': '100000', 'every': '1d'}}) as site:
        for n in range(100):
            site.publish_sql('old', '%d ' % n + 'x' * 50000)
        for what in ('deflated operations', 'deflated echoes', 'echoes', 'operations', 'backlogs'):
            witness = Witness(site)
            lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib')
            busy = subprocess.Popen([sys.executable, '-c', BUSY, lib, what, str(site.ws_port)],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            site.children.append(busy)
            busy.stdout.readline()
            began = time.monotonic()
            ops = Ops(site.ws_port, '?channel=old&since=earliest')
            got = [int(d.split()[0]) for _, d in ops.take(100)]
            tap.equal(got, list(range(100)), what + ': another one has its backlog')
            ops.queue(op='ping', ref=1)
            tap.equal(ops.flush(1)[0]['ref'], 1, what + ': and its answer')
            tap.note('%s: after %.1f s' % (what, time.monotonic() - began))
            tap.ok(busy.poll() is None, what + ': while it goes on')
            ops.close()
            witness.check(tap, what)
            busy.stdin.close()
            tap.equal(busy.wait(20 * PATIENCE), 0, what + ': nobody is dropped for it')
        tap.ok(site.lives(), 'the programs live')


run(main)
