#include "log/RecentEvents.h"

#include <cppunit/extensions/HelperMacros.h>
#include <malloc.h>

#include <string>

namespace Passenger {

class RecentEventsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RecentEventsTest);
    CPPUNIT_TEST(testAnEventIsKeptWithoutItsApplication);
    CPPUNIT_TEST(testLinesWithoutAnApplicationAreIgnored);
    CPPUNIT_TEST(testTheLastEventsOfAnApplicationStay);
    CPPUNIT_TEST(testLongLinesTakeNoMoreMemoryThanTheirKeptParts);
    CPPUNIT_TEST(testTheApplicationWithTheOldestEventGoes);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAnEventIsKeptWithoutItsApplication() {
        note("event=instance.exited app=\"/srv/a (production)\" pid=5 how=\"signal 9\"");
        note("event=a.b pid=7 app=\"/srv/a (production)\"");
        const auto events = events_.of("/srv/a (production)");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, events.size());
        CPPUNIT_ASSERT_EQUAL(std::string("instance.exited"), events[0].name);
        CPPUNIT_ASSERT_EQUAL(std::string("pid=5 how=\"signal 9\""), events[0].text);
        CPPUNIT_ASSERT_EQUAL(std::string("pid=7"), events[1].text);
    }

    void testLinesWithoutAnApplicationAreIgnored() {
        note("event=agent.stopping reason=\"signal\"");
        note("report=1 event=x app=\"a\"");
        note("event=x app=\"a");
        note("");
        CPPUNIT_ASSERT(events_.of("a").empty());
    }

    void testTheLastEventsOfAnApplicationStay() {
        for (std::size_t i = 0; i <= RecentEvents::MOST_OF_AN_APP; i++) {
            note("event=number" + std::to_string(i) + " app=\"a\" " + std::string(1000, 'x'));
        }
        const auto events = events_.of("a");
        CPPUNIT_ASSERT_EQUAL(RecentEvents::MOST_OF_AN_APP, events.size());
        CPPUNIT_ASSERT_EQUAL(std::string("number1"), events.front().name);
        CPPUNIT_ASSERT_EQUAL(RecentEvents::MAX_TEXT, events.front().text.size());
    }

    void testLongLinesTakeNoMoreMemoryThanTheirKeptParts() {
        const std::string name(100'000, 'n');
        const std::size_t before = allocated();
        for (std::size_t i = 0; i < RecentEvents::MOST_OF_AN_APP; i++) {
            note("event=x app=\"" + name + "\" error=\"" + std::string(100'000, 'x') + '"');
        }
        CPPUNIT_ASSERT(allocated() < before + 100'000);
        CPPUNIT_ASSERT_EQUAL(RecentEvents::MOST_OF_AN_APP, events_.of(name).size());
    }

    void testTheApplicationWithTheOldestEventGoes() {
        note("event=x app=\"first\"");
        note("event=x app=\"second\"");
        note("event=y app=\"first\"");
        for (std::size_t i = 2; i <= RecentEvents::MOST_APPS; i++) {
            note("event=x app=\"" + std::to_string(i) + "\"");
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, events_.of("first").size());
        CPPUNIT_ASSERT(events_.of("second").empty());
    }

private:
    static std::size_t allocated() {
        const struct mallinfo2 info = ::mallinfo2();
        return info.uordblks + info.hblkhd;
    }
    void note(const std::string &line) { events_.note(line, now_ += std::chrono::seconds(1)); }

    std::chrono::system_clock::time_point now_;
    RecentEvents events_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RecentEventsTest);

}  // namespace Passenger
