#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-comes-back-from-bfcache.t - issue 4: the visitor goes to another page and
# back: the browser has kept the page whole, as pageshow says, which it does only
# where nothing is left open; every feed of it goes on where it was, and loses
# nothing.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')
# Firefox keeps no page that has a stream, a WebSocket or a Web Lock, however
# soon it gives them up; a page with a short poll it does keep.
KEPT = {'chromium': TRANSPORTS + ('shared',), 'firefox': ('poll',)}


def watch(client, names):
    for name in names:
        if name == 'shared':
            client.watch(name, share=True)
        else:
            client.watch(name, transports=[name], interval=4000)


def away(t, stage):
    """All is closed, and messages are published."""
    for client in stage.clients:
        t.soon(lambda: client.proxy.open('/push/') == 0,
               client.name + ': nothing is left open', 10,
               lambda: [link.path for link in client.proxy.links])
    before = stage.publisher.n
    until(lambda: stage.publisher.n > before + 50)
    for client in stage.clients:
        t.equal(client.proxy.open('/push/'), 0, client.name + ': nor opened')


def really(t, stage):
    for client in stage.clients:
        watch(client, KEPT[client.name])
    for n in range(2):
        stage.flows(t, 'before leaving')
        for client in stage.clients:
            if client.name == 'firefox':
                # Between two polls: with one under way it keeps no page.
                t.soon(lambda: client.proxy.open('/push/') == 0,
                       'firefox: nothing is asked for')
            client.browser.visit(client.proxy.url + '/other.html')
        away(t, stage)
        for client in stage.clients:
            client.browser.back()
            t.soon(lambda: client.js('return location.pathname') == '/feed.html',
                   client.name + ': back')
            t.equal(client.js('return shown'), [False] + [True] * (n + 1),
                    client.name + ': the page is the one that was left')
    stage.flows(t, 'after it')
    stage.complete(t, end=False)


def asif(t, stage):
    """The page is told what it would be told, over every transport."""
    tell = ('dispatchEvent(new PageTransitionEvent(arguments[0],'
            '{ persisted: true }))')
    for client in stage.clients:
        client.open()
        watch(client, KEPT['chromium'])
    stage.flows(t, 'before pagehide')
    for client in stage.clients:
        client.js(tell, 'pagehide')
    away(t, stage)
    for client in stage.clients:
        client.js(tell, 'pageshow')
    stage.flows(t, 'after pageshow')
    stage.complete(t)


def test(t, stage):
    stage.add_page('other.html', '<!DOCTYPE html><title>other</title>Other.')
    stage.publish()
    really(t, stage)
    asif(t, stage)


stage_test(test, only='whole chromium,firefox')
