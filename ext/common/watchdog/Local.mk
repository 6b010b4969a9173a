# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_watchdog.la
libpassenger_watchdog_la_SOURCES = \
    %D%/Anchor.cpp \
    %D%/Anchor.h \
    %D%/AnswerWatch.cpp \
    %D%/AnswerWatch.h \
    %D%/PoolSupervisor.cpp \
    %D%/PoolSupervisor.h \
    %D%/ProcessorShortage.cpp \
    %D%/ProcessorShortage.h \
    %D%/RightsSupervisor.cpp \
    %D%/RightsSupervisor.h \
    %D%/StoreEntry.h \
    %D%/StoredDescriptors.cpp \
    %D%/StoredDescriptors.h \
    %D%/ThreadReport.cpp \
    %D%/ThreadReport.h \
    %D%/Watchdog.cpp \
    %D%/Watchdog.h
EXTRA_DIST += %D%/README.md
