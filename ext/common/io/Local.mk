# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_io.la
libpassenger_io_la_SOURCES = \
    %D%/AgentFailure.cpp \
    %D%/AgentFailure.h \
    %D%/AgentSettings.cpp \
    %D%/AgentSettings.h \
    %D%/ChannelSecret.cpp \
    %D%/ChannelSecret.h \
    %D%/FieldText.h \
    %D%/Frame.cpp \
    %D%/Frame.h \
    %D%/FrameReader.cpp \
    %D%/FrameReader.h \
    %D%/FrameSocket.cpp \
    %D%/FrameSocket.h \
    %D%/LineReader.cpp \
    %D%/LineReader.h \
    %D%/LittleEndian.h \
    %D%/ReplyChannel.cpp \
    %D%/ReplyChannel.h \
    %D%/ReportFrame.cpp \
    %D%/ReportFrame.h \
    %D%/RequestQueue.cpp \
    %D%/RequestQueue.h \
    %D%/SocketPair.cpp \
    %D%/SocketPair.h
EXTRA_DIST += %D%/README.md
