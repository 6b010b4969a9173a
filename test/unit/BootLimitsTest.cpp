#include "spawning/BootLimits.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/Exceptions.h"
#include "rights/OwnRights.h"
#include "spawning/AppGroups.h"
#include "support/CapturedLog.h"

namespace Passenger {

class BootLimitsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BootLimitsTest);
    CPPUNIT_TEST(testOnlyThePriorityOfALongStartEndsBefore);
    CPPUNIT_TEST(testAProcessHasNormalPriorityThoughTheAnswerWasLost);
    CPPUNIT_TEST(testThePolicyOfAFirstInstanceIsItsOwn);
    CPPUNIT_TEST(testAProcessWithLowPriorityDoesNotServe);
    CPPUNIT_TEST_SUITE_END();

    class FakeRights final : public OwnRights {
    public:
        Placed place(const FileDescriptor & /*pidFd*/, const Placement & /*placement*/) override {
            Placed placed;
            placed.taskLimit = 99;
            return placed;
        }
        void endBoot(const FileDescriptor & /*pidFd*/) override {
            did("end");
        }
        void setPriority(const FileDescriptor & /*pidFd*/, bool low) override {
            did(low ? "low" : "normal");
        }
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

    std::unique_ptr<CapturedLog> log_;
    FakeRights rights_;
    Options options_;
    LimitCounts counts_;
    AppGroups groups_;
    const SpawnedProcess process_{};

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
        Rights::use(&rights_);
    }

    void tearDown() override {
        Rights::use(nullptr);
        log_.reset();
    }

    void testOnlyThePriorityOfALongStartEndsBefore() {
        BootLimits limits = begun(true);
        CPPUNIT_ASSERT(limits.due().has_value());
        limits.raise(process_);
        CPPUNIT_ASSERT(!limits.due());
        limits.end(process_);
        CPPUNIT_ASSERT_EQUAL(std::string("low normal end "), rights_.done);
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
