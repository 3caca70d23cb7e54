#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-a-loss-is-told-by-reset.t - issue 4: messages are pruned while the line is
# down: each transport, and each of the tabs that share, tells it by reset, once,
# and goes on with all that is kept.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')


def messages(stage, client, name, behind):
    """What came behind that many, and what the table has."""
    got = client.got(name)[behind:]
    return [m[3] for m in got], [row[0] for row in stage.site.sql(
        "SELECT data FROM changes WHERE channel = 'feed' ORDER BY id")]


def test(t, stage):
    site = stage.site
    for client in stage.clients:
        for n in range(2):
            client.tab('shared %d' % n)
        for name in TRANSPORTS:
            client.watch(name, transports=[name])
            client.places[name] = client.browser.tab()
    for n in range(10):
        site.publish_sql('feed', 'first %d' % n)
    for client, name in stage.watched():
        t.soon(lambda: client.count(name) == 10,
               '%s, %s: all of the first' % (client.name, name))
    for client in stage.clients:
        client.proxy.down()
    for n in range(30):
        site.publish_sql('feed', 'second %d' % n)
    # By the program's own hand, as retention does.
    with open(site.conf, 'a') as f:
        f.write('[retention feed]\ncount = 12\n')
    site.tidings('prune')
    t.equal(site.sql("SELECT count(*) FROM changes WHERE channel = 'feed'"),
            [(12,)], 'what they have not seen is pruned')
    for client in stage.clients:
        client.proxy.up()
    site.publish_sql('feed', 'last')
    for client, name in stage.watched():
        label = '%s, %s: ' % (client.name, name)
        t.soon(lambda: client.got(name)[-1][3] == 'last', label + 'goes on', 20,
               lambda: client.story(name))
        t.equal(len(client.told(name, 'reset')), 1, label + 'one reset')
        got, kept = messages(stage, client, name, 10)
        t.equal(got, kept, label + 'all that is kept, once')
    for client in stage.clients:
        t.equal(client.thrown(), [], client.name + ': the page threw nothing')


stage_test(test)
