# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_prefork.la
libpassenger_prefork_la_SOURCES = \
    %D%/AcceptServer.cpp \
    %D%/AcceptServer.h \
    %D%/EndingWorkers.cpp \
    %D%/EndingWorkers.h \
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
    %D%/PreForkAttributes.h \
    %D%/PreForkServer.h \
    %D%/PreForkSettings.h \
    %D%/PreForkWorker.h \
    %D%/ProgramLauncher.cpp \
    %D%/ProgramLauncher.h \
    %D%/RollingRestart.cpp \
    %D%/RollingRestart.h \
    %D%/SilenceWatch.cpp \
    %D%/SilenceWatch.h \
    %D%/SpareControl.cpp \
    %D%/SpareControl.h \
    %D%/TcpServer.cpp \
    %D%/TcpServer.h \
    %D%/UnixServer.cpp \
    %D%/UnixServer.h \
    %D%/WorkerLauncher.h \
    %D%/WorkerListener.h \
    %D%/WorkerMonitor.cpp \
    %D%/WorkerMonitor.h \
    %D%/WorkerOutput.cpp \
    %D%/WorkerOutput.h \
    %D%/WorkerProcess.h \
    %D%/WorkerSet.cpp \
    %D%/WorkerSet.h
EXTRA_DIST += %D%/README.md
