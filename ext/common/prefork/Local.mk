# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_prefork.la
libpassenger_prefork_la_SOURCES = \
    %D%/AcceptServer.cpp \
    %D%/AcceptServer.h \
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
    %D%/Wheel.h \
    %D%/WorkerOutput.cpp \
    %D%/WorkerOutput.h
EXTRA_DIST += %D%/README.md
