# The httpd module, the only user of httpd and APR.

apachemodule_LTLIBRARIES += %D%/mod_passenger.la

# The module's files that do not use httpd; the unit tests use them. One file a line, sorted.
noinst_LTLIBRARIES += libpassenger_httpmessages.la
libpassenger_httpmessages_la_SOURCES = \
    %D%/config/FairnessSource.cpp \
    %D%/config/FairnessSource.h \
    %D%/request/BufferedBody.cpp \
    %D%/request/BufferedBody.h \
    %D%/request/CgiEnvironment.cpp \
    %D%/request/CgiEnvironment.h \
    %D%/request/ClientNetwork.h \
    %D%/request/RefusalPause.cpp \
    %D%/request/RefusalPause.h \
    %D%/request/RequestId.cpp \
    %D%/request/RequestId.h \
    %D%/request/RequestUri.cpp \
    %D%/request/RequestUri.h \
    %D%/request/RestartLooks.cpp \
    %D%/request/RestartLooks.h \
    %D%/request/SpoolCharge.cpp \
    %D%/request/SpoolCharge.h \
    %D%/request/SpoolFile.cpp \
    %D%/request/SpoolFile.h \
    %D%/request/SpoolQuota.cpp \
    %D%/request/SpoolQuota.h \
    %D%/request/StartupFileCache.cpp \
    %D%/request/StartupFileCache.h \
    %D%/request/StickyCookie.cpp \
    %D%/request/StickyCookie.h \
    %D%/request/UsageLedger.cpp \
    %D%/request/UsageLedger.h \
    %D%/response/CachePolicy.cpp \
    %D%/response/CachePolicy.h \
    %D%/response/ClientPace.cpp \
    %D%/response/ClientPace.h \
    %D%/response/ClientsInFlight.cpp \
    %D%/response/ClientsInFlight.h \
    %D%/response/ErrorPage.cpp \
    %D%/response/ErrorPage.h \
    %D%/response/ErrorPageStyle.h \
    %D%/response/RelayedConnections.cpp \
    %D%/response/RelayedConnections.h \
    %D%/response/ResponseCache.cpp \
    %D%/response/ResponseCache.h \
    %D%/response/ResponseHead.cpp \
    %D%/response/ResponseHead.h \
    %D%/response/SpoolRing.cpp \
    %D%/response/SpoolRing.h

%C%_mod_passenger_la_SOURCES = \
    %D%/Child.cpp \
    %D%/Child.h \
    %D%/RequestHandler.cpp \
    %D%/RequestHandler.h \
    %D%/agent/AgentIdentity.cpp \
    %D%/agent/AgentIdentity.h \
    %D%/agent/AgentKeeper.cpp \
    %D%/agent/AgentKeeper.h \
    %D%/agent/AgentUser.cpp \
    %D%/agent/AgentUser.h \
    %D%/agent/ApplicationUsers.cpp \
    %D%/agent/ApplicationUsers.h \
    %D%/agent/BufferFolder.cpp \
    %D%/agent/BufferFolder.h \
    %D%/agent/ChannelTrimmer.cpp \
    %D%/agent/ChannelTrimmer.h \
    %D%/agent/PipedLog.cpp \
    %D%/agent/PipedLog.h \
    %D%/agent/ServerGrants.cpp \
    %D%/agent/ServerGrants.h \
    %D%/config/ApplicationDirectives.h \
    %D%/config/ConfigManifest.cpp \
    %D%/config/ConfigManifest.h \
    %D%/config/Directive.h \
    %D%/config/DirectiveTable.h \
    %D%/config/Directives.cpp \
    %D%/config/Directives.h \
    %D%/config/NotedGrants.cpp \
    %D%/config/NotedGrants.h \
    %D%/config/NumberValue.cpp \
    %D%/config/NumberValue.h \
    %D%/config/ObsoleteDirectives.h \
    %D%/config/Origins.cpp \
    %D%/config/Origins.h \
    %D%/config/RequestDirectives.h \
    %D%/config/ServerDirectives.h \
    %D%/config/SettingValue.cpp \
    %D%/config/SettingValue.h \
    %D%/config/Settings.cpp \
    %D%/config/Settings.h \
    %D%/explain/AppForm.cpp \
    %D%/explain/AppForm.h \
    %D%/explain/AppUser.cpp \
    %D%/explain/AppUser.h \
    %D%/explain/Explanation.cpp \
    %D%/explain/Explanation.h \
    %D%/explain/Inventory.cpp \
    %D%/explain/Inventory.h \
    %D%/explain/MadeRequest.cpp \
    %D%/explain/MadeRequest.h \
    %D%/explain/SettingsForm.cpp \
    %D%/explain/SettingsForm.h \
    %D%/explain/Unserved.cpp \
    %D%/explain/Unserved.h \
    %D%/httpd/CodePin.cpp \
    %D%/httpd/CodePin.h \
    %D%/httpd/DescriptorLimit.cpp \
    %D%/httpd/DescriptorLimit.h \
    %D%/httpd/Guard.h \
    %D%/httpd/HandlerNames.h \
    %D%/httpd/Httpd.h \
    %D%/httpd/PoolText.h \
    %D%/httpd/Retained.h \
    %D%/mod_passenger.cpp \
    %D%/request/AppFinder.cpp \
    %D%/request/AppFinder.h \
    %D%/request/ClientSocket.cpp \
    %D%/request/ClientSocket.h \
    %D%/request/DirectoryWalk.cpp \
    %D%/request/DirectoryWalk.h \
    %D%/request/ExtensionFilters.cpp \
    %D%/request/ExtensionFilters.h \
    %D%/request/FairnessText.cpp \
    %D%/request/FairnessText.h \
    %D%/request/ForgedHeaders.cpp \
    %D%/request/ForgedHeaders.h \
    %D%/request/LocationView.h \
    %D%/request/RequestBody.cpp \
    %D%/request/RequestBody.h \
    %D%/request/RequestContext.cpp \
    %D%/request/RequestContext.h \
    %D%/request/RequestEnvironment.cpp \
    %D%/request/RequestEnvironment.h \
    %D%/request/RequestNotes.cpp \
    %D%/request/RequestNotes.h \
    %D%/request/Route.cpp \
    %D%/request/Route.h \
    %D%/request/SetHandler.cpp \
    %D%/request/SetHandler.h \
    %D%/request/SpoolMemory.cpp \
    %D%/request/SpoolMemory.h \
    %D%/request/UnknownApplication.cpp \
    %D%/request/UnknownApplication.h \
    %D%/request/VerifiedUser.cpp \
    %D%/request/VerifiedUser.h \
    %D%/response/AnswerBuffer.cpp \
    %D%/response/AnswerBuffer.h \
    %D%/response/BreakMark.cpp \
    %D%/response/BreakMark.h \
    %D%/response/ConnectionTakeover.cpp \
    %D%/response/ConnectionTakeover.h \
    %D%/response/ConnectionTransfer.cpp \
    %D%/response/ConnectionTransfer.h \
    %D%/response/HijackedConnection.cpp \
    %D%/response/HijackedConnection.h \
    %D%/response/InterimAnswers.cpp \
    %D%/response/InterimAnswers.h \
    %D%/response/Refusal.cpp \
    %D%/response/Refusal.h \
    %D%/response/RefusalLog.cpp \
    %D%/response/RefusalLog.h \
    %D%/response/ResponseOutput.cpp \
    %D%/response/ResponseOutput.h \
    %D%/response/ResponseSender.cpp \
    %D%/response/ResponseSender.h \
    %D%/response/ResponseTrailers.cpp \
    %D%/response/ResponseTrailers.h \
    %D%/response/ThreadLimit.cpp \
    %D%/response/ThreadLimit.h \
    %D%/response/Turbocache.cpp \
    %D%/response/Turbocache.h \
    %D%/status/HealthHandler.cpp \
    %D%/status/HealthHandler.h \
    %D%/status/HttpdFigures.cpp \
    %D%/status/HttpdFigures.h \
    %D%/status/StatusHandler.cpp \
    %D%/status/StatusHandler.h \
    %D%/status/TextAnswer.cpp \
    %D%/status/TextAnswer.h
%C%_mod_passenger_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
# The module exports one symbol. libtool's -export-symbols-regex would also export symbols of
# templates. -Bsymbolic: another module may have exported the same symbol to all, and Phusion
# Passenger's stays in memory after a reload has unloaded it.
%C%_mod_passenger_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -Wl,-Bsymbolic \
    -Wl,--version-script=$(srcdir)/%D%/mod_passenger.map
%C%_mod_passenger_la_LIBADD = libpassenger_httpmessages.la $(PASSENGER_MODULE_LIBS)

EXTRA_DIST += \
    %D%/README.md \
    %D%/agent/README.md \
    %D%/config/README.md \
    %D%/explain/README.md \
    %D%/httpd/README.md \
    %D%/request/README.md \
    %D%/response/README.md \
    %D%/status/README.md
EXTRA_%C%_mod_passenger_la_DEPENDENCIES = %D%/mod_passenger.map
EXTRA_DIST += %D%/mod_passenger.map

# For doc/CONFIGURATION.md and the tests; not installed.
EXTRA_PROGRAMS += ext/apache2/list_directives
ext_apache2_list_directives_SOURCES = \
    %D%/config/list_directives.cpp
ext_apache2_list_directives_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
ext_apache2_list_directives_LDADD = $(PASSENGER_MODULE_LIBS)
CLEANFILES += ext/apache2/list_directives$(EXEEXT)
