# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_bridge.la
libpassenger_bridge_la_SOURCES = \
    %D%/AcceptProbe.cpp \
    %D%/AcceptProbe.h \
    %D%/AnswerParser.cpp \
    %D%/AnswerParser.h \
    %D%/AppAddress.cpp \
    %D%/AppAddress.h \
    %D%/AppCommand.cpp \
    %D%/AppCommand.h \
    %D%/AppConnection.cpp \
    %D%/AppConnection.h \
    %D%/AppKeeper.cpp \
    %D%/AppKeeper.h \
    %D%/Application.cpp \
    %D%/Application.h \
    %D%/BodySource.cpp \
    %D%/BodySource.h \
    %D%/Bridge.cpp \
    %D%/Bridge.h \
    %D%/Channels.cpp \
    %D%/Channels.h \
    %D%/ControlSocket.cpp \
    %D%/ControlSocket.h \
    %D%/EventLog.cpp \
    %D%/EventLog.h \
    %D%/Handover.cpp \
    %D%/Handover.h \
    %D%/Helpers.cpp \
    %D%/Helpers.h \
    %D%/HttpExchange.cpp \
    %D%/HttpExchange.h \
    %D%/Instance.cpp \
    %D%/Instance.h \
    %D%/Intake.cpp \
    %D%/Intake.h \
    %D%/NodeFinder.cpp \
    %D%/NodeFinder.h \
    %D%/NodeInstance.cpp \
    %D%/NodeInstance.h \
    %D%/NodeRange.cpp \
    %D%/NodeRange.h \
    %D%/Place.cpp \
    %D%/Place.h \
    %D%/PortListener.cpp \
    %D%/PortListener.h \
    %D%/ProcessTitle.cpp \
    %D%/ProcessTitle.h \
    %D%/QueueWatch.cpp \
    %D%/QueueWatch.h \
    %D%/Relay.cpp \
    %D%/Relay.h \
    %D%/Relays.cpp \
    %D%/Relays.h \
    %D%/ReplyWriter.cpp \
    %D%/ReplyWriter.h \
    %D%/RequestFields.cpp \
    %D%/RequestFields.h \
    %D%/RequestHead.cpp \
    %D%/RequestHead.h \
    %D%/SocketDiag.cpp \
    %D%/SocketDiag.h \
    %D%/WarmUpRequests.cpp \
    %D%/WarmUpRequests.h
libpassenger_bridge_la_LIBADD = $(HTTP_PARSER_LIBS)
EXTRA_DIST += %D%/README.md
