# The agent's log. The module does not link it. Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_log.la
libpassenger_log_la_SOURCES = \
    %D%/JournalMessage.cpp \
    %D%/Log.cpp \
    %D%/LogFields.cpp \
    %D%/LogFormat.cpp \
    %D%/LogOutput.cpp \
    %D%/LogQueue.cpp \
    %D%/LogRecord.cpp \
    %D%/LogSocket.cpp \
    %D%/RecentEvents.cpp \
    %D%/StandardError.cpp \
    %D%/SyslogMessage.cpp
libpassenger_log_la_LIBADD = $(FMT_LIBS)
