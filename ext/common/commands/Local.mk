# Keep sorted, one file a line. The library has all files but those with main().
noinst_LTLIBRARIES += libpassenger_commands.la
libpassenger_commands_la_SOURCES = \
    %D%/AboutCommand.cpp \
    %D%/AboutCommand.h \
    %D%/AgentCheckCommand.cpp \
    %D%/AgentCheckCommand.h \
    %D%/AgentConnection.cpp \
    %D%/AgentConnection.h \
    %D%/AgentFinder.cpp \
    %D%/AgentFinder.h \
    %D%/AgentOrders.cpp \
    %D%/AgentOrders.h \
    %D%/AppCheck.cpp \
    %D%/AppCheck.h \
    %D%/AppOrder.cpp \
    %D%/AppOrder.h \
    %D%/AppSelection.cpp \
    %D%/AppSelection.h \
    %D%/Arguments.cpp \
    %D%/Arguments.h \
    %D%/BacktracesForm.cpp \
    %D%/BacktracesForm.h \
    %D%/BalancerWeight.cpp \
    %D%/BalancerWeight.h \
    %D%/CommandFailure.h \
    %D%/CommandHelp.cpp \
    %D%/CommandHelp.h \
    %D%/CommandTable.cpp \
    %D%/CommandTable.h \
    %D%/Completion.cpp \
    %D%/Completion.h \
    %D%/ConfigProgram.cpp \
    %D%/ConfigProgram.h \
    %D%/ConfiguredApps.cpp \
    %D%/ConfiguredApps.h \
    %D%/EventForm.cpp \
    %D%/EventForm.h \
    %D%/EventTable.cpp \
    %D%/EventTable.h \
    %D%/ExplainCommand.cpp \
    %D%/ExplainCommand.h \
    %D%/FolderAccess.cpp \
    %D%/FolderAccess.h \
    %D%/HttpdAnswer.cpp \
    %D%/HttpdAnswer.h \
    %D%/InstallCheck.cpp \
    %D%/InstallCheck.h \
    %D%/JsonResult.cpp \
    %D%/JsonResult.h \
    %D%/ManPage.cpp \
    %D%/ManPage.h \
    %D%/MemoryForm.cpp \
    %D%/MemoryForm.h \
    %D%/MemoryProgram.cpp \
    %D%/MemoryProgram.h \
    %D%/MemorySections.cpp \
    %D%/MemorySections.h \
    %D%/OverviewForm.cpp \
    %D%/OverviewForm.h \
    %D%/PoolForm.cpp \
    %D%/PoolForm.h \
    %D%/ProcessList.cpp \
    %D%/ProcessList.h \
    %D%/ProgramMain.cpp \
    %D%/ProgramMain.h \
    %D%/ProgramOutput.cpp \
    %D%/ProgramOutput.h \
    %D%/RequestsForm.cpp \
    %D%/RequestsForm.h \
    %D%/RestartWait.cpp \
    %D%/RestartWait.h \
    %D%/Sizing.cpp \
    %D%/Sizing.h \
    %D%/SizingCommand.cpp \
    %D%/SizingCommand.h \
    %D%/StatusProgram.cpp \
    %D%/StatusProgram.h \
    %D%/SystemMetrics.cpp \
    %D%/SystemMetrics.h \
    %D%/Terminal.cpp \
    %D%/Terminal.h
EXTRA_DIST += %D%/README.md

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

# Man pages and completions come from CommandTable.
noinst_PROGRAMS += ext/common/commands/document_commands
ext_common_commands_document_commands_SOURCES = %D%/document_commands.cpp
ext_common_commands_document_commands_LDADD = $(PASSENGER_COMMAND_LIBS)
DOCUMENT_COMMAND = $(AM_V_GEN)$(MKDIR_P) $(@D) && ext/common/commands/document_commands$(EXEEXT)

man1_MANS = man/passenger-config.1 man/passenger-memory-stats.1 man/passenger-status.1
bashcompletiondir = $(datadir)/bash-completion/completions
nodist_bashcompletion_DATA = completion/bash/passenger-config completion/bash/passenger-memory-stats \
    completion/bash/passenger-status
zshcompletiondir = $(datadir)/zsh/site-functions
nodist_zshcompletion_DATA = completion/zsh/_passenger-config completion/zsh/_passenger-memory-stats \
    completion/zsh/_passenger-status
man/%.1: ext/common/commands/document_commands$(EXEEXT)
	$(DOCUMENT_COMMAND) man $* >$@.new && mv $@.new $@
completion/bash/%: ext/common/commands/document_commands$(EXEEXT)
	$(DOCUMENT_COMMAND) bash $* >$@.new && mv $@.new $@
completion/zsh/_%: ext/common/commands/document_commands$(EXEEXT)
	$(DOCUMENT_COMMAND) zsh $* >$@.new && mv $@.new $@
CLEANFILES += $(man1_MANS) $(nodist_bashcompletion_DATA) $(nodist_zshcompletion_DATA)
