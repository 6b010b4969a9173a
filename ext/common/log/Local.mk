# The agent's log. The module does not link it. Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_log.la
libpassenger_log_la_SOURCES = \
    %D%/Log.cpp \
    %D%/Log.h \
    %D%/LogQueue.cpp \
    %D%/LogQueue.h \
    %D%/RecentEvents.cpp \
    %D%/RecentEvents.h \
    %D%/StandardError.cpp \
    %D%/StandardError.h
libpassenger_log_la_LIBADD = $(SPDLOG_LIBS) $(FMT_LIBS)
EXTRA_DIST += %D%/README.md
