# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_prefork.la
libpassenger_prefork_la_SOURCES = \
    %D%/AcceptServer.cpp \
    %D%/AcceptServer.h \
    %D%/ForkLauncher.cpp \
    %D%/ForkLauncher.h \
    %D%/ForkServer.cpp \
    %D%/ForkServer.h \
    %D%/Listening.cpp \
    %D%/Listening.h \
    %D%/OutputWriter.cpp \
    %D%/OutputWriter.h \
    %D%/PipedWorker.cpp \
    %D%/PipedWorker.h \
    %D%/PreFork.cpp \
    %D%/PreFork.h \
    %D%/PreForkAttributes.cpp \
    %D%/PreForkHandlers.cpp \
    %D%/PreForkRestart.cpp \
    %D%/PreForkServer.h \
    %D%/PreForkWorkers.cpp \
    %D%/ProgramLauncher.cpp \
    %D%/ProgramLauncher.h \
    %D%/WorkerOutput.cpp \
    %D%/WorkerOutput.h \
    %D%/WorkerProcess.h
EXTRA_DIST += %D%/README.md
