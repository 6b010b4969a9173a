# Not settings/, where a build has its objects.
EXTRA_DIST += $(filter-out %D%/settings,$(call files,%D%/*))

# Kills processes of each kind under load, for a minute.
PASSENGER_TORTURE_SECONDS = 60
.PHONY: torture
torture: all
	PASSENGER_TORTURE_SECONDS='$(PASSENGER_TORTURE_SECONDS)' TEST=torture $(RUN_TESTS) integration

# What a hostile application or child of httpd can do to others.
.PHONY: attack
attack: all
	TEST=attack PASSENGER_TEST_REQUESTS=$${PASSENGER_TEST_REQUESTS:-100000} $(RUN_TESTS) integration

# A module that tells the tests which values mod_passenger's directives have at a request's place.
EXTRA_LTLIBRARIES = %D%/mod_settings.la
%C%_mod_settings_la_SOURCES = %D%/settings/mod_settings.cpp
%C%_mod_settings_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
%C%_mod_settings_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
CLEANFILES += %D%/mod_settings.la
