# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_policy.la
libpassenger_policy_la_SOURCES = \
    %D%/Backoff.cpp \
    %D%/Backoff.h \
    %D%/CpuUse.cpp \
    %D%/CpuUse.h \
    %D%/ForkDelay.cpp \
    %D%/ForkDelay.h \
    %D%/Heartbeats.h \
    %D%/IdlePolicy.cpp \
    %D%/IdlePolicy.h \
    %D%/MemoryAdmission.cpp \
    %D%/MemoryAdmission.h \
    %D%/MemoryBudget.cpp \
    %D%/MemoryBudget.h \
    %D%/MemoryGrowth.cpp \
    %D%/MemoryGrowth.h \
    %D%/MemoryRelief.cpp \
    %D%/MemoryRelief.h \
    %D%/RecentTimes.h \
    %D%/RestartDelay.cpp \
    %D%/RestartDelay.h \
    %D%/RoomPolicy.cpp \
    %D%/RoomPolicy.h \
    %D%/ScalingPolicy.cpp \
    %D%/ScalingPolicy.h \
    %D%/SmoothWeights.cpp \
    %D%/SmoothWeights.h \
    %D%/SparePolicy.cpp \
    %D%/SparePolicy.h \
    %D%/SurplusWindow.cpp \
    %D%/SurplusWindow.h
EXTRA_DIST += %D%/README.md
