# SPDX-License-Identifier: MIT
htdocsdir = $(datadir)/$(PACKAGE)/htdocs
dist_htdocs_DATA = \
	%D%/chat.html \
	%D%/clock-iframe.html \
	%D%/clock-longpoll.html \
	%D%/clock-poll.html \
	%D%/clock-sse.html \
	%D%/clock-ws.html \
	%D%/compare.html \
	%D%/icon.svg \
	%D%/index.html \
	%D%/index.zh-CN.html \
	%D%/login.html \
	%D%/monitor.html \
	%D%/news.html \
	%D%/quotes.html \
	%D%/style.css \
	%D%/tidings.d.mts \
	%D%/tidings.d.ts \
	%D%/tidings.js \
	%D%/tidings.mjs

# Libraries of others, each whole with its licence.
qrcodedir = $(htdocsdir)/vendor/qrcode-generator
dist_qrcode_DATA = \
	%D%/vendor/qrcode-generator/LICENSE \
	%D%/vendor/qrcode-generator/qrcode.js
uplotdir = $(htdocsdir)/vendor/uplot
dist_uplot_DATA = \
	%D%/vendor/uplot/LICENSE \
	%D%/vendor/uplot/uPlot.iife.min.js \
	%D%/vendor/uplot/uPlot.min.css

# What tools/build-js makes tidings.js of.
EXTRA_DIST += \
	%D%/src/base.js \
	%D%/src/element.js \
	%D%/src/eventsource.js \
	%D%/src/feed.js \
	%D%/src/http.js \
	%D%/src/line.js \
	%D%/src/page.js \
	%D%/src/publish.js \
	%D%/src/tabs.js \
	%D%/src/transports.js \
	tools/build-js

examplesdir = $(htdocsdir)/examples
dist_examples_DATA = \
	%D%/examples/demo.php \
	%D%/examples/login-table.php \
	%D%/examples/login.php \
	%D%/examples/news.php \
	%D%/examples/phone.php \
	%D%/examples/tidings.php \
	%D%/examples/wordpress-style.php

wordpressdir = $(examplesdir)/wordpress
dist_wordpress_DATA = \
	%D%/examples/wordpress/tidings-live.js \
	%D%/examples/wordpress/tidings-live.php
