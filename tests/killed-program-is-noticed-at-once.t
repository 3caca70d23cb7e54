#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# killed-program-is-noticed-at-once.t - the stream of a program that is killed
# ends for the client as soon as the program does, not when httpd's keep-alive
# is over; and it does not look like an orderly end.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import RawStream, WebSocket


def main(tap):
    with Site() as site:
        for name in ('sse', 'iframe', 'longpoll'):
            with RawStream(site.port, '/push/%s?channel=a' % name) as stream:
                if name != 'longpoll':
                    stream.read_head()
                site.wait_subscribers('a', 1)
                site.kill(name)
                began = time.monotonic()
                if name == 'longpoll':
                    # With mod_tidings nobody is left who could answer.
                    with contextlib.suppress(ConnectionError):
                        stream.read_head()
                end = stream.wait_end(20)
                took = time.monotonic() - began
                tap.ok(took < 2 * PATIENCE, name + ': the client knows soon',
                       'it took %.2f s' % took)
                if name == 'longpoll':
                    tap.ok(stream.status in ((None,) if site.handover else (502, 503)),
                           'longpoll: refused', stream.status)
                else:
                    tap.equal(end, 'cut', name + ': the answer is cut, not ended')
        with WebSocket(site.port) as ws:
            began = time.monotonic()
            site.kill('wsd')
            tap.equal(ws.read_close(20), None, 'ws: it just ends')
            took = time.monotonic() - began
            tap.ok(took < 2 * PATIENCE, 'ws: the client knows soon',
                   'it took %.2f s' % took)
        for name in ('sse', 'iframe'):
            with RawStream(site.port, '/push/%s?channel=a' % name) as stream:
                stream.read_head()
                site.publish_sql('a', 'again ' + name)
                tap.ok(b'again' in stream.wait('again ' + name),
                       name + ': its successor serves')


run(main)
