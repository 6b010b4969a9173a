# The httpd module, the only user of httpd and APR.

apachemodule_LTLIBRARIES += %D%/mod_passenger.la

# The module's files that do not use httpd; the unit tests use them. One file a line, sorted.
noinst_LTLIBRARIES += libpassenger_httpmessages.la
libpassenger_httpmessages_la_SOURCES = \
    %D%/config/FairnessSource.cpp \
    %D%/request/BufferedBody.cpp \
    %D%/request/CgiEnvironment.cpp \
    %D%/request/RefusalPause.cpp \
    %D%/request/RequestId.cpp \
    %D%/request/RequestUri.cpp \
    %D%/request/RestartLooks.cpp \
    %D%/request/SpoolCharge.cpp \
    %D%/request/SpoolFile.cpp \
    %D%/request/SpoolQuota.cpp \
    %D%/request/StartupFileCache.cpp \
    %D%/request/StickyCookie.cpp \
    %D%/request/UsageLedger.cpp \
    %D%/response/CachePolicy.cpp \
    %D%/response/ClientPace.cpp \
    %D%/response/ClientsInFlight.cpp \
    %D%/response/ErrorPage.cpp \
    %D%/response/LineLimits.cpp \
    %D%/response/ResponseCache.cpp \
    %D%/response/ResponseHead.cpp \
    %D%/response/SpoolRing.cpp \
    %D%/response/ThreadUse.cpp

%C%_mod_passenger_la_SOURCES = \
    %D%/Child.cpp \
    %D%/RequestHandler.cpp \
    %D%/agent/AgentIdentity.cpp \
    %D%/agent/AgentKeeper.cpp \
    %D%/agent/BufferFolder.cpp \
    %D%/agent/ChannelTrimmer.cpp \
    %D%/agent/ConfigurationCheck.cpp \
    %D%/agent/PipedLog.cpp \
    %D%/agent/ServerGrants.cpp \
    %D%/config/ConfigManifest.cpp \
    %D%/config/Directives.cpp \
    %D%/config/NotedGrants.cpp \
    %D%/config/NumberValue.cpp \
    %D%/config/Origins.cpp \
    %D%/config/SettingValue.cpp \
    %D%/config/Settings.cpp \
    %D%/explain/AppForm.cpp \
    %D%/explain/AppUser.cpp \
    %D%/explain/Explanation.cpp \
    %D%/explain/Inventory.cpp \
    %D%/explain/MadeRequest.cpp \
    %D%/explain/SettingsForm.cpp \
    %D%/explain/TlsServers.cpp \
    %D%/explain/Unserved.cpp \
    %D%/httpd/CodePin.cpp \
    %D%/httpd/DescriptorLimit.cpp \
    %D%/httpd/ThreadCounts.cpp \
    %D%/mod_passenger.cpp \
    %D%/request/AppFinder.cpp \
    %D%/request/ClientSocket.cpp \
    %D%/request/DirectoryWalk.cpp \
    %D%/request/FairnessText.cpp \
    %D%/request/ForgedHeaders.cpp \
    %D%/request/MimeChoices.cpp \
    %D%/request/RequestContext.cpp \
    %D%/request/RequestEnvironment.cpp \
    %D%/request/RequestNotes.cpp \
    %D%/request/Route.cpp \
    %D%/request/SetHandler.cpp \
    %D%/request/SpoolMemory.cpp \
    %D%/request/UnknownApplication.cpp \
    %D%/request/UploadBody.cpp \
    %D%/request/VerifiedUser.cpp \
    %D%/response/AnswerBuffer.cpp \
    %D%/response/BreakMark.cpp \
    %D%/response/ConnectionTakeover.cpp \
    %D%/response/ConnectionTransfer.cpp \
    %D%/response/HijackedConnection.cpp \
    %D%/response/InterimAnswers.cpp \
    %D%/response/Refusal.cpp \
    %D%/response/ResponseOutput.cpp \
    %D%/response/ResponseSender.cpp \
    %D%/response/ResponseTrailers.cpp \
    %D%/response/ThreadLimit.cpp \
    %D%/response/Turbocache.cpp \
    %D%/status/HealthHandler.cpp \
    %D%/status/HttpdFigures.cpp \
    %D%/status/StatusHandler.cpp \
    %D%/status/TextAnswer.cpp
%C%_mod_passenger_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
# The module exports one symbol. libtool's -export-symbols-regex would also export symbols of
# templates. -Bsymbolic: another module may have exported the same symbol to all, and Phusion
# Passenger's stays in memory after a reload has unloaded it.
%C%_mod_passenger_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -Wl,-Bsymbolic \
    -Wl,--version-script=$(srcdir)/%D%/mod_passenger.map
%C%_mod_passenger_la_LIBADD = libpassenger_httpmessages.la $(PASSENGER_MODULE_LIBS)

EXTRA_%C%_mod_passenger_la_DEPENDENCIES = %D%/mod_passenger.map
EXTRA_DIST += %D%/mod_passenger.map
