#include "pool/Process.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "io/SocketPair.h"
#include "pool/InstanceStore.h"
#include "shm/Claims.h"
#include "shm/ClaimsView.h"
#include "support/FakeInstances.h"
#include "support/GroupParts.h"

namespace Passenger {

class ProcessTest : public GroupParts {
    CPPUNIT_TEST_SUITE(ProcessTest);
    CPPUNIT_TEST(testItsNoteSaysWithWhatItWasStarted);
    CPPUNIT_TEST(testAnAdoptedInstanceIsAsItsNoteSays);
    CPPUNIT_TEST(testItsEnvironmentTellsItsSecrets);
    CPPUNIT_TEST(testANewInstanceThatDoesNotServeIsKilledAndItsRequestsMayRunAgain);
    CPPUNIT_TEST(testAnAdoptedInstanceThatDoesNotServeIsKilledWithItsRequests);
    CPPUNIT_TEST(testAnAdoptedInstanceThatWasToldNothingIsLeftAlone);
    CPPUNIT_TEST(testItHasAQueueOfItsOwnForStickySessions);
    CPPUNIT_TEST(testItsGrowthIsMeasuredFromItsStart);
    CPPUNIT_TEST(testItsCpuTimeIsLookedAtOnceASecond);
    CPPUNIT_TEST_SUITE_END();

    using seconds = std::chrono::seconds;

    /** Counts the looks. The process works all the time. */
    class BusyCpu final : public CpuLoad {
    public:
        unsigned cores() const override { return 1; }
        double idleCores() override { return 0; }
        std::optional<std::chrono::nanoseconds> usedBy(pid_t) override { return seconds(++looks); }
        unsigned looks = 0;
    };

    static constexpr CellRange CELLS{4, 2};

    std::unique_ptr<FakeInstances> fakes_;
    std::unique_ptr<Claims> earlier_;
    CancelSwitch cancel_;

    std::unique_ptr<Process> makeNew(SpawnResult result = {}, const Process::Start &start = {}) {
        return std::make_unique<Process>(std::move(result), InstanceId(1), 1, now(), start);
    }
    /** It works at a request of an earlier pool process. */
    std::unique_ptr<Process> makeAdopted(SpawnResult result) {
        const ClaimCell claim{channel_.value(), 5};
        const auto at = static_cast<off_t>(ClaimsLayout::offset(CELLS.first));
        CPPUNIT_ASSERT(::pwrite(earlier_->memory().descriptor().get(), &claim, sizeof(claim), at) > 0);
        auto former = std::make_shared<FormerClaims>();
        former->add({earlier_->memory().descriptor().duplicate(), CELLS});
        Orphan orphan;
        orphan.claims = std::move(former);
        return std::make_unique<Process>(std::move(result), orphan, InstanceId(1), 1, now());
    }
    void begin(Process &process) {
        process.beginToServe(queue_->handOver(queue_->current(), 1, 1), app_, options_, cancel_);
    }
    bool hasEnded() { return waitPidFd(openPidFd(fakes_->pid(0)), seconds(0)); }
    bool requestWasKilled() const { return ClaimsView(earlier_->memory().descriptor()).killed(channel_, Ticket(5)); }

public:
    void setUp() override {
        GroupParts::setUp();
        fakes_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        fakes_->saysReady = false;
        earlier_ = std::make_unique<Claims>();
        makeQueue();
    }
    void tearDown() override {
        earlier_.reset();
        fakes_.reset();
        GroupParts::tearDown();
    }

    void testItsNoteSaysWithWhatItWasStarted() {
        SpawnResult result;
        result.isAsgi = true;
        const auto process = makeNew(std::move(result), {3, seconds(20), seconds(30), "12.34", false, seconds(2)});
        InstanceNote note = process->note("blog");
        CPPUNIT_ASSERT_EQUAL(3U, note.threads);
        CPPUNIT_ASSERT_EQUAL(process->stickyId(), note.stickyId);
        CPPUNIT_ASSERT(seconds(20) == note.heartbeatTimeout && seconds(30) == note.stopTimeout);
        CPPUNIT_ASSERT(note.isAsgi && !note.hasDescendants && note.serves);
        CPPUNIT_ASSERT_EQUAL(std::string("12.34"), note.restartFile);
        CPPUNIT_ASSERT_EQUAL(std::string("blog"), note.app);
        process->give({2, Generation(7), CELLS});
        CPPUNIT_ASSERT(!note.deployFailed);
        process->noteFailedDeployment("13.5");
        process->lifecycle().standBy();
        note = process->note("blog");
        CPPUNIT_ASSERT_EQUAL(2U, note.threads);
        CPPUNIT_ASSERT_EQUAL(std::string("13.5"), note.restartFile);
        CPPUNIT_ASSERT(note.deployFailed);
        CPPUNIT_ASSERT(!note.serves);
    }

    void testAnAdoptedInstanceIsAsItsNoteSays() {
        Orphan orphan;
        orphan.note = {.pid = 0,
                       .threads = 3,
                       .stickyId = 9,
                       .heartbeatTimeout = seconds(20),
                       .stopTimeout = seconds(30),
                       .serves = true,
                       .restartFile = "12.34",
                       .app = "blog"};
        orphan.claims = std::make_shared<FormerClaims>();
        const Process process({}, orphan, InstanceId(1), 1, now());
        CPPUNIT_ASSERT_EQUAL(orphan.note.toText(), process.note("blog").toText());
        CPPUNIT_ASSERT(process.former() == orphan.claims);
        CPPUNIT_ASSERT(process.spawnTime() == seconds(0));
    }

    void testItsEnvironmentTellsItsSecrets() {
        SpawnResult result;
        result.report = std::make_shared<SpawnReport>();
        result.report->process.environment = {{"API_KEY", "abcdef123"}};
        CPPUNIT_ASSERT_EQUAL(std::string("key [hidden]"), makeNew(std::move(result))->secrets().hide("key abcdef123"));
    }

    void testANewInstanceThatDoesNotServeIsKilledAndItsRequestsMayRunAgain() {
        const auto process = makeNew(factory_->makeResult(options_));
        fakes_->send(0, Frame(FrameType::LOADED));
        CPPUNIT_ASSERT_THROW(begin(*process), SpawnException);
        CPPUNIT_ASSERT(hasEnded());
        CPPUNIT_ASSERT(!process->killed());
    }

    void testAnAdoptedInstanceThatDoesNotServeIsKilledWithItsRequests() {
        const auto process = makeAdopted(factory_->makeResult(options_));
        fakes_->send(0, Frame(FrameType::LOADED));
        CPPUNIT_ASSERT_THROW(begin(*process), SpawnException);
        CPPUNIT_ASSERT(hasEnded());
        CPPUNIT_ASSERT(process->killed());
        CPPUNIT_ASSERT(requestWasKilled());
    }

    void testAnAdoptedInstanceThatWasToldNothingIsLeftAlone() {
        SpawnResult result = factory_->makeResult(options_);
        result.control = FrameSocket(makeStreamPair().first);
        const auto process = makeAdopted(std::move(result));
        CPPUNIT_ASSERT_THROW(begin(*process), SystemException);
        CPPUNIT_ASSERT(!hasEnded());
        CPPUNIT_ASSERT(!process->killed());
        CPPUNIT_ASSERT(!requestWasKilled());
    }

    void testItHasAQueueOfItsOwnForStickySessions() {
        options_.stickySessions = true;
        const auto process = makeNew(factory_->makeResult(options_));
        fakes_->send(0, Frame(FrameType::READY));
        begin(*process);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, fakes_->frame(0).descriptors.size());
        CPPUNIT_ASSERT(process->ownQueue());
        CPPUNIT_ASSERT(process->closeOwnQueue());
        CPPUNIT_ASSERT_MESSAGE("It is closed", !process->closeOwnQueue());
        options_.stickySessions = false;
        options_.priorityQueue = true;
        makeQueue();
        options_.stickySessions = true;
        const auto second = makeNew(factory_->makeResult(options_));
        fakes_->send(1, Frame(FrameType::READY));
        begin(*second);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The queue is from before the change of options", std::size_t{4},
                                     fakes_->frame(1).descriptors.size());
        CPPUNIT_ASSERT(!second->ownQueue() && !second->closeOwnQueue());
    }

    void testItsGrowthIsMeasuredFromItsStart() {
        const auto process = makeNew();
        for (const std::uint64_t size : {10, 20, 30, 40}) {
            ProcessMemory memory;
            memory.proportional = size + 1;
            memory.anonymous = size;
            clock_.advance(std::chrono::hours(1));
            process->noteMemory(memory, now());
            CPPUNIT_ASSERT_EQUAL(size + 1, process->memory());
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{30}, process->growth().grown());
        CPPUNIT_ASSERT(process->growth().goesOn());
    }

    void testItsCpuTimeIsLookedAtOnceASecond() {
        BusyCpu cpu;
        const auto process = makeNew();
        CPPUNIT_ASSERT(!process->onlyWaits(now(), cpu));
        CPPUNIT_ASSERT(!process->onlyWaits(now(), cpu));
        CPPUNIT_ASSERT_EQUAL(1U, cpu.looks);
        CPPUNIT_ASSERT(!process->cpuUse().judged());
        clock_.advance(seconds(1));
        CPPUNIT_ASSERT(!process->onlyWaits(now(), cpu));
        CPPUNIT_ASSERT_EQUAL(2U, cpu.looks);
        CPPUNIT_ASSERT(process->cpuUse().judged());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessTest);

}  // namespace Passenger
