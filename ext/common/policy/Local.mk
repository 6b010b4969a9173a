# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_policy.la
libpassenger_policy_la_SOURCES = \
    %D%/Backoff.cpp \
    %D%/CpuUse.cpp \
    %D%/ForkDelay.cpp \
    %D%/IdlePolicy.cpp \
    %D%/MemoryAdmission.cpp \
    %D%/MemoryBudget.cpp \
    %D%/MemoryGrowth.cpp \
    %D%/MemoryRelief.cpp \
    %D%/RestartDelay.cpp \
    %D%/RoomPolicy.cpp \
    %D%/ScalingPolicy.cpp \
    %D%/SmoothWeights.cpp \
    %D%/SparePolicy.cpp \
    %D%/SurplusWindow.cpp
