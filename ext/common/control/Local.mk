# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_control.la
libpassenger_control_la_SOURCES = \
    %D%/AppPage.cpp \
    %D%/AppPage.h \
    %D%/AppStatus.cpp \
    %D%/AppStatus.h \
    %D%/ControlClient.cpp \
    %D%/ControlClient.h \
    %D%/ControlVerbs.h \
    %D%/ExplainWords.h \
    %D%/HealthCheck.cpp \
    %D%/HealthCheck.h \
    %D%/InstanceFigures.cpp \
    %D%/InstanceFigures.h \
    %D%/InstanceStatus.h \
    %D%/PublicStatus.cpp \
    %D%/PublicStatus.h \
    %D%/ServerStatus.cpp \
    %D%/ServerStatus.h \
    %D%/StatusConcerns.cpp \
    %D%/StatusConcerns.h \
    %D%/StatusMetrics.cpp \
    %D%/StatusMetrics.h \
    %D%/StatusPage.cpp \
    %D%/StatusPage.h \
    %D%/StatusPageStyle.h \
    %D%/StatusParts.cpp \
    %D%/StatusParts.h \
    %D%/StatusText.cpp \
    %D%/StatusText.h \
    %D%/StatusWords.cpp \
    %D%/StatusWords.h \
    %D%/StatusXml.cpp \
    %D%/StatusXml.h \
    %D%/TimePlot.cpp \
    %D%/TimePlot.h \
    %D%/Uptime.cpp \
    %D%/Uptime.h
EXTRA_DIST += %D%/README.md
