#include "agent/LogReopening.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>
#include <string>

#include "base/Exceptions.h"
#include "support/Expect.h"
#include "support/TestThread.h"

namespace Passenger {

class LogReopeningTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogReopeningTest);
    CPPUNIT_TEST(testTheAnswerIsAwaited);
    CPPUNIT_TEST(testAnErrorIsPassedOn);
    CPPUNIT_TEST(testTheAnswerToAnEarlierQuestionDoesNotCount);
    CPPUNIT_TEST(testTheEndOfTheAgentEndsTheWait);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheAnswerIsAwaited() {
        answer_ = [this](const std::string &number) {
            thread_.emplace([this, number] { reopening_.ended(number, ""); });
        };
        reopening_.run();
        thread_->join();
    }

    void testAnErrorIsPassedOn() {
        answer_ = [this](const std::string &number) { reopening_.ended(number, "no such folder"); };
        CPPUNIT_ASSERT_EQUAL(std::string("no such folder"), error());
    }

    void testTheAnswerToAnEarlierQuestionDoesNotCount() {
        std::string first;
        answer_ = [&](const std::string &number) {
            first = number;
            reopening_.ended(number, "");
        };
        reopening_.run();
        answer_ = [&](const std::string &number) {
            reopening_.ended(first, "");
            reopening_.ended(number, "now");
        };
        CPPUNIT_ASSERT_EQUAL(std::string("now"), error());
    }

    void testTheEndOfTheAgentEndsTheWait() {
        answer_ = [this](const std::string &) { thread_.emplace([this] { reopening_.cancel(); }); };
        CPPUNIT_ASSERT_EQUAL(std::string("the agent ends"), error());
        thread_->join();
        answer_ = [](const std::string &) {};
        CPPUNIT_ASSERT_EQUAL(std::string("the agent ends"), error());
    }

private:
    std::string error() {
        return thrownBy<IOException>([this] { reopening_.run(); }).what();
    }

    LogReopening::Ask answer_;
    LogReopening reopening_{[this](const std::string &number) { answer_(number); }};
    std::optional<TestThread> thread_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogReopeningTest);

}  // namespace Passenger
