# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_server.la
libpassenger_server_la_SOURCES = \
    %D%/AttachRefusals.cpp \
    %D%/Children.cpp \
    %D%/Connection.cpp \
    %D%/DescriptorReserve.cpp \
    %D%/PoolServer.cpp \
    %D%/RequestHistory.cpp
