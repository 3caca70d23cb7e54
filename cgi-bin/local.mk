# SPDX-License-Identifier: MIT
cgibin_PROGRAMS += \
	%D%/iframe \
	%D%/longpoll \
	%D%/poll \
	%D%/publish \
	%D%/sse \
	%D%/status
%C%_iframe_SOURCES = %D%/iframe.c
%C%_iframe_LDADD = $(SHARED_LIBS)
%C%_longpoll_SOURCES = %D%/longpoll.c
%C%_longpoll_LDADD = $(SHARED_LIBS)
%C%_poll_SOURCES = %D%/poll.c
%C%_poll_LDADD = $(SHARED_LIBS)
%C%_publish_SOURCES = %D%/publish.c
%C%_publish_LDADD = $(SHARED_LIBS)
%C%_sse_SOURCES = %D%/sse.c
%C%_sse_LDADD = $(SHARED_LIBS)
%C%_status_SOURCES = %D%/status.c
%C%_status_LDADD = $(SHARED_LIBS)
dist_man_MANS += \
	%D%/iframe.8 \
	%D%/longpoll.8 \
	%D%/poll.8 \
	%D%/publish.8 \
	%D%/sse.8 \
	%D%/status.8 \
	%D%/tidings.conf.5
