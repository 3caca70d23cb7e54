#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-hundreds-of-channels.t - issue 4: more channels than one request may name
# (max_channels), in two tabs together or in one: messages of each come, also when
# the lead is lost, and it waits for the WebSocket where nothing else carries
# them. The other end: unsubscribed from all, a feed outlives a cut and can
# subscribe again.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')
STEAL = """
navigator.locks.query().then(all => all.held
	.filter(lock => lock.name.indexOf('tidings') === 0)
	.forEach(lock => navigator.locks.request(lock.name, { steal: true },
		() => new Promise(resolve => setTimeout(resolve, 300)))));
"""


def names(kind, n):
    return ['%s %d' % (kind, i) for i in range(n)]


def come(t, stage, name, channels, when, seconds=20):
    """A new message of each of some channels: the first and the last."""
    client = stage.clients[0]
    for channel in channels[0], channels[-1]:
        stage.site.publish_sql(channel, when)

    def got():
        return [m[1] for m in client.got(name) if m[3] == when]
    t.soon(lambda: len(got()) >= 2, '%s: messages come %s' % (name, when),
           seconds, lambda: client.story(name))
    t.equal(got(), [channels[0], channels[-1]], name + ': each once')
    t.equal(client.told(name, 'close'), [], name + ': it is not closed')


def of_two_tabs(t, stage):
    """60 and 60 are more than a request may name."""
    client = stage.clients[0]
    of = {kind: names(kind, 60) for kind in ('one', 'two')}
    for name in of:
        client.tab(name, transports=['sse'], channels=of[name], since='latest')
        t.soon(lambda: client.live_by(name), name + ': open', 20,
               lambda: client.story(name))
    for when in 'at first', 'after a cut':
        for name in of:
            come(t, stage, name, of[name], when)
        client.proxy.cut()
    for name in of:
        come(t, stage, name, of[name], 'after the second')
    # Those that fit share, also beside one that did not.
    client.tab('three', transports=['sse'], channels=['three', '3'],
               since='latest')
    come_when_open(t, stage, 'three', ['three', '3'])
    for name in of:
        come(t, stage, name, of[name], 'beside the third')
    client.forget()
    client.open()


def come_when_open(t, stage, name, channels):
    client = stage.clients[0]
    t.soon(lambda: client.live_by(name), name + ': open', 20,
           lambda: client.story(name))
    come(t, stage, name, channels, 'as %s is open' % name)


def of_one(t, stage):
    client = stage.clients[0]
    channels = names('many', 150)
    client.tab('many', channels=channels, since='latest')
    t.soon(lambda: client.live_by('many') == 'ws', 'many: open')
    client.tab('few', channels=['few'])
    t.soon(lambda: client.live_by('few') == 'ws', 'few: open')
    come(t, stage, 'many', channels, 'of 150 channels')
    lose_the_lead(t, stage, channels)
    # 150 at a time, 100 to a request.
    client.at('many', 'feeds.many.subscribe(arguments[1])', names('late', 150))
    come_late(t, stage)
    client.proxy.strip('/push/ws')
    client.proxy.seen.clear()
    client.proxy.cut()
    t.soon(lambda: len([entry for entry in client.proxy.seen
                        if entry[3] == 400]) > 2,
           'many: nothing else carries so many', 20,
           lambda: client.story('many'))
    for channel in channels[0], channels[-1]:
        stage.site.publish_sql(channel, 'while away')
    t.soon(lambda: client.status('many')['state'] == 'waiting',
           'many: it waits', 20, lambda: client.story('many'))
    client.proxy.heal()
    t.soon(lambda: client.live_by('many') == 'ws', 'many: for a WebSocket', 20,
           lambda: client.story('many'))
    t.soon(lambda: [m[1] for m in client.got('many') if m[3] == 'while away'] ==
           [channels[0], channels[-1]], 'many: nothing is lost', 20,
           lambda: client.story('many'))
    come(t, stage, 'many', channels, 'after it')
    client.forget()


def lose_the_lead(t, stage, channels):
    """To the other tab and back, while messages come."""
    client = stage.clients[0]
    for n in range(2):
        name, other = ('many', 'few') if n % 2 == 0 else ('few', 'many')
        when = 'at change %d of the lead' % n
        client.at(name, STEAL)
        t.soon(lambda: client.status(name)['state'] == 'connecting',
               name + ': lost the lead')
        for channel in channels[0], channels[-1]:
            stage.site.publish_sql(channel, when)
        t.soon(lambda: client.leaders() == [other], other + ': took it', 20,
               lambda: client.story('many'))
        t.soon(lambda: client.live_by('many') == 'ws', 'many: open', 20,
               lambda: client.story('many'))
        t.soon(lambda: [m[1] for m in client.got('many') if m[3] == when] ==
               [channels[0], channels[-1]], 'many: nothing is lost ' + when,
               20, lambda: client.story('many'))
    client.forget('few')


def come_late(t, stage):
    """They have no start: each is published to until the first comes."""
    client = stage.clients[0]

    def came():
        for channel in 'late 0', 'late 149':
            stage.site.publish_sql(channel, 'late')
        return {m[1] for m in client.got('many')} >= {'late 0', 'late 149'}
    t.soon(came, 'many: those of 150 more', 20, lambda: client.story('many'))
    ids = [m[0] for m in client.got('many')]
    t.equal(len(set(ids)), len(ids), 'many: each once')


def of_none(t, stage):
    client = stage.clients[0]
    client.open()
    for name in TRANSPORTS:
        client.watch(name, transports=[name])
    t.soon(lambda: all(client.live_by(name) for name in TRANSPORTS),
           'none: open before')
    for name in TRANSPORTS:
        client.at(name, 'feeds[arguments[0]].unsubscribe("feed")')
    stage.site.publish_sql('feed', 'unwanted')
    client.proxy.cut()
    cut = time.monotonic()
    until(lambda: time.monotonic() > cut + 1)
    t.equal([entry[2] for entry in client.proxy.seen
             if entry[0] > cut and 'channel=' not in entry[2]], [],
            'none: no request for nothing')
    for name in TRANSPORTS:
        client.at(name, 'feeds[arguments[0]].subscribe(["some", "more"],'
                  '"latest")')
    for name in TRANSPORTS:
        come_when_open(t, stage, name, ['some', 'more'])
        t.equal([m for m in client.got(name) if m[1] == 'feed'], [],
                name + ': nothing else')


def test(t, stage):
    of_two_tabs(t, stage)
    of_one(t, stage)
    of_none(t, stage)
    t.equal(stage.clients[0].thrown(), [], 'nothing is thrown')


stage_test(test, only='chromium')
