# The httpd module. Only here: httpd and APR.

apachemodule_LTLIBRARIES += %D%/mod_passenger.la

# What of the module knows nothing of httpd, so that the unit tests can use it. One file a line, sorted.
noinst_LTLIBRARIES += libpassenger_httpmessages.la
libpassenger_httpmessages_la_SOURCES = \
    %D%/BufferedBody.cpp \
    %D%/BufferedBody.h \
    %D%/CachePolicy.cpp \
    %D%/CachePolicy.h \
    %D%/CgiEnvironment.cpp \
    %D%/CgiEnvironment.h \
    %D%/ErrorPage.cpp \
    %D%/ErrorPage.h \
    %D%/ErrorPageStyle.h \
    %D%/RefusalPause.cpp \
    %D%/RefusalPause.h \
    %D%/RequestUri.cpp \
    %D%/RequestUri.h \
    %D%/ResponseCache.cpp \
    %D%/ResponseCache.h \
    %D%/ResponseHead.cpp \
    %D%/ResponseHead.h \
    %D%/SpoolFile.cpp \
    %D%/SpoolFile.h \
    %D%/SpoolRing.cpp \
    %D%/SpoolRing.h \
    %D%/StartupFileCache.cpp \
    %D%/StartupFileCache.h \
    %D%/StickyCookie.cpp \
    %D%/StickyCookie.h

%C%_mod_passenger_la_SOURCES = \
    %D%/AgentIdentity.cpp \
    %D%/AgentIdentity.h \
    %D%/AgentKeeper.cpp \
    %D%/AgentKeeper.h \
    %D%/AppFinder.cpp \
    %D%/AppFinder.h \
    %D%/ApplicationDirectives.h \
    %D%/ChannelTrimmer.cpp \
    %D%/ChannelTrimmer.h \
    %D%/Child.cpp \
    %D%/Child.h \
    %D%/ClientSocket.cpp \
    %D%/ClientSocket.h \
    %D%/ConfigManifest.cpp \
    %D%/ConfigManifest.h \
    %D%/DescriptorLimit.cpp \
    %D%/DescriptorLimit.h \
    %D%/Directive.h \
    %D%/DirectiveTable.h \
    %D%/Directives.cpp \
    %D%/Directives.h \
    %D%/DirectoryWalk.cpp \
    %D%/DirectoryWalk.h \
    %D%/ForgedHeaders.cpp \
    %D%/ForgedHeaders.h \
    %D%/Guard.h \
    %D%/HijackedConnection.cpp \
    %D%/HijackedConnection.h \
    %D%/Httpd.h \
    %D%/InterimAnswers.cpp \
    %D%/InterimAnswers.h \
    %D%/Lane.cpp \
    %D%/Lane.h \
    %D%/LocationView.h \
    %D%/ObsoleteDirectives.h \
    %D%/PoolText.h \
    %D%/Refusal.cpp \
    %D%/Refusal.h \
    %D%/RequestBody.cpp \
    %D%/RequestBody.h \
    %D%/RequestDirectives.h \
    %D%/RequestEnvironment.cpp \
    %D%/RequestEnvironment.h \
    %D%/RequestHandler.cpp \
    %D%/RequestHandler.h \
    %D%/ResponseOutput.cpp \
    %D%/ResponseOutput.h \
    %D%/ResponseSender.cpp \
    %D%/ResponseSender.h \
    %D%/Route.cpp \
    %D%/Route.h \
    %D%/ServerDirectives.h \
    %D%/Settings.cpp \
    %D%/Settings.h \
    %D%/Turbocache.cpp \
    %D%/Turbocache.h \
    %D%/mod_passenger.cpp
%C%_mod_passenger_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
# httpd sees one symbol. libtool's -export-symbols-regex would leave those of templates visible, too.
%C%_mod_passenger_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
    -Wl,--version-script=$(srcdir)/%D%/mod_passenger.map
%C%_mod_passenger_la_LIBADD = libpassenger_httpmessages.la $(PASSENGER_MODULE_LIBS)

EXTRA_DIST += %D%/README.md
EXTRA_%C%_mod_passenger_la_DEPENDENCIES = %D%/mod_passenger.map
EXTRA_DIST += %D%/mod_passenger.map

# For the document and the tests, not to be installed.
EXTRA_PROGRAMS += ext/apache2/list_directives
ext_apache2_list_directives_SOURCES = \
    %D%/list_directives.cpp
ext_apache2_list_directives_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
ext_apache2_list_directives_LDADD = libpassenger_client.la libpassenger_base.la $(FMT_LIBS)
CLEANFILES += ext/apache2/list_directives$(EXEEXT)
