# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_server.la
libpassenger_server_la_SOURCES = \
    %D%/AttachRefusals.cpp \
    %D%/AttachRefusals.h \
    %D%/Children.cpp \
    %D%/Children.h \
    %D%/Connection.cpp \
    %D%/Connection.h \
    %D%/DescriptorReserve.cpp \
    %D%/DescriptorReserve.h \
    %D%/PoolServer.cpp \
    %D%/PoolServer.h \
    %D%/PoolStatus.cpp \
    %D%/PoolStatus.h \
    %D%/RequestHistory.cpp \
    %D%/RequestHistory.h
EXTRA_DIST += %D%/README.md
