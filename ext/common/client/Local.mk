# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_client.la
libpassenger_client_la_SOURCES = \
    %D%/AgentConnector.cpp \
    %D%/AgentConnector.h \
    %D%/AgentControl.cpp \
    %D%/AgentControl.h \
    %D%/AppLink.cpp \
    %D%/AppLink.h \
    %D%/ApplicationPoolServer.cpp \
    %D%/ApplicationPoolServer.h \
    %D%/PoolClient.cpp \
    %D%/PoolClient.h \
    %D%/RemoteApplicationPool.cpp \
    %D%/RemoteApplicationPool.h
EXTRA_DIST += %D%/README.md
