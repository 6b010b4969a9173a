# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_pool.la
libpassenger_pool_la_SOURCES = \
    %D%/ApplicationQueue.cpp \
    %D%/ApplicationQueue.h \
    %D%/BackgroundThreads.cpp \
    %D%/BackgroundThreads.h \
    %D%/ChannelRegistry.cpp \
    %D%/ChannelRegistry.h \
    %D%/CpuLoad.h \
    %D%/Deadlines.h \
    %D%/Demand.cpp \
    %D%/Demand.h \
    %D%/DescriptorStore.h \
    %D%/GetFailure.h \
    %D%/Group.cpp \
    %D%/Group.h \
    %D%/GroupLifecycle.cpp \
    %D%/HangWatch.cpp \
    %D%/HangWatch.h \
    %D%/Instances.cpp \
    %D%/Instances.h \
    %D%/LocalSender.cpp \
    %D%/LocalSender.h \
    %D%/NoDescriptorStore.h \
    %D%/PendingSpawns.cpp \
    %D%/PendingSpawns.h \
    %D%/Pool.cpp \
    %D%/Pool.h \
    %D%/PoolContext.h \
    %D%/PoolOperations.cpp \
    %D%/PoolUpkeep.cpp \
    %D%/PreloaderCare.cpp \
    %D%/PreloaderCare.h \
    %D%/Process.cpp \
    %D%/Process.h \
    %D%/RecentReports.cpp \
    %D%/RecentReports.h \
    %D%/Room.cpp \
    %D%/Room.h \
    %D%/Snapshot.cpp \
    %D%/Snapshot.h \
    %D%/Socket.h \
    %D%/Spares.cpp \
    %D%/Spares.h \
    %D%/SpawnTask.h \
    %D%/StandardApplicationPool.cpp \
    %D%/StandardApplicationPool.h \
    %D%/StartFailures.cpp \
    %D%/StartFailures.h \
    %D%/SuperGroup.h \
    %D%/SystemCpuLoad.cpp \
    %D%/SystemCpuLoad.h \
    %D%/Versions.cpp \
    %D%/Versions.h
EXTRA_DIST += %D%/README.md
