# SPDX-License-Identifier: MIT
"""Plays the cases of websocket_cases and its siblings against the echo."""
import statistics

from tidings_clients import sockets
from tidings_test import *
from websocket_cases import MAX_MESSAGE
from websocket_client import Broken, Peer

SETTINGS = {'wsd': {'max_message': str(MAX_MESSAGE), 'deflate': 'yes'}}
SINGLE_BYTES = 300              # scripts of up to so many are sent byte by byte
PIECE = 997                     # longer ones in pieces of this size


def joined(script):
    """Neighbouring bytes become one thing to send."""
    out = []
    for step in script:
        if isinstance(step, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += step
        else:
            out.append(step)
    return out


def play(case, port, script, piece=None, connect=None):
    """Returns the seconds from the close frame to the end of the connection."""
    with Peer(port, offers=case.offers, connect=connect) as peer:
        if peer.status != 101:
            raise Broken('the handshake is answered with %d' % peer.status)
        if case.offers and peer.params is None:
            raise Broken('permessage-deflate was not agreed on')
        for step in script:
            if isinstance(step, bytes):
                peer.send(step, piece)
            else:
                peer.expect(step)
        peer.finish()
        return peer.closing_took


def ways(case):
    """(name, script, piece) of each way to send a case."""
    script = list(case.make())
    yield 'whole', script if case.once else joined(script), None
    if case.once:
        return
    size = sum(len(step) for step in script if isinstance(step, bytes))
    if size <= SINGLE_BYTES:
        yield 'byte by byte', joined(script), 1
    elif size <= 1 << 18:
        yield 'in pieces', joined(script), PIECE


def play_all(tap, cases, port, connect=None, pieces=True):
    """One line of TAP a case; `connect` makes the sockets, and without `pieces`
    each case is sent whole alone."""
    took = []
    for case in cases:
        wrong = []
        for way, script, piece in ways(case):
            if piece and not pieces:
                continue
            try:
                took.append(play(case, port, script, piece, connect))
            except (Broken, OSError) as e:
                wrong.append('%s: %s' % (way, e or type(e).__name__))
        tap.ok(not wrong, str(case), *wrong)
    middle = statistics.median(took)
    tap.ok(middle < 1 * PATIENCE and max(took) < 10 * PATIENCE,
           'behind the close frame the connection ends at once',
           'median %.3f s, longest %.3f s' % (middle, max(took)))


def nothing_is_left(tap, site, before):
    """Neither the daemon nor a connection of it stays behind."""
    tap.ok(site.lives(), 'every program is the one that was started')
    left = sockets(site.pid('wsd')) - before
    with contextlib.suppress(Failure):
        left = wait_for(lambda: sockets(site.pid('wsd')) <= before, 20) and 0
    tap.equal(left, 0, 'no connection is left')


def went_through_httpd(tap, site):
    """The connections were httpd's as well: its log has them."""
    def logged():
        with open(os.path.join(site.dir, 'access.log')) as f:
            return sum(' 101 GET /push/ws/echo ' in line for line in f)
    with contextlib.suppress(Failure):
        wait_for(lambda: logged() > 100, 10)
    tap.ok(logged() > 100, 'they went through httpd', logged())
