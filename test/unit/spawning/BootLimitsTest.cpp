#include "spawning/BootLimits.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>

#include "base/BootPriority.h"
#include "base/CpuTime.h"
#include "base/Exceptions.h"
#include "log/Log.h"
#include "rights/OwnRights.h"
#include "spawning/AppGroups.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"

namespace Passenger {

class BootLimitsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BootLimitsTest);
    CPPUNIT_TEST(testOnlyThePriorityOfALongStartEndsBefore);
    CPPUNIT_TEST(testAProcessThatGetsNoTimeHasNormalPriority);
    CPPUNIT_TEST(testAProcessOfWhichNothingIsKnownHasNormalPriority);
    CPPUNIT_TEST(testAProcessBesideWhichNoOtherServesAnyMoreHasNormalPriority);
    CPPUNIT_TEST(testAProcessThatWaitsForSomethingElseStaysLow);
    CPPUNIT_TEST(testAProcessHasNormalPriorityThoughTheAnswerWasLost);
    CPPUNIT_TEST(testThePolicyOfAFirstInstanceIsItsOwn);
    CPPUNIT_TEST(testAProcessWithLowPriorityDoesNotServe);
    CPPUNIT_TEST_SUITE_END();

    static inline volatile unsigned computed = 0;

    class FakeRights final : public OwnRights {
    public:
        GroupJoined joinGroup(const FileDescriptor & /*pidFd*/, const GroupRequest & /*wanted*/) override {
            GroupJoined joined;
            joined.taskLimit = 99;
            return joined;
        }
        void endBoot(const FileDescriptor & /*pidFd*/) override { did("end"); }
        void setPriority(const FileDescriptor & /*pidFd*/, bool low) override { did(low ? "low" : "normal"); }
        bool gone = false;
        std::string done;

    private:
        void did(const std::string &what) {
            done += what + " ";
            if (gone) {
                throw IOException("the rights process is gone");
            }
        }
    };

    LogLevel level_ = Log::level();
    std::unique_ptr<CapturedLog> log_;
    FakeRights rights_;
    Options options_;
    LimitCounts counts_;
    AppGroups groups_;
    SpawnedProcess process_{};

    /** A process that does this until it is killed. */
    void start(void (*what)()) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            for (;;) {
                what();
            }
        }
        process_ = SpawnedProcess(pid, {::getpid(), ::getuid()});
    }
    BootLimits begun(bool othersServe) {
        options_.othersServe = othersServe;
        BootLimits limits(options_, counts_);
        const AppGroupPtr group = groups_.of(options_, 1);
        limits.begin(*group, ::getpid());
        CPPUNIT_ASSERT_MESSAGE("Its spawn server waits for it", rights_.done.empty() && !limits.due());
        limits.lower(process_);
        return limits;
    }

public:
    void setUp() override {
        log_ = std::make_unique<CapturedLog>();
        Log::setLevel(LogLevel::INFO);
        Rights::use(&rights_);
    }

    void tearDown() override {
        Rights::use(nullptr);
        Log::setLevel(level_);
        log_.reset();
        if (const pid_t pid = process_.pid(); pid > 0) {
            process_ = SpawnedProcess();
            ::waitpid(pid, nullptr, 0);
        }
    }

    void testOnlyThePriorityOfALongStartEndsBefore() {
        options_.startTimeout = std::chrono::seconds(0);
        BootLimits limits = begun(true);
        CPPUNIT_ASSERT(limits.due().has_value());
        limits.check(process_);
        CPPUNIT_ASSERT(!limits.due());
        limits.end(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low normal end "), rights_.done);
    }

    /** It has hardly had any when the next look comes at once, unless this process stands still. */
    void testAProcessThatGetsNoTimeHasNormalPriority() {
        start([] { computed = computed + 1; });
        CPPUNIT_ASSERT(eventually([this] {
            rights_.done.clear();
            BootLimits limits = begun(true);
            limits.check(process_);
            return rights_.done == "low normal " && !limits.due();
        }));
        CPPUNIT_ASSERT(log_->contains("event=spawn.priority_raised"));
    }

    /** As behind hidepid: of so many descendants cpuTimeOfFamily() tells nothing. */
    void testAProcessOfWhichNothingIsKnownHasNormalPriority() {
        start([] {
            const pid_t first = ::getpid();
            for (int i = 0; i < 101 && ::fork() > 0; i++) {
            }
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getpid() != first && ::getppid() != first) {
                // It has died before the call.
                ::_exit(0);
            }
            ::pause();
        });
        CPPUNIT_ASSERT(eventually([this] { return !cpuTimeOfFamily(process_.pid()); }));
        BootLimits limits = begun(true);
        limits.check(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low normal "), rights_.done);
        CPPUNIT_ASSERT(log_->contains("use of the processors is unknown"));
    }

    void testAProcessBesideWhichNoOtherServesAnyMoreHasNormalPriority() {
        start([] { ::pause(); });
        CPPUNIT_ASSERT(eventually([this] { return !BootPriority::wantsProcessor(process_.pid()); }));
        const auto othersServe = std::make_shared<std::atomic<bool>>(true);
        options_.othersStillServe = othersServe;
        BootLimits limits = begun(true);
        limits.check(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low "), rights_.done);
        *othersServe = false;
        limits.check(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low normal "), rights_.done);
        CPPUNIT_ASSERT(!limits.due());
    }

    void testAProcessThatWaitsForSomethingElseStaysLow() {
        start([] { ::pause(); });
        CPPUNIT_ASSERT(eventually([this] { return !BootPriority::wantsProcessor(process_.pid()); }));
        BootLimits limits = begun(true);
        const auto due = limits.due();
        limits.check(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low "), rights_.done);
        CPPUNIT_ASSERT(limits.due() > due);
    }

    void testAProcessHasNormalPriorityThoughTheAnswerWasLost() {
        rights_.gone = true;
        BootLimits limits = begun(true);
        rights_.gone = false;
        limits.end(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low normal end "), rights_.done);
    }

    void testThePolicyOfAFirstInstanceIsItsOwn() {
        BootLimits limits = begun(false);
        CPPUNIT_ASSERT(!limits.due());
        limits.end(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("end "), rights_.done);
    }

    void testAProcessWithLowPriorityDoesNotServe() {
        BootLimits limits = begun(true);
        rights_.gone = true;
        CPPUNIT_ASSERT_THROW(limits.end(process_), IOException);
        CPPUNIT_ASSERT(!log_->contains("event=spawn.limit_stays"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BootLimitsTest);

}  // namespace Passenger
