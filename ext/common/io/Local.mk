# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_io.la
libpassenger_io_la_SOURCES = \
    %D%/AgentFailure.cpp \
    %D%/AgentSettings.cpp \
    %D%/ChannelSecret.cpp \
    %D%/Frame.cpp \
    %D%/FrameReader.cpp \
    %D%/FrameSocket.cpp \
    %D%/LineReader.cpp \
    %D%/MessageRoom.cpp \
    %D%/ReplyChannel.cpp \
    %D%/ReportFrame.cpp \
    %D%/RequestQueue.cpp \
    %D%/Serve.cpp \
    %D%/SocketPair.cpp
