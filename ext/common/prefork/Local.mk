# Keep sorted, one file a line. The pure pieces, which the pool uses too.
libpassenger_spare_la_SOURCES += \
    %D%/Heartbeats.h \
    %D%/SparePolicy.cpp \
    %D%/SparePolicy.h

libpassenger_prefork_la_SOURCES += \
    %D%/AcceptServer.cpp \
    %D%/AcceptServer.h \
    %D%/ForkDelay.cpp \
    %D%/ForkDelay.h \
    %D%/ForkLauncher.cpp \
    %D%/ForkLauncher.h \
    %D%/Listening.cpp \
    %D%/Listening.h \
    %D%/Nursery.cpp \
    %D%/Nursery.h \
    %D%/OutputWriter.cpp \
    %D%/OutputWriter.h \
    %D%/PreFork.cpp \
    %D%/PreFork.h \
    %D%/PreForkAttributes.cpp \
    %D%/PreForkHandlers.cpp \
    %D%/PreForkRestart.cpp \
    %D%/PreForkServer.h \
    %D%/PreForkWorkers.cpp \
    %D%/ProcessWheel.cpp \
    %D%/ProcessWheel.h \
    %D%/ProgramLauncher.cpp \
    %D%/ProgramLauncher.h \
    %D%/SurplusWindow.cpp \
    %D%/SurplusWindow.h \
    %D%/Wheel.h \
    %D%/WorkerOutput.cpp \
    %D%/WorkerOutput.h
