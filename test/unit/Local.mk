# Keep sorted, one file a line: the test of X is XTest.cpp.
check_PROGRAMS += %D%/unit_tests

%C%_unit_tests_SOURCES = \
    %D%/ChildProcessTest.cpp \
    %D%/ClockTest.cpp \
    %D%/DescriptorWatcherTest.cpp \
    %D%/EventLoopTest.cpp \
    %D%/FileDescriptorTest.cpp \
    %D%/FrameReaderTest.cpp \
    %D%/FrameSocketTest.cpp \
    %D%/FrameTest.cpp \
    %D%/LineReaderTest.cpp \
    %D%/LogTest.cpp \
    %D%/main.cpp \
    %D%/PidFdTest.cpp \
    %D%/PollTest.cpp \
    %D%/ProcessOutputTest.cpp \
    %D%/ProgressListener.cpp \
    %D%/ProgressListener.h \
    %D%/SharedMemoryTest.cpp \
    %D%/SmartSpawnerTest.cpp \
    %D%/SocketPairTest.cpp \
    %D%/SpawnedProcessTest.cpp \
    %D%/SpawnerContractTest.cpp \
    %D%/SpawnFailureTest.cpp \
    %D%/SpawnJourneyTest.cpp \
    %D%/SpawnManagerTest.cpp \
    %D%/support/CapturedLog.cpp \
    %D%/support/CapturedLog.h \
    %D%/support/Eventually.h \
    %D%/support/Expect.h \
    %D%/support/LeakCheck.cpp \
    %D%/support/LeakCheck.h \
    %D%/support/ManualClock.h \
    %D%/support/SpawningFixture.cpp \
    %D%/support/SpawningFixture.h \
    %D%/support/ThreadSanitizer.cpp \
    %D%/TimerTest.cpp \
    %D%/UserResolverTest.cpp

%C%_unit_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit $(CPPUNIT_CFLAGS)
%C%_unit_tests_LDADD = $(PASSENGER_LIBS) $(CPPUNIT_LIBS)
