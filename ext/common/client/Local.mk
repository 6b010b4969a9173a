# Keep sorted, one file a line. All of it is part of httpd's children.
libpassenger_client_la_SOURCES += \
    %D%/AgentConnector.cpp \
    %D%/AgentConnector.h \
    %D%/AgentControl.cpp \
    %D%/AgentControl.h \
    %D%/AgentFailure.cpp \
    %D%/AgentFailure.h \
    %D%/AgentSettings.cpp \
    %D%/AgentSettings.h \
    %D%/AppLink.cpp \
    %D%/AppLink.h \
    %D%/ApplicationPoolServer.cpp \
    %D%/ApplicationPoolServer.h \
    %D%/PoolClient.cpp \
    %D%/PoolClient.h \
    %D%/RemoteApplicationPool.cpp \
    %D%/RemoteApplicationPool.h
