#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-ladder-steps-down-when-a-proxy-buffers.t - issue 4: a proxy that holds every
# answer back until it ends, and one that collects 4 KB, let no stream through:
# the feed finds its way by polls, and loses nothing; also where hardly anything
# is published, so that 4 KB never fill.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


def feed(t, stage, name, fault):
    """One feed on the whole ladder with that fault before it."""
    for client in stage.clients:
        client.js('localStorage.clear()')
        fault(client.proxy)
    stage.watch(name, upgrade=600000)
    stage.flows(t, 'through a proxy that buffers')
    stage.soon(t, lambda client: client.live_by(name) is not None, 'open')
    stage.complete(t, end=False)


def quiet(t, stage):
    """The same on a channel with two messages."""
    stage.watch('quiet', channels=['quiet'], since='latest', upgrade=600000)
    for n in range(2):
        stage.soon(t, lambda client: client.live_by('quiet') is not None,
                   'quiet: open')
        stage.site.publish_sql('quiet', 'word %d' % n)
        stage.soon(t, lambda client: client.count('quiet') == n + 1,
                   'quiet: word %d comes' % n, 5)
    stage.soon(t, lambda client: client.live_by('quiet') in ('longpoll', 'poll'),
               'quiet: by polls')
    for client in stage.clients:
        t.equal([m[3] for m in client.got('quiet')], ['word 0', 'word 1'],
                client.name + ': quiet: both, once')
        client.forget('quiet')


def test(t, stage):
    stage.publish()
    feed(t, stage, 'whole', lambda proxy: proxy.buffer())
    for client in stage.clients:
        t.equal(client.live_by('whole'), 'longpoll',
                client.name + ': whole answers held back: long polls')
        client.forget('whole')
    quiet(t, stage)
    for client in stage.clients:
        client.proxy.heal()
    # Blocks of 4 KB fill where much is published: whatever it uses, it must
    # lose nothing.
    feed(t, stage, 'blocks', lambda proxy: proxy.buffer(block=4096))
    for client in stage.clients:
        t.note('%s uses %s' % (client.name, client.live_by('blocks')))
        client.forget('blocks')
        client.js('localStorage.clear()')
    quiet(t, stage)
    stage.publisher.end()


stage_test(test)
