#include "agent/PreStart.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>

#include "support/CapturedLog.h"

namespace Passenger {

using namespace std::chrono_literals;

class PreStartTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PreStartTest);
    CPPUNIT_TEST(testUrlsWithoutAnAnswerAreNamedAfterTheTimeLimit);
    CPPUNIT_TEST(testUrlsWithoutAnAnswerAreNamedIfTheHelperEnds);
    CPPUNIT_TEST(testHealthChecksWaitForNoLaterAnswers);
    CPPUNIT_TEST(testTheEndIsNoFailure);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *BLOG = "http://blog.test/";
    static constexpr const char *SHOP = "http://shop.test/";

    // Made in setUp(): CppUnit makes the fixtures of all tests before the first test runs.
    std::optional<CapturedLog> log_;
    DescriptorPair output_;
    FileDescriptor ending_;
    std::atomic<bool> ended_{false};

    /** Of a helper that has told of the blog alone. */
    bool follow(std::chrono::milliseconds longest) {
        PreStart preStart([this] { ended_ = true; });
        return preStart.follow(output_.first, ending_, {BLOG, SHOP}, longest);
    }
    static std::string failed(const std::string &why) {
        return std::string("event=pre_start.failed url=\"") + SHOP + "\" error=\"the pre-start helper has " + why +
               "\" next=\"at the next reload\"";
    }

public:
    void setUp() override {
        log_.emplace();
        output_ = makePipe();
        ending_ = makeEventDescriptor();
        const std::string line = std::string("done\t") + BLOG + "\t200\t7\n";
        CPPUNIT_ASSERT(::write(output_.second.get(), line.data(), line.size()) > 0);
    }
    void tearDown() override {
        output_ = DescriptorPair();
        ending_.reset();
        log_.reset();
    }

    void testUrlsWithoutAnAnswerAreNamedAfterTheTimeLimit() {
        CPPUNIT_ASSERT(follow(1ms));
        CPPUNIT_ASSERT(log_->contains(failed("told nothing for long")));
    }

    void testUrlsWithoutAnAnswerAreNamedIfTheHelperEnds() {
        output_.second.reset();
        CPPUNIT_ASSERT(follow(1min));
        CPPUNIT_ASSERT(log_->contains(std::string("event=pre_start.done url=\"") + BLOG));
        CPPUNIT_ASSERT(log_->contains(failed("ended before")));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=pre_start.failed"));
    }

    /** Each answer gives the others their time anew, but not the health checks. */
    void testHealthChecksWaitForNoLaterAnswers() {
        const std::string line = std::string("failed\t") + BLOG + "\tEOFError\t7\n";
        std::thread helper([&] {
            while (!ended_) {
                CPPUNIT_ASSERT(::write(output_.second.get(), line.data(), line.size()) > 0);
                std::this_thread::sleep_for(20ms);
            }
            setEvent(ending_);
        });
        const bool isOver = follow(500ms);
        ended_ = true;
        helper.join();
        CPPUNIT_ASSERT_MESSAGE("The helper was still followed", !isOver);
    }

    void testTheEndIsNoFailure() {
        setEvent(ending_);
        CPPUNIT_ASSERT(!follow(1min));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=pre_start.failed"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreStartTest);

}  // namespace Passenger
