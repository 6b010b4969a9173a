# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_bridge.la
libpassenger_bridge_la_SOURCES = \
    %D%/AcceptProbe.cpp \
    %D%/AnswerFields.cpp \
    %D%/AnswerParser.cpp \
    %D%/AppAddress.cpp \
    %D%/AppCommand.cpp \
    %D%/AppConnection.cpp \
    %D%/AppKeeper.cpp \
    %D%/Application.cpp \
    %D%/BodySource.cpp \
    %D%/Bridge.cpp \
    %D%/Channels.cpp \
    %D%/ChunkEnds.cpp \
    %D%/ControlSocket.cpp \
    %D%/EventLog.cpp \
    %D%/Handover.cpp \
    %D%/HttpExchange.cpp \
    %D%/Instance.cpp \
    %D%/Intake.cpp \
    %D%/NodeFinder.cpp \
    %D%/NodeInstance.cpp \
    %D%/NodeRange.cpp \
    %D%/Place.cpp \
    %D%/PortListener.cpp \
    %D%/ProcessTitle.cpp \
    %D%/QueueWatch.cpp \
    %D%/Relay.cpp \
    %D%/Relays.cpp \
    %D%/ReplyWriter.cpp \
    %D%/RequestFields.cpp \
    %D%/RequestHead.cpp \
    %D%/SocketDiag.cpp \
    %D%/Watch.cpp
libpassenger_bridge_la_LIBADD = $(HTTP_PARSER_LIBS)
