# Keep sorted, one file a line. The library has all files but the one with main().
noinst_LTLIBRARIES += libpassenger_agent.la
libpassenger_agent_la_SOURCES = \
    %D%/AgentServices.cpp \
    %D%/AppName.cpp \
    %D%/CommandLine.cpp \
    %D%/ControlOrders.cpp \
    %D%/ControlService.cpp \
    %D%/DescriptorLog.cpp \
    %D%/DescriptorStoreClient.cpp \
    %D%/Drains.cpp \
    %D%/EndableThread.cpp \
    %D%/EventCommand.cpp \
    %D%/EventInbox.cpp \
    %D%/FileTail.cpp \
    %D%/InstanceRegistry.cpp \
    %D%/KeptAnswers.cpp \
    %D%/LogMonitor.cpp \
    %D%/LogReopening.cpp \
    %D%/MonitoredFiles.cpp \
    %D%/PoolProcess.cpp \
    %D%/PreStart.cpp \
    %D%/ProcessSetup.cpp \
    %D%/RunAs.cpp \
    %D%/SettingsUpdater.cpp \
    %D%/StandardPoolEngine.cpp

# passenger-agent is built in the build tree's PassengerRoot.
passengerroot_PROGRAMS += root/passenger-agent
root_passenger_agent_SOURCES = %D%/main.cpp
root_passenger_agent_CXXFLAGS = $(AM_CXXFLAGS) $(PIE_CXXFLAGS)
root_passenger_agent_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
root_passenger_agent_LDADD = $(PASSENGER_LIBS)
