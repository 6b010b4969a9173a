# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_exchange.la
libpassenger_exchange_la_SOURCES = \
    %D%/Admission.cpp \
    %D%/Admission.h \
    %D%/AdmissionLimits.cpp \
    %D%/AdmissionLimits.h \
    %D%/AnswerFile.cpp \
    %D%/AnswerFile.h \
    %D%/AppVersion.cpp \
    %D%/AppVersion.h \
    %D%/ApplicationPool.h \
    %D%/BodyFilesInFlight.h \
    %D%/BodySender.cpp \
    %D%/BodySender.h \
    %D%/Exchange.cpp \
    %D%/Exchange.h \
    %D%/ExchangeChannel.cpp \
    %D%/ExchangeChannel.h \
    %D%/ExchangeEvent.cpp \
    %D%/ExchangeEvent.h \
    %D%/ExchangeState.cpp \
    %D%/ExchangeState.h \
    %D%/ExchangeTimes.cpp \
    %D%/ExchangeTimes.h \
    %D%/FairShare.h \
    %D%/GroupName.h \
    %D%/InFlightRecord.cpp \
    %D%/InFlightRecord.h \
    %D%/MessageSession.h \
    %D%/Options.cpp \
    %D%/Options.h \
    %D%/OvertakenCheck.cpp \
    %D%/OvertakenCheck.h \
    %D%/Priority.h \
    %D%/QueueCache.cpp \
    %D%/QueueCache.h \
    %D%/QueueChoice.h \
    %D%/QueueDelay.cpp \
    %D%/QueueDelay.h \
    %D%/QueueHost.h \
    %D%/QueueSession.cpp \
    %D%/QueueSession.h \
    %D%/ReplyWait.cpp \
    %D%/ReplyWait.h \
    %D%/RequestOptions.h \
    %D%/RequestProgress.cpp \
    %D%/RequestProgress.h \
    %D%/RequestSender.cpp \
    %D%/RequestSender.h \
    %D%/Session.h \
    %D%/StreamSession.cpp \
    %D%/StreamSession.h \
    %D%/WarmUp.cpp \
    %D%/WarmUp.h \
    %D%/Withdrawal.cpp \
    %D%/Withdrawal.h
EXTRA_DIST += %D%/README.md
