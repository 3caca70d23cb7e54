#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-holds-no-worker-of-event.t - every transport, HTTP/1.0 and 1.1,
# handed over by an httpd with a handful of workers of mpm_event: live, logged,
# and 200 at once with none of the workers busy.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *

need(MOD_TIDINGS)
run(lambda tap: pass_all(tap, 'event'))
