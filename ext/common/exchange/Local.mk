# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_exchange.la
libpassenger_exchange_la_SOURCES = \
    %D%/AppVersion.cpp \
    %D%/AppVersion.h \
    %D%/ApplicationPool.h \
    %D%/BodySender.cpp \
    %D%/BodySender.h \
    %D%/Exchange.cpp \
    %D%/Exchange.h \
    %D%/ExchangeBody.cpp \
    %D%/ExchangeReceiving.cpp \
    %D%/ExchangeWithdrawal.cpp \
    %D%/GroupName.h \
    %D%/Options.cpp \
    %D%/Options.h \
    %D%/QueueCache.cpp \
    %D%/QueueCache.h \
    %D%/QueueHost.h \
    %D%/QueueSession.cpp \
    %D%/QueueSession.h \
    %D%/Session.h \
    %D%/StreamSession.cpp \
    %D%/StreamSession.h
EXTRA_DIST += %D%/README.md
