# The agent's log. The module does not link it. Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_log.la
libpassenger_log_la_SOURCES = \
    %D%/JournalMessage.cpp \
    %D%/JournalMessage.h \
    %D%/Log.cpp \
    %D%/Log.h \
    %D%/LogFields.cpp \
    %D%/LogFields.h \
    %D%/LogFormat.cpp \
    %D%/LogFormat.h \
    %D%/LogLevel.h \
    %D%/LogOutput.cpp \
    %D%/LogOutput.h \
    %D%/LogQueue.cpp \
    %D%/LogQueue.h \
    %D%/LogRecord.cpp \
    %D%/LogRecord.h \
    %D%/LogSocket.cpp \
    %D%/LogSocket.h \
    %D%/RecentEvents.cpp \
    %D%/RecentEvents.h \
    %D%/StandardError.cpp \
    %D%/StandardError.h \
    %D%/SyslogMessage.cpp \
    %D%/SyslogMessage.h
libpassenger_log_la_LIBADD = $(FMT_LIBS)
EXTRA_DIST += %D%/README.md
