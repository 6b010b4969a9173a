# Programs that make documents; none is installed. Keep sorted, one file a line.
# CommandTableTest uses the library.
noinst_LTLIBRARIES += libdocuments.la
libdocuments_la_SOURCES = \
    %D%/Completion.cpp \
    %D%/ManPage.cpp

# Man pages and completions come from CommandTable.
noinst_PROGRAMS += script/documents/document_commands
script_documents_document_commands_SOURCES = %D%/document_commands.cpp
script_documents_document_commands_LDADD = libdocuments.la $(PASSENGER_COMMAND_LIBS)
DOCUMENT_COMMAND = $(AM_V_GEN)$(MKDIR_P) $(@D) && script/documents/document_commands$(EXEEXT)

man1_MANS = man/passenger-config.1 man/passenger-memory-stats.1 man/passenger-prefork.1 man/passenger-status.1
bashcompletiondir = $(datadir)/bash-completion/completions
nodist_bashcompletion_DATA = completion/bash/passenger-config completion/bash/passenger-memory-stats \
    completion/bash/passenger-prefork completion/bash/passenger-status
zshcompletiondir = $(datadir)/zsh/site-functions
nodist_zshcompletion_DATA = completion/zsh/_passenger-config completion/zsh/_passenger-memory-stats \
    completion/zsh/_passenger-prefork completion/zsh/_passenger-status
man/%.1: script/documents/document_commands$(EXEEXT)
	$(DOCUMENT_COMMAND) man $* >$@.new && mv $@.new $@
completion/bash/%: script/documents/document_commands$(EXEEXT)
	$(DOCUMENT_COMMAND) bash $* >$@.new && mv $@.new $@
completion/zsh/_%: script/documents/document_commands$(EXEEXT)
	$(DOCUMENT_COMMAND) zsh $* >$@.new && mv $@.new $@
CLEANFILES += $(man1_MANS) $(nodist_bashcompletion_DATA) $(nodist_zshcompletion_DATA)

# For doc/CONFIGURATION.md and the tests.
EXTRA_PROGRAMS += script/documents/list_directives
script_documents_list_directives_SOURCES = %D%/list_directives.cpp
script_documents_list_directives_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
script_documents_list_directives_LDADD = $(PASSENGER_MODULE_LIBS)
CLEANFILES += script/documents/list_directives$(EXEEXT)
