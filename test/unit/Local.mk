# Keep sorted, one file a line: the test of X is XTest.cpp.
check_PROGRAMS += %D%/unit_tests

%C%_unit_tests_SOURCES = \
    %D%/ProgressListener.cpp \
    %D%/ProgressListener.h \
    %D%/main.cpp

%C%_unit_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit $(CPPUNIT_CFLAGS)
%C%_unit_tests_LDADD = $(PASSENGER_LIBS) $(CPPUNIT_LIBS)
