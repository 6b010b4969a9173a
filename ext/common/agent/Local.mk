# Keep sorted, one file a line. The library has all files but the one with main().
noinst_LTLIBRARIES += libpassenger_agent.la
libpassenger_agent_la_SOURCES = \
    %D%/AgentServices.cpp \
    %D%/AgentServices.h \
    %D%/CommandLine.cpp \
    %D%/CommandLine.h \
    %D%/ControlOrders.cpp \
    %D%/ControlOrders.h \
    %D%/ControlService.cpp \
    %D%/ControlService.h \
    %D%/DescriptorLog.cpp \
    %D%/DescriptorLog.h \
    %D%/DescriptorStoreClient.cpp \
    %D%/DescriptorStoreClient.h \
    %D%/EndableThread.cpp \
    %D%/EndableThread.h \
    %D%/EventCommand.cpp \
    %D%/EventCommand.h \
    %D%/EventInbox.cpp \
    %D%/EventInbox.h \
    %D%/FileTail.cpp \
    %D%/FileTail.h \
    %D%/InstanceFacts.cpp \
    %D%/InstanceFacts.h \
    %D%/InstanceRegistry.cpp \
    %D%/InstanceRegistry.h \
    %D%/KeptAnswers.cpp \
    %D%/KeptAnswers.h \
    %D%/LogMonitor.cpp \
    %D%/LogMonitor.h \
    %D%/LogReopening.cpp \
    %D%/LogReopening.h \
    %D%/MonitoredFiles.cpp \
    %D%/MonitoredFiles.h \
    %D%/PoolEngine.h \
    %D%/PoolProcess.cpp \
    %D%/PoolProcess.h \
    %D%/PreStart.cpp \
    %D%/PreStart.h \
    %D%/ProcessSetup.cpp \
    %D%/ProcessSetup.h \
    %D%/RunAs.cpp \
    %D%/RunAs.h \
    %D%/SettingsUpdater.cpp \
    %D%/SettingsUpdater.h \
    %D%/StandardPoolEngine.cpp \
    %D%/StandardPoolEngine.h
EXTRA_DIST += %D%/README.md

# passenger-agent is built in the build tree's PassengerRoot.
passengerroot_PROGRAMS += root/passenger-agent
root_passenger_agent_SOURCES = %D%/main.cpp
root_passenger_agent_CXXFLAGS = $(AM_CXXFLAGS) $(PIE_CXXFLAGS)
root_passenger_agent_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
root_passenger_agent_LDADD = $(PASSENGER_LIBS)
