# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_exchange.la
libpassenger_exchange_la_SOURCES = \
    %D%/Admission.cpp \
    %D%/AdmissionLimits.cpp \
    %D%/AnswerFile.cpp \
    %D%/AppVersion.cpp \
    %D%/BodySender.cpp \
    %D%/BusyPolling.cpp \
    %D%/ChannelStock.cpp \
    %D%/Exchange.cpp \
    %D%/ExchangeChannel.cpp \
    %D%/ExchangeState.cpp \
    %D%/ExchangeTimes.cpp \
    %D%/InFlightRecord.cpp \
    %D%/MessageSession.cpp \
    %D%/Options.cpp \
    %D%/OvertakenCheck.cpp \
    %D%/QueueCache.cpp \
    %D%/QueueDelay.cpp \
    %D%/Reply.cpp \
    %D%/ReplyWait.cpp \
    %D%/RequestProgress.cpp \
    %D%/RequestSender.cpp \
    %D%/StreamSession.cpp \
    %D%/ToldOptions.cpp \
    %D%/UnknownInstances.cpp \
    %D%/WarmUp.cpp \
    %D%/Withdrawal.cpp
