# The httpd module. Only here: httpd and APR.

if HAVE_MODULE
apachemodule_LTLIBRARIES += %D%/mod_passenger.la
endif

%C%_mod_passenger_la_SOURCES = \
    %D%/mod_passenger.cpp
%C%_mod_passenger_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
%C%_mod_passenger_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
    -export-symbols-regex '^passenger_module$$'
%C%_mod_passenger_la_LIBADD = libpassenger_client.la libpassenger_base.la $(FMT_LIBS)
