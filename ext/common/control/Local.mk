# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_control.la
libpassenger_control_la_SOURCES = \
    %D%/AppPage.cpp \
    %D%/AppStatus.cpp \
    %D%/ControlClient.cpp \
    %D%/HealthCheck.cpp \
    %D%/InstanceFigures.cpp \
    %D%/PublicStatus.cpp \
    %D%/ServerStatus.cpp \
    %D%/StatusConcerns.cpp \
    %D%/StatusMetrics.cpp \
    %D%/StatusPage.cpp \
    %D%/StatusParts.cpp \
    %D%/StatusText.cpp \
    %D%/StatusWords.cpp \
    %D%/StatusXml.cpp \
    %D%/TimePlot.cpp \
    %D%/Uptime.cpp
