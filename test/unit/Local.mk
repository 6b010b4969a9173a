# Keep sorted, one file a line: the test of X is XTest.cpp.
check_PROGRAMS += %D%/unit_tests

%C%_unit_tests_SOURCES = \
    %D%/AgentConnectorTest.cpp \
    %D%/AgentControlTest.cpp \
    %D%/AgentFailureTest.cpp \
    %D%/AgentSettingsTest.cpp \
    %D%/AnswerParserTest.cpp \
    %D%/AnswerWatchTest.cpp \
    %D%/AppAddressTest.cpp \
    %D%/AppCommandTest.cpp \
    %D%/AppFileTest.cpp \
    %D%/ApplicationPoolContractTest.cpp \
    %D%/ApplicationPoolServerTest.cpp \
    %D%/ApplicationQueueTest.cpp \
    %D%/BackgroundThreadsTest.cpp \
    %D%/BackoffTest.cpp \
    %D%/BodySenderTest.cpp \
    %D%/BootGuardTest.cpp \
    %D%/BootSweepTest.cpp \
    %D%/BridgeInstanceTest.cpp \
    %D%/BufferedBodyTest.cpp \
    %D%/CachePolicyTest.cpp \
    %D%/CgiEnvironmentTest.cpp \
    %D%/ChannelRegistryTest.cpp \
    %D%/ChildProcessTest.cpp \
    %D%/ClockTest.cpp \
    %D%/ConfinementTest.cpp \
    %D%/DeadlinesTest.cpp \
    %D%/DemandTest.cpp \
    %D%/DescriptorCloserTest.cpp \
    %D%/DescriptorLogTest.cpp \
    %D%/DescriptorStoreClientTest.cpp \
    %D%/DescriptorWatcherTest.cpp \
    %D%/DiagnosisTest.cpp \
    %D%/DummyInstancesTest.cpp \
    %D%/DynamicUserTest.cpp \
    %D%/ErrorPageTest.cpp \
    %D%/EventLoopTest.cpp \
    %D%/ExchangeLimitsTest.cpp \
    %D%/ExchangeLookTest.cpp \
    %D%/ExchangeStateTest.cpp \
    %D%/ExchangeStatisticsTest.cpp \
    %D%/ExchangeStickyTest.cpp \
    %D%/ExchangeTest.cpp \
    %D%/ExchangeTimesTest.cpp \
    %D%/ExclusiveTurnTest.cpp \
    %D%/FileDescriptorTest.cpp \
    %D%/FileTailTest.cpp \
    %D%/FolderWatchesTest.cpp \
    %D%/ForkDelayTest.cpp \
    %D%/FrameReaderTest.cpp \
    %D%/FrameSocketTest.cpp \
    %D%/FrameTest.cpp \
    %D%/GenerationTableTest.cpp \
    %D%/GrantsTest.cpp \
    %D%/GroupMemoryTest.cpp \
    %D%/GroupNameTest.cpp \
    %D%/HangWatchTest.cpp \
    %D%/HeartbeatsTest.cpp \
    %D%/IdlePolicyTest.cpp \
    %D%/InFlightRecordTest.cpp \
    %D%/InFlightTableTest.cpp \
    %D%/InstanceClaimTest.cpp \
    %D%/InstanceStarterTest.cpp \
    %D%/InstancesTest.cpp \
    %D%/IntakeTest.cpp \
    %D%/JsonTest.cpp \
    %D%/LayoutsTest.cpp \
    %D%/LineReaderTest.cpp \
    %D%/ListenAddressTest.cpp \
    %D%/ListeningSocketsTest.cpp \
    %D%/ListeningTest.cpp \
    %D%/LockOrderTest.cpp \
    %D%/LogHistogramTest.cpp \
    %D%/LogLimitTest.cpp \
    %D%/LogMonitorTest.cpp \
    %D%/LogTest.cpp \
    %D%/LogWriterTest.cpp \
    %D%/MonitoredFilesTest.cpp \
    %D%/OptionsTest.cpp \
    %D%/OrphansTest.cpp \
    %D%/OutputLimitTest.cpp \
    %D%/OutputWriterTest.cpp \
    %D%/OvertakenCheckTest.cpp \
    %D%/OwnerSearchTest.cpp \
    %D%/PendingSpawnsTest.cpp \
    %D%/PidFdTest.cpp \
    %D%/PollTest.cpp \
    %D%/PoolApplicationQueueTest.cpp \
    %D%/PoolDeployTest.cpp \
    %D%/PoolDestructionTest.cpp \
    %D%/PoolFailureTest.cpp \
    %D%/PoolFairnessTest.cpp \
    %D%/PoolForgetTest.cpp \
    %D%/PoolHeartbeatDayTest.cpp \
    %D%/PoolHeartbeatTest.cpp \
    %D%/PoolInspectionTest.cpp \
    %D%/PoolLimitsTest.cpp \
    %D%/PoolModelTest.cpp \
    %D%/PoolOperationsTest.cpp \
    %D%/PoolPreloaderTest.cpp \
    %D%/PoolPromisesTest.cpp \
    %D%/PoolQueueTest.cpp \
    %D%/PoolReplacementByQueueTest.cpp \
    %D%/PoolReplacementTest.cpp \
    %D%/PoolRoomTest.cpp \
    %D%/PoolScalingTest.cpp \
    %D%/PoolServerTest.cpp \
    %D%/PoolSparesTest.cpp \
    %D%/PoolStandbyTest.cpp \
    %D%/PoolStickyTest.cpp \
    %D%/PoolTest.cpp \
    %D%/PoolUpkeepTest.cpp \
    %D%/PreForkEndingTest.cpp \
    %D%/PreForkHooksTest.cpp \
    %D%/PreForkModelTest.cpp \
    %D%/PreForkProcessTest.cpp \
    %D%/PreForkRealWorkersTest.cpp \
    %D%/PreForkRestartTest.cpp \
    %D%/PreForkTest.cpp \
    %D%/PreloaderCareTest.cpp \
    %D%/ProcessMemoryTest.cpp \
    %D%/ProcessOutputTest.cpp \
    %D%/ProgramLauncherTest.cpp \
    %D%/ProgressListener.cpp \
    %D%/ProgressListener.h \
    %D%/QueueCacheTest.cpp \
    %D%/QueueSessionTest.cpp \
    %D%/RackPreForkTest.cpp \
    %D%/RefusalPauseTest.cpp \
    %D%/ReplyChannelTest.cpp \
    %D%/ReplyWaitTest.cpp \
    %D%/ReplyWriterTest.cpp \
    %D%/ReportTest.cpp \
    %D%/RequestHeadTest.cpp \
    %D%/RequestQueueTest.cpp \
    %D%/RequestUriTest.cpp \
    %D%/ResponseCacheTest.cpp \
    %D%/ResponseHeadTest.cpp \
    %D%/RestartDelayTest.cpp \
    %D%/RestartFilesTest.cpp \
    %D%/RestartWatchTest.cpp \
    %D%/RightsProcessTest.cpp \
    %D%/RightsServerTest.cpp \
    %D%/RoomPolicyTest.cpp \
    %D%/RoomTest.cpp \
    %D%/RunAsTest.cpp \
    %D%/ScalerTest.cpp \
    %D%/ScalingPolicyTest.cpp \
    %D%/SecretsTest.cpp \
    %D%/SharedMemoryRaceTest.cpp \
    %D%/SharedMemoryTest.cpp \
    %D%/SmartSpawnerTest.cpp \
    %D%/SocketFoldersTest.cpp \
    %D%/SocketPairTest.cpp \
    %D%/SparePolicyTest.cpp \
    %D%/SparesTest.cpp \
    %D%/SpawnFailureTest.cpp \
    %D%/SpawnManagerTest.cpp \
    %D%/SpawnPlanTest.cpp \
    %D%/SpawnReportTest.cpp \
    %D%/SpawnStepsTest.cpp \
    %D%/SpawnedProcessTest.cpp \
    %D%/SpawnerContractTest.cpp \
    %D%/SplitTest.cpp \
    %D%/SpoolLedgerTest.cpp \
    %D%/SpoolQuotaTest.cpp \
    %D%/SpoolRingTest.cpp \
    %D%/StartFailuresTest.cpp \
    %D%/StartupFileCacheTest.cpp \
    %D%/StickyCookieTest.cpp \
    %D%/StickySessionsTest.cpp \
    %D%/StoredDescriptorsTest.cpp \
    %D%/StreamSessionTest.cpp \
    %D%/SurplusWindowTest.cpp \
    %D%/SystemCpuLoadTest.cpp \
    %D%/ThreadTest.cpp \
    %D%/TimerTest.cpp \
    %D%/UserResolverTest.cpp \
    %D%/VersionsTest.cpp \
    %D%/WatchdogTest.cpp \
    %D%/WithdrawalTest.cpp \
    %D%/WorkerLoadsTest.cpp \
    %D%/WorkerOutputTest.cpp \
    %D%/main.cpp \
    %D%/support/Aborts.h \
    %D%/support/AgentProgram.cpp \
    %D%/support/AgentProgram.h \
    %D%/support/CapturedLog.cpp \
    %D%/support/CapturedLog.h \
    %D%/support/CrowdedDescriptors.cpp \
    %D%/support/CrowdedDescriptors.h \
    %D%/support/Eventually.h \
    %D%/support/Expect.h \
    %D%/support/FakeAgent.cpp \
    %D%/support/FakeAgent.h \
    %D%/support/FakeHost.cpp \
    %D%/support/FakeHost.h \
    %D%/support/FakeInstances.cpp \
    %D%/support/FakeInstances.h \
    %D%/support/FakeWorkerProcesses.h \
    %D%/support/FreeSpool.h \
    %D%/support/GroupParts.cpp \
    %D%/support/GroupParts.h \
    %D%/support/LeakCheck.cpp \
    %D%/support/LeakCheck.h \
    %D%/support/ManualClock.h \
    %D%/support/PoolContract.cpp \
    %D%/support/PoolContract.h \
    %D%/support/PoolFixture.cpp \
    %D%/support/PoolFixture.h \
    %D%/support/PoolModel.cpp \
    %D%/support/PoolModel.h \
    %D%/support/PoolRequests.cpp \
    %D%/support/PoolRequests.h \
    %D%/support/PoolScript.cpp \
    %D%/support/PoolScript.h \
    %D%/support/PoolWorld.cpp \
    %D%/support/PoolWorld.h \
    %D%/support/PreForkFixture.h \
    %D%/support/PreForkProcesses.h \
    %D%/support/Sanitizer.h \
    %D%/support/ScaledApplication.cpp \
    %D%/support/ScaledApplication.h \
    %D%/support/SmallLog.cpp \
    %D%/support/SmallLog.h \
    %D%/support/SourceFolder.h \
    %D%/support/SpawningFixture.cpp \
    %D%/support/SpawningFixture.h \
    %D%/support/SteeredSpawners.cpp \
    %D%/support/SteeredSpawners.h \
    %D%/support/StreamClient.cpp \
    %D%/support/StreamClient.h \
    %D%/support/TestThread.h

%C%_unit_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/test/unit $(CPPUNIT_CFLAGS)
%C%_unit_tests_CXXFLAGS = $(TEST_CXXFLAGS)
# The tests' own code is not optimised: that halves the time to compile it.
$(%C%_unit_tests_OBJECTS) $(PRECOMPILED_FOR_TESTS): CXXFLAGS += -O0 -U_FORTIFY_SOURCE
$(%C%_unit_tests_OBJECTS): | $(PRECOMPILED_FOR_TESTS)
EXTRA_DIST += %D%/precompiled.h
%C%_unit_tests_LDADD = libpassenger_httpmessages.la libpassenger_standalone.la $(PASSENGER_LIBS) $(CPPUNIT_LIBS)

# The agent with an engine for tests. The unit tests start it.
check_PROGRAMS += test/unit/fake_agent
%C%_fake_agent_SOURCES = %D%/FakeAgent.cpp
%C%_fake_agent_LDADD = $(PASSENGER_LIBS)
EXTRA_%C%_unit_tests_DEPENDENCIES = test/unit/fake_agent$(EXEEXT)

EXTRA_DIST += %D%/support/thread_sanitizer.supp

# Random operations on a Pool, any number of them; PASSENGER_TEST_SEED=… repeats a run.
MODEL_OPERATIONS = 1000000
.PHONY: model-test
model-test: unit-programs
	PASSENGER_TEST_OPERATIONS='$(MODEL_OPERATIONS)' TEST=PoolModelTest $(RUN_TESTS) unit
