# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_client.la
libpassenger_client_la_SOURCES = \
    %D%/AgentConnector.cpp \
    %D%/AgentControl.cpp \
    %D%/AppLink.cpp \
    %D%/ApplicationPoolServer.cpp \
    %D%/PoolClient.cpp \
    %D%/RemoteApplicationPool.cpp
