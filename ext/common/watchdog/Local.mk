# Keep sorted, one file a line.
libpassenger_agent_la_SOURCES += \
    %D%/Deposit.h \
    %D%/DescriptorStore.cpp \
    %D%/DescriptorStore.h \
    %D%/PoolSupervisor.cpp \
    %D%/PoolSupervisor.h \
    %D%/RestartDelay.cpp \
    %D%/RestartDelay.h \
    %D%/Watchdog.cpp \
    %D%/Watchdog.h
EXTRA_DIST += %D%/README.md
