#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# stop-ends-what-httpd-handed-over.t - at a stop of a program the clients that
# were handed over and those that are parked get an orderly end, who is on the way
# to it too, and httpd is told not to send more; a kill -9 ends them at once, and
# the next program takes new ones.
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, alive
from fake_httpd import *

TARGET = {'sse': '/push/sse?channel=a', 'iframe': '/push/iframe?channel=a',
          'longpoll': '/push/longpoll?channel=a', 'wsd': '/push/ws?channel=a'}
RESTART = b'\x88\x15\x03\xf4the server restarts'


def how(name):
    return {'headers': websocket_headers()} if name == 'wsd' else {}


def hold(site, name, link):
    handed = link.hand_over(TARGET[name], **how(name))
    link.park(0, TARGET[name], **how(name))
    site.wait_subscribers('a', 2)
    return handed


def ended_well(name, data):
    if name == 'wsd':
        return bytes(data).endswith(RESTART)
    if name == 'longpoll':
        return b' 200 OK\r\n' in data and b'"messages":[' in data
    return b' 200 OK\r\n' in data


def stop(tap, site, name):
    with Link(site, name) as link, Link(site, name) as idle:
        handed = hold(site, name, link)
        pid = site.pid(name)
        if name == 'sse':
            site.publish_sql('a', 'last words')
        # What is in the queue of the link when the signal comes.
        os.kill(pid, signal.SIGSTOP)
        on_way = [link.hand_over(TARGET[name], **how(name)) for _ in range(5)]
        for i in range(1, 6):
            link.park(i, TARGET[name], **how(name))
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        link.wait_over(*range(6))
        tap.equal([i for i in range(6) if not ended_well(name, link.data[i])], [],
                  name + ': parked ones end as they should, those on the way too')
        for client in [handed] + on_way:
            client.wait(RESTART if name == 'wsd' else b'\r\n\r\n')
            client.wait_end()
        tap.equal([i for i, c in enumerate([handed] + on_way)
                   if not ended_well(name, c.buf) or c.reset], [],
                  name + ': and so do those that were handed over')
        if name == 'sse':
            tap.ok(b'last words' in handed.buf and b'last words' in link.data[0],
                   'sse: what was published before came before')
        # Nobody closes his end: that must not hold it up.
        wait_for(lambda: not alive(pid), 12, 'the end of ' + name)
        took = time.monotonic() - began
        tap.ok(took < 4 + 6 * (name == 'wsd') + 2 * PATIENCE, name + ': it exits in time', took)
        refused = 0
        for one in (link, idle):
            try:
                one.send(packet(PARK, [99], variables(TARGET[name], **how(name))))
            except (BrokenPipeError, ConnectionResetError):
                refused += 1
        tap.equal(refused, 2, name + ': what is sent to it now is refused')
    # While nobody runs it waits in the socket that the supervisor holds.
    with Link(site, name) as link:
        client = link.hand_over(TARGET[name] + '&wait=0', **how(name))
        client.wait('\r\n\r\n', 15)
        tap.ok(True, name + ': the next one takes clients')
        client.close()
    wait_for(lambda: site.subscribers('a') == 0, 10, 'nobody')


def refused_at_once(tap, site):
    """As soon as the signal has come, not when the last client has gone."""
    with Link(site, 'wsd') as link:
        for i in range(20):
            link.park(i, TARGET['wsd'], REMOTE_ADDR='127.0.0.1', headers=websocket_headers(
                **{'Sec-WebSocket-Protocol': 'tidings.json'} if i == 0 else {}))
        site.wait_subscribers('a', 20)
        pid = site.pid('wsd')
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)

        link.wait(lambda: link.told_to_stop, 5, 'the word that it stops')
        took = time.monotonic() - began
        tap.ok(took < 1 and len(link.over) < 20, 'wsd: it says so while it drains',
               took, link.over)
        # What they say is heard all the same, to the end.
        link.input(0, WebSocket.frame(1, b'{"op":"publish","channel":"b","data":"late","ref":1}'))
        link.wait(lambda: b'"op":"ok","ref":1' in link.data.get(0, b'')
                  or 0 in link.over, 5, 'an answer')
        tap.equal(site.sql("SELECT data FROM changes WHERE channel = 'b'"), [('late',)],
                  'wsd: what a parked client publishes meanwhile is taken')
        link.wait_over(*range(20))
        tap.equal([i for i in range(20) if not ended_well('wsd', link.data[i])], [],
                  'wsd: all are closed with 1012')
    wait_for(lambda: not alive(pid), 12, 'the end')


def kill(tap, site, name):
    with Link(site, name) as link:
        handed = hold(site, name, link)
        link.wait(lambda: 0 in link.data or name == 'longpoll')
        site.kill(name)
        handed.wait_end(5)
        link.wait_end(5)
        tap.ok(True, name + ': kill -9 ends clients and link at once')
    with Link(site, name) as link:
        handed = hold(site, name, link)
        link.leave()
        link.wait_over(0)
        tap.ok(ended_well(name, link.data[0]), name + ': LEAVE ends those that are parked')
        site.publish_sql('a', 'still')
        handed.wait('still')
        tap.ok(True, name + ': and no one else')
        link.park(7, TARGET[name], **how(name))
        link.wait_over(7)
        handed.close()
    with Link(site, name) as link:
        handed = hold(site, name, link)
    with contextlib.suppress(Failure):
        wait_for(lambda: site.subscribers('a') == 1, 10, 'the end of the parked one')
    tap.equal(site.subscribers('a'), 1, name + ': the end of a link is the end of its clients')
    handed.close()
    wait_for(lambda: site.subscribers('a') == 0, 10, 'nobody')


def main(tap):
    with Site({'tidings': {'check': '100ms'}, 'wsd': {'drain': '2s'}}) as site:
        for name in TARGET:
            stop(tap, site, name)
        refused_at_once(tap, site)
        for name in TARGET:
            kill(tap, site, name)
        tap.note(site.programs_log()[-600:])


run(main)
