# Keep sorted, one file a line. The library has all files but those with main().
noinst_LTLIBRARIES += libpassenger_commands.la
libpassenger_commands_la_SOURCES = \
    %D%/AboutCommand.cpp \
    %D%/AgentCheckCommand.cpp \
    %D%/AgentConnection.cpp \
    %D%/AgentFinder.cpp \
    %D%/AgentOrders.cpp \
    %D%/AppCheck.cpp \
    %D%/AppOrder.cpp \
    %D%/AppSelection.cpp \
    %D%/Arguments.cpp \
    %D%/BacktracesForm.cpp \
    %D%/BalancerWeight.cpp \
    %D%/CommandHelp.cpp \
    %D%/CommandLimit.cpp \
    %D%/CommandTable.cpp \
    %D%/ConfiguredApps.cpp \
    %D%/EarlierAgents.cpp \
    %D%/EventForm.cpp \
    %D%/EventTable.cpp \
    %D%/ExplainCommand.cpp \
    %D%/FolderAccess.cpp \
    %D%/HttpdAnswer.cpp \
    %D%/InstallCheck.cpp \
    %D%/JsonResult.cpp \
    %D%/MemoryForm.cpp \
    %D%/MemorySections.cpp \
    %D%/OverviewForm.cpp \
    %D%/PoolForm.cpp \
    %D%/ProcessList.cpp \
    %D%/ProgramMain.cpp \
    %D%/ProgramOutput.cpp \
    %D%/RequestsForm.cpp \
    %D%/RestartWait.cpp \
    %D%/SafeProgram.cpp \
    %D%/Sizing.cpp \
    %D%/SizingCommand.cpp \
    %D%/SystemMetrics.cpp \
    %D%/Terminal.cpp

PASSENGER_COMMAND_LIBS = libpassenger_commands.la libpassenger_control.la libpassenger_io.la libpassenger_shm.la \
    libpassenger_base.la $(FMT_LIBS)

# The table of events comes from doc/EVENTS.md.
$(libpassenger_commands_la_OBJECTS): | ext/common/commands/EventRows.inc
ext/common/commands/EventRows.inc: $(top_srcdir)/doc/EVENTS.md $(top_srcdir)/script/list-events
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	    $(RUBY) $(top_srcdir)/script/list-events $(top_srcdir)/doc/EVENTS.md >$@.new && mv $@.new $@
CLEANFILES += ext/common/commands/EventRows.inc

bin_PROGRAMS += passenger-config passenger-memory-stats passenger-status
passenger_config_SOURCES = %D%/passenger_config.cpp
passenger_config_CXXFLAGS = $(AM_CXXFLAGS) $(PIE_CXXFLAGS)
passenger_config_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
passenger_config_LDADD = $(PASSENGER_COMMAND_LIBS)
passenger_memory_stats_SOURCES = %D%/passenger_memory_stats.cpp
passenger_memory_stats_CXXFLAGS = $(AM_CXXFLAGS) $(PIE_CXXFLAGS)
passenger_memory_stats_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
passenger_memory_stats_LDADD = $(PASSENGER_COMMAND_LIBS)
passenger_status_SOURCES = %D%/passenger_status.cpp
passenger_status_CXXFLAGS = $(AM_CXXFLAGS) $(PIE_CXXFLAGS)
passenger_status_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
passenger_status_LDADD = $(PASSENGER_COMMAND_LIBS)
