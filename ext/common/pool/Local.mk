# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_pool.la
libpassenger_pool_la_SOURCES = \
    %D%/AbandonedRequests.cpp \
    %D%/ApplicationQueue.cpp \
    %D%/BackgroundThreads.cpp \
    %D%/Backtraces.cpp \
    %D%/ChannelLoans.cpp \
    %D%/ChannelRegistry.cpp \
    %D%/Demand.cpp \
    %D%/Disuse.cpp \
    %D%/FirstAnswer.cpp \
    %D%/FormerClaims.cpp \
    %D%/Group.cpp \
    %D%/Groups.cpp \
    %D%/HangWatch.cpp \
    %D%/InstanceLink.cpp \
    %D%/InstanceNote.cpp \
    %D%/InstancePause.cpp \
    %D%/InstanceStarter.cpp \
    %D%/Instances.cpp \
    %D%/Lifecycle.cpp \
    %D%/LocalSender.cpp \
    %D%/MemoryCheck.cpp \
    %D%/MemoryRoom.cpp \
    %D%/Orphans.cpp \
    %D%/PendingSpawns.cpp \
    %D%/Pool.cpp \
    %D%/PreloaderCare.cpp \
    %D%/Process.cpp \
    %D%/QueuePause.cpp \
    %D%/QueuePauses.cpp \
    %D%/RecentReports.cpp \
    %D%/RepeatedDeaths.cpp \
    %D%/RestartCheck.cpp \
    %D%/Room.cpp \
    %D%/Scaler.cpp \
    %D%/SlowRequests.cpp \
    %D%/Snapshot.cpp \
    %D%/Spares.cpp \
    %D%/StandardApplicationPool.cpp \
    %D%/StartFailures.cpp \
    %D%/Succession.cpp \
    %D%/SystemCpuLoad.cpp \
    %D%/UpkeepTimer.cpp \
    %D%/Versions.cpp \
    %D%/WarmUpRun.cpp
