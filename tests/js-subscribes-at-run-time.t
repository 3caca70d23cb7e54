#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-subscribes-at-run-time.t - issue 4: channels come and go while messages are
# published, over each transport and in tabs that share one line: what is
# subscribed to arrives once and in order from its cursor on, and nothing else
# does.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import Publisher, stage_test  # noqa: E402


CHANNELS = ('feed', 'b', 'c', 'd')
TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')


def check(t, stage, client, name, channel, first=None, last=None):
    """Of one channel: all messages from the first on, if given, and up to
    the last; else one whole stretch."""
    label = '%s, %s, %s: ' % (client.name, name, channel)
    rows = [row[0] for row in stage.site.sql(
        'SELECT id FROM changes WHERE channel = ? ORDER BY id', channel)]

    def ids():
        return [int(m[0].rpartition('-')[2]) for m in client.got(name)
                if m[1] == channel]
    if last is None:
        t.soon(lambda: ids()[-1:] == rows[-1:], label + 'up to the last')
    got = ids()
    if not got:
        return t.ok(False, label + 'something', client.story(name))
    want = [id for id in rows if got[0] <= id <= got[-1]]
    t.ok(got == want, label + 'once and in order', '%d, want %d' % (
        len(got), len(want)), 'missing %r of %r' % (
             sorted(set(want) - set(got))[:5], want[:12]),
        *[] if got == want else [client.story(name)])
    if first is not None:
        t.equal(got[0], rows[first], label + 'from where it was asked for')
    if last is not None:
        t.ok(got[-1] < rows[-1], label + 'and not after its end')


def came(client, name, channel):
    return client.at(name, 'return got[arguments[0]].filter('
                     'm => m[1] === arguments[1]).length', channel)


def test(t, stage):
    site = stage.site
    for channel in CHANNELS:
        for n in range(5):
            site.publish_sql(channel, 'before %d' % n)
    for client in stage.clients:
        for n in range(3):
            client.tab('shared %d' % n)
        for name in TRANSPORTS:
            client.watch(name, transports=[name])
            client.places[name] = client.browser.tab()
    more = [Publisher(site, channel, 0.03) for channel in CHANNELS[1:]]
    stage.publish()
    for publisher in more:
        publisher.start()
    stage.flows(t, 'at first')
    for client, name in stage.watched():
        client.at(name, 'feeds[arguments[0]].subscribe("b", "earliest")'
                  '.subscribe(["c"])')
    for client, name in stage.watched():
        for channel in 'bc':
            t.soon(lambda: came(client, name, channel) > 10,
                   '%s, %s: %s comes' % (client.name, name, channel), 20,
                   lambda: client.story(name))
    for client in stage.clients:
        client.proxy.cut()
    for client, name in stage.watched():
        client.at(name, 'feeds[arguments[0]].unsubscribe("c")'
                  '.subscribe("d", "-3")')
    for client, name in stage.watched():
        t.soon(lambda: came(client, name, 'd') > 10,
               '%s, %s: d comes' % (client.name, name), 20,
               lambda: client.story(name))
    counts = {(client, name): came(client, name, 'c')
              for client, name in stage.watched()}
    stage.flows(t, 'to the end')
    for publisher in more + [stage.publisher]:
        publisher.end()
    for client, name in stage.watched():
        check(t, stage, client, name, 'feed', 0)
        check(t, stage, client, name, 'b', 0)
        check(t, stage, client, name, 'c', None, 'ended')
        check(t, stage, client, name, 'd')
        t.equal(came(client, name, 'c'), counts[client, name],
                '%s, %s: c has ended' % (client.name, name))
        t.equal(client.told(name, 'reset'), [],
                '%s, %s: no reset' % (client.name, name))
    for client in stage.clients:
        t.equal(client.thrown(), [], client.name + ': the page threw nothing')


stage_test(test)
