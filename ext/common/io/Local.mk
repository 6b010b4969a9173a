# Keep sorted, one file a line. What needs libev goes into the second list.
libpassenger_base_la_SOURCES += \
    %D%/Frame.cpp \
    %D%/Frame.h \
    %D%/FrameReader.cpp \
    %D%/FrameReader.h \
    %D%/FrameSocket.cpp \
    %D%/FrameSocket.h \
    %D%/LineReader.cpp \
    %D%/LineReader.h \
    %D%/LittleEndian.h \
    %D%/ReportFrame.cpp \
    %D%/ReportFrame.h \
    %D%/SocketPair.cpp \
    %D%/SocketPair.h

libpassenger_runtime_la_SOURCES += \
    %D%/DescriptorWatcher.cpp \
    %D%/DescriptorWatcher.h \
    %D%/EventLoop.cpp \
    %D%/EventLoop.h \
    %D%/EventLoopImplementation.h \
    %D%/Timer.cpp \
    %D%/Timer.h

# The shapes that requests travel in: children and agent.
libpassenger_base_la_SOURCES += \
    %D%/Board.cpp \
    %D%/Board.h \
    %D%/GenerationTable.cpp \
    %D%/GenerationTable.h \
    %D%/GroupMemory.cpp \
    %D%/GroupMemory.h \
    %D%/Layouts.h \
    %D%/ReplyChannel.cpp \
    %D%/ReplyChannel.h \
    %D%/RequestQueue.cpp \
    %D%/RequestQueue.h
