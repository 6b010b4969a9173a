# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_control.la
libpassenger_control_la_SOURCES = \
    %D%/ControlClient.cpp \
    %D%/ControlClient.h \
    %D%/ControlVerbs.h \
    %D%/ServerStatus.cpp \
    %D%/ServerStatus.h
EXTRA_DIST += %D%/README.md
