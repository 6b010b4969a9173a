# Keep sorted, one file a line. The first list is also part of httpd's children: sessions over a queue.
libpassenger_client_la_SOURCES += \
    %D%/ApplicationPool.h \
    %D%/BodySender.cpp \
    %D%/BodySender.h \
    %D%/Exchange.cpp \
    %D%/Exchange.h \
    %D%/ExchangeWithdrawal.cpp \
    %D%/LineCache.cpp \
    %D%/LineCache.h \
    %D%/Options.cpp \
    %D%/Options.h \
    %D%/QueueHost.h \
    %D%/QueueSession.cpp \
    %D%/QueueSession.h \
    %D%/Session.h \
    %D%/StreamSession.cpp \
    %D%/StreamSession.h

libpassenger_pool_la_SOURCES += \
    %D%/BackgroundThreads.cpp \
    %D%/BackgroundThreads.h \
    %D%/ChannelRegistry.cpp \
    %D%/ChannelRegistry.h \
    %D%/Deposits.h \
    %D%/FolderWatches.cpp \
    %D%/FolderWatches.h \
    %D%/Group.cpp \
    %D%/Group.h \
    %D%/GroupEnding.cpp \
    %D%/GroupServing.cpp \
    %D%/IdlePolicy.cpp \
    %D%/IdlePolicy.h \
    %D%/Line.cpp \
    %D%/Line.h \
    %D%/LocalSender.cpp \
    %D%/LocalSender.h \
    %D%/MemorySession.h \
    %D%/Pool.cpp \
    %D%/Pool.h \
    %D%/PoolContext.h \
    %D%/Process.cpp \
    %D%/Process.h \
    %D%/RestartFiles.cpp \
    %D%/RestartFiles.h \
    %D%/RestartWatch.cpp \
    %D%/RestartWatch.h \
    %D%/ScalingPolicy.cpp \
    %D%/ScalingPolicy.h \
    %D%/Socket.h \
    %D%/StandardApplicationPool.cpp \
    %D%/StandardApplicationPool.h \
    %D%/SuperGroup.h
