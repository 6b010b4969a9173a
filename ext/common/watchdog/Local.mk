# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_watchdog.la
libpassenger_watchdog_la_SOURCES = \
    %D%/Anchor.cpp \
    %D%/AnswerWatch.cpp \
    %D%/PoolSupervisor.cpp \
    %D%/ProcessorShortage.cpp \
    %D%/RightsSupervisor.cpp \
    %D%/StoredDescriptors.cpp \
    %D%/ThreadReport.cpp \
    %D%/Watchdog.cpp
