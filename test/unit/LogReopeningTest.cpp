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
    CPPUNIT_TEST(testAnEarlierAnswerDoesNotCount);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheAnswerIsAwaited() {
        LogReopening *asked = nullptr;
        std::optional<TestThread> answer;
        LogReopening reopening([&] { answer.emplace([&] { asked->ended(""); }); });
        asked = &reopening;
        reopening.run();
        answer->join();
    }

    void testAnErrorIsPassedOn() {
        LogReopening *asked = nullptr;
        LogReopening reopening([&] { asked->ended("no such folder"); });
        asked = &reopening;
        const auto error = thrownBy<IOException>([&] { reopening.run(); });
        CPPUNIT_ASSERT_EQUAL(std::string("no such folder"), std::string(error.what()));
    }

    void testAnEarlierAnswerDoesNotCount() {
        LogReopening *asked = nullptr;
        LogReopening reopening([&] { asked->ended("now"); });
        asked = &reopening;
        reopening.ended("");
        thrownBy<IOException>([&] { reopening.run(); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogReopeningTest);

}  // namespace Passenger
