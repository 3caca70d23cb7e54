# SPDX-License-Identifier: MIT
htdocsdir = $(datadir)/$(PACKAGE)/htdocs
dist_htdocs_DATA = \
	%D%/clock-iframe.html \
	%D%/clock-longpoll.html \
	%D%/clock-poll.html \
	%D%/clock-sse.html \
	%D%/clock-ws.html \
	%D%/icon.svg \
	%D%/index.html \
	%D%/monitor.html \
	%D%/style.css
