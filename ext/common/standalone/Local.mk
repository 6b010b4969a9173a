# Keep sorted, one file a line. The library has all files but the one with main().
noinst_LTLIBRARIES += libpassenger_standalone.la
libpassenger_standalone_la_SOURCES = \
    %D%/ListenAddress.cpp \
    %D%/ListeningSockets.cpp \
    %D%/RackPreFork.cpp \
    %D%/Standalone.cpp \
    %D%/StandaloneOptions.cpp \
    %D%/Successor.cpp \
    %D%/WorkerLoads.cpp

bin_PROGRAMS += passenger-prefork
passenger_prefork_SOURCES = %D%/main.cpp
passenger_prefork_CXXFLAGS = $(AM_CXXFLAGS) $(PIE_CXXFLAGS)
passenger_prefork_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
passenger_prefork_LDADD = $(PASSENGER_PREFORK_LIBS)
