# SPDX-License-Identifier: MIT
daemon_PROGRAMS += %D%/wsd
%C%_wsd_SOURCES = \
	%D%/handshake.c \
	%D%/handshake.h \
	%D%/wsconn.c \
	%D%/wsconn.h \
	%D%/wsd.c \
	%D%/wsdrain.c \
	%D%/wsdrain.h \
	%D%/wsform.c \
	%D%/wsform.h \
	%D%/wsop.c \
	%D%/wsop.h \
	%D%/wsopen.c \
	%D%/wsopen.h \
	%D%/wsread.c \
	%D%/wsread.h
%C%_wsd_LDADD = $(SHARED_LIBS)
dist_man_MANS += \
	%D%/wsd.8
