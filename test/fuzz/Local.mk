# Programs that feed random bytes to code that reads other processes' messages. They need a build of
# their own: configure --enable-fuzzers CXX=clang++
FUZZERS = test/fuzz/AnswerFuzzer test/fuzz/DirectiveFuzzer test/fuzz/FrameFuzzer test/fuzz/GrantsFuzzer \
    test/fuzz/OrdersFuzzer test/fuzz/ReplyFuzzer test/fuzz/ResponseHeadFuzzer test/fuzz/RightsFuzzer \
    test/fuzz/SharedMemoryFuzzer
EXTRA_PROGRAMS += $(FUZZERS)

# Builds with sanitizers have libraries of a few large objects, which need all libraries below them.
%C%_AnswerFuzzer_SOURCES = %D%/AnswerFuzzer.cpp
%C%_AnswerFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_AnswerFuzzer_LDADD = $(PASSENGER_LIBS)

%C%_DirectiveFuzzer_SOURCES = %D%/DirectiveFuzzer.cpp \
    ext/apache2/config/Directives.cpp \
    ext/apache2/config/NotedGrants.cpp \
    ext/apache2/config/NumberValue.cpp \
    ext/apache2/config/Origins.cpp \
    ext/apache2/config/Settings.cpp
%C%_DirectiveFuzzer_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
%C%_DirectiveFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_DirectiveFuzzer_LDADD = libpassenger_httpmessages.la $(PASSENGER_LIBS) $(APR_LIBS)

%C%_FrameFuzzer_SOURCES = %D%/FrameFuzzer.cpp
%C%_FrameFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_FrameFuzzer_LDADD = $(PASSENGER_LIBS)

%C%_GrantsFuzzer_SOURCES = %D%/GrantsFuzzer.cpp
%C%_GrantsFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_GrantsFuzzer_LDADD = $(PASSENGER_LIBS)

%C%_OrdersFuzzer_SOURCES = %D%/OrdersFuzzer.cpp \
    test/unit/support/CapturedLog.cpp \
    test/unit/support/DummyInstance.cpp \
    test/unit/support/DummyInstances.cpp \
    test/unit/support/DummySpawner.cpp \
    test/unit/support/DummySpawnerFactory.cpp \
    test/unit/support/LeakCheck.cpp \
    test/unit/support/PoolFixture.cpp \
    test/unit/support/PoolRequests.cpp
%C%_OrdersFuzzer_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit $(CPPUNIT_CFLAGS)
%C%_OrdersFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_OrdersFuzzer_LDADD = $(PASSENGER_LIBS) $(CPPUNIT_LIBS)

%C%_ReplyFuzzer_SOURCES = %D%/ReplyFuzzer.cpp \
    test/unit/support/FakeHost.cpp
%C%_ReplyFuzzer_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit $(CPPUNIT_CFLAGS)
%C%_ReplyFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_ReplyFuzzer_LDADD = $(PASSENGER_LIBS) $(CPPUNIT_LIBS)

%C%_ResponseHeadFuzzer_SOURCES = %D%/ResponseHeadFuzzer.cpp
%C%_ResponseHeadFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_ResponseHeadFuzzer_LDADD = libpassenger_httpmessages.la $(PASSENGER_LIBS)

%C%_RightsFuzzer_SOURCES = %D%/RightsFuzzer.cpp
%C%_RightsFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_RightsFuzzer_LDADD = $(PASSENGER_LIBS)

%C%_SharedMemoryFuzzer_SOURCES = %D%/SharedMemoryFuzzer.cpp
%C%_SharedMemoryFuzzer_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit
%C%_SharedMemoryFuzzer_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
%C%_SharedMemoryFuzzer_LDADD = $(PASSENGER_LIBS)

EXTRA_DIST += \
    %D%/AnswerFuzzer.dict \
    %D%/GrantsFuzzer.dict \
    %D%/OrdersFuzzer.dict \
    %D%/README.md \
    %D%/ResponseHeadFuzzer.dict \
    %D%/RightsFuzzer.dict \
    %D%/corpus \
    %D%/write_long_examples

# Seconds for each program. A run begins with the examples in corpus/ and the inputs that the run
# before has found; these stay in the build folder.
FUZZ_SECONDS = 60
.PHONY: fuzz fuzzers
if FUZZERS
fuzzers: $(FUZZERS)
fuzz: fuzzers
	@SOURCE_DIR=$(abs_top_srcdir) FUZZ_SECONDS=$(FUZZ_SECONDS) $(srcdir)/script/run-fuzzers $(FUZZERS)
else
fuzz fuzzers:
	@echo 'Fuzzing needs a build of its own, by clang with its runtime library (Debian: clang libclang-rt-dev):' >&2
	@echo '    mkdir build-fuzz && cd build-fuzz && ../configure --enable-fuzzers CXX=clang++ && make fuzz' >&2
	@exit 1
endif

clean-local: clean-fuzz
.PHONY: clean-fuzz
clean-fuzz:
	rm -rf test/fuzz/*.corpus
CLEANFILES += $(FUZZERS)
