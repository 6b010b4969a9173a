#include "agent/EventInbox.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

#include "agent/EventCommand.h"
#include "base/Poll.h"

#include <poll.h>

namespace Passenger {

/** Which events the command of PassengerOnEvent gets, and how. */
class EventInboxTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(EventInboxTest);
    CPPUNIT_TEST(testOnlyTheEventsOfTheListWait);
    CPPUNIT_TEST(testARepeatedEventOfAnApplicationWaitsForAMinute);
    CPPUNIT_TEST(testTooManyEventsAreCounted);
    CPPUNIT_TEST(testADroppedEventDoesNotHinderTheNext);
    CPPUNIT_TEST(testManyApplicationsAreNotRememberedForEver);
    CPPUNIT_TEST(testAnArrivalIsReadable);
    CPPUNIT_TEST(testTheVariablesAreTheFields);
    CPPUNIT_TEST_SUITE_END();

    EventInbox inbox_;
    EventInbox::TimePoint now_ = EventInbox::TimePoint(std::chrono::hours(1));

    void note(const std::string &line) { inbox_.note(line, now_); }
    std::vector<std::string> taken() {
        std::vector<std::string> lines;
        while (auto line = inbox_.take()) {
            lines.push_back(*line);
        }
        return lines;
    }

public:
    void testOnlyTheEventsOfTheListWait() {
        const std::string spawn = "event=spawn.failed app=\"a\" report=1 error=\"x\"";
        for (const std::string line : {"event=instance.started app=\"a\"", "event=", "event=spawn.failed_x", "", "ev",
                                       "event=x note=\"event=spawn.failed \"", "report=1 event=spawn.failed"}) {
            note(line);
        }
        note(spawn);
        note("event=queue.full");
        const auto lines = taken();
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), lines.size());
        CPPUNIT_ASSERT_EQUAL(spawn, lines[0]);
    }

    void testARepeatedEventOfAnApplicationWaitsForAMinute() {
        note("event=spawn.failed app=\"a\" report=1");
        now_ += EventInbox::PAUSE - std::chrono::milliseconds(1);
        note("event=spawn.failed app=\"a\" report=2");
        note("event=spawn.failed app=\"b\" report=3");
        note("event=deploy.failed app=\"a\" report=4");
        CPPUNIT_ASSERT_EQUAL(std::size_t(3), taken().size());
        now_ += std::chrono::milliseconds(1);
        note("event=spawn.failed app=\"a\" report=5");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), taken().size());
    }

    void testTooManyEventsAreCounted() {
        for (std::size_t i = 0; i < EventInbox::MOST_WAITING + 3; ++i) {
            note("event=spawn.failed app=\"" + std::to_string(i) + "\"");
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t(3), inbox_.takeDropped());
        CPPUNIT_ASSERT_EQUAL(std::size_t(0), inbox_.takeDropped());
        CPPUNIT_ASSERT_EQUAL(EventInbox::MOST_WAITING, taken().size());
    }

    void testADroppedEventDoesNotHinderTheNext() {
        testTooManyEventsAreCounted();
        note("event=spawn.failed app=\"" + std::to_string(EventInbox::MOST_WAITING) + "\"");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), taken().size());
    }

    void testManyApplicationsAreNotRememberedForEver() {
        for (std::size_t i = 0; i <= EventInbox::MOST_REMEMBERED; ++i) {
            note("event=spawn.failed app=\"" + std::to_string(i) + "\"");
            CPPUNIT_ASSERT_EQUAL(std::size_t(1), taken().size());
        }
        note("event=spawn.failed app=\"0\"");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), taken().size());
    }

    void testAnArrivalIsReadable() {
        const auto readable = [this] {
            return pollUntil(inbox_.arrivals().get(), POLLIN, std::chrono::steady_clock::now());
        };
        CPPUNIT_ASSERT(!readable());
        note("event=spawn.failed app=\"a\"");
        CPPUNIT_ASSERT(readable());
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), taken().size());
        CPPUNIT_ASSERT(!readable());
    }

    void testTheVariablesAreTheFields() {
        const std::string line = R"(event=spawn.failed app="/srv/a b" report=1f error="say \"x\"")";
        const std::vector<std::string> expected{"PASSENGER_EVENT=spawn.failed", "PASSENGER_APP=/srv/a b",
                                                "PASSENGER_REPORT=1f", "PASSENGER_ERROR=say \"x\"",
                                                "PASSENGER_TEXT=" + line};
        CPPUNIT_ASSERT(expected == EventCommand::variablesOf(line));
        const auto odd =
            EventCommand::variablesOf(std::string("event=a.b error=\"x\0y\"", 21) + std::string(9999, 'z'));
        CPPUNIT_ASSERT_EQUAL(std::string("PASSENGER_ERROR=x?y"), odd[1]);
        CPPUNIT_ASSERT(odd[2].size() < 5000);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EventInboxTest);

}  // namespace Passenger
