# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_prefork.la
libpassenger_prefork_la_SOURCES = \
    %D%/AcceptServer.cpp \
    %D%/ForkLauncher.cpp \
    %D%/ForkServer.cpp \
    %D%/Listening.cpp \
    %D%/OutputWriter.cpp \
    %D%/PipedWorker.cpp \
    %D%/PreFork.cpp \
    %D%/PreForkAttributes.cpp \
    %D%/ProgramLauncher.cpp \
    %D%/SilenceWatch.cpp \
    %D%/SpareControl.cpp \
    %D%/TcpServer.cpp \
    %D%/UnixServer.cpp \
    %D%/WorkerMonitor.cpp \
    %D%/WorkerOutput.cpp \
    %D%/WorkerSet.cpp
