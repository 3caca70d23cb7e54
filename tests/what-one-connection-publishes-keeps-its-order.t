#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# what-one-connection-publishes-keeps-its-order.t - single messages and batches
# that one WebSocket sends without waiting for answers get ids in that order, and
# "echo":false holds for each of them.  Issue 5, C9: a single message overtook the
# batch before it, and its publisher got it back.
import os
import random
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops

SETTINGS = {'retention': {'count': '0', 'age': '0'}}


def number(cursor):
    return int(cursor.split('-')[1])


def publish(who, texts, echo, keyed=False):
    """One operation: a batch if there are several texts, or one in a list."""
    messages = [dict({'channel': 'a', 'data': t}, **({'dedup': t} if keyed else {}))
                for t in texts]
    if len(texts) == 1 and not isinstance(texts, tuple):
        who.queue(op='publish', echo=echo, **messages[0])
    else:
        who.queue(op='publish', echo=echo, messages=messages)


def ids_of(answer):
    if 'messages' in answer:
        return [number(m['id']) for m in answer['messages']]
    return [number(answer['id'])]


def the_case(tap, site):
    """As it was found: a batch, its answer, then a batch and a message."""
    wrong = []
    with contextlib.closing(Ops(site.ws_port, '?channel=a')) as me, \
            contextlib.closing(Ops(site.ws_port, '?channel=a')) as other:
        for n in range(30):
            publish(me, ['%d x' % n, '%d y' % n], False)
            first = me.flush(1)
            publish(me, ['%d 1' % n, '%d 2' % n, '%d 3' % n], False)
            publish(me, ['%d 4' % n], False)
            answers = first + me.flush(2)
            ids = [i for a in answers for i in ids_of(a)]
            if ids != sorted(ids):
                wrong.append((n, ids))
        other.ask(op='publish', channel='a', data='end')
        tap.ok(not wrong, 'a batch and a message behind it', *wrong[:5])
        tap.equal(me.take_until('end'), ['end'], 'none comes back')
        tap.equal(other.take_until('end'), ['%d %s' % (n, k) for n in range(30)
                                            for k in 'xy1234'] + ['end'],
                  'another one gets them in order')


def mixes(tap, site, seed, crowd):
    """Any mix, in flight at once, while others publish as well."""
    rnd = random.Random(seed)
    end = 'end of %d' % seed
    with contextlib.closing(Ops(site.ws_port, '?channel=a')) as me, \
            contextlib.closing(Ops(site.ws_port, '?channel=a')) as other:
        want, mine, n = [], [], 0
        for burst in range(rnd.randint(3, 8)):
            ops = rnd.randint(5, 60)
            for _ in range(ops):
                size = rnd.choice([1, 1, 1, 2, 3, 20, 200])
                texts = ['m%d.%d' % (seed, n + i) for i in range(size)]
                n += size
                echo = rnd.random() < 0.3
                keyed = rnd.random() < 0.2
                publish(me, tuple(texts) if size == 1 and rnd.random() < 0.2 else texts,
                        echo, keyed)
                want += texts
                mine += texts if echo else []
            answers = me.flush(ops)
            tap_ids = [i for a in answers if a['op'] == 'ok' for i in ids_of(a)]
            if len(answers) != ops or tap_ids != sorted(tap_ids) or \
                    any(a['op'] != 'ok' for a in answers):
                return tap.ok(False, 'seed %d: answers in order' % seed, answers[:3])
        other.ask(op='publish', channel='a', data=end)
        got = [d for d in other.take_until(end) if d.startswith('m%d.' % seed)]
        back = [d for d in me.take_until(end) if d.startswith('m%d.' % seed)]
    return tap.ok(got == want and back == mine,
                  'seed %d%s: %d messages in their order, %d come back' %
                  (seed, ' in a crowd' if crowd else '', len(want), len(mine)),
                  'in order %s' % (got == want), 'come back %d' % len(back),
                  [x for x in zip(got, want) if x[0] != x[1]][:5])


def main(tap):
    with Site(SETTINGS) as site:
        the_case(tap, site)
        for seed in range(12):
            mixes(tap, site, seed, False)
        stop = threading.Event()

        def disturb(n):
            with contextlib.closing(Ops(site.ws_port, '?channel=none')) as o:
                i = 0
                while not stop.is_set():
                    o.queue(op='publish', channel='a', messages=[
                        {'channel': 'a', 'data': 'd%d.%d.%d' % (n, i, k)}
                        for k in range(50)] if n else [{'channel': 'a', 'data': 'd'}])
                    o.flush(1)
                    i += 1
        threads = [threading.Thread(target=disturb, args=(n,), daemon=True) for n in range(3)]
        for t in threads:
            t.start()
        for seed in range(100, 106):
            mixes(tap, site, seed, True)
        stop.set()
        for t in threads:
            t.join(20 * PATIENCE)
        tap.ok(site.lives(), 'the programs live')


run(main)
