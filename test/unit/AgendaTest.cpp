#include "pool/Agenda.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

using namespace std::chrono_literals;

class AgendaTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AgendaTest);
    CPPUNIT_TEST(testTheNextDateIsTheEarliest);
    CPPUNIT_TEST(testWhatIsDueComesInOrderAndOnce);
    CPPUNIT_TEST(testAnOwnerHasOneDate);
    CPPUNIT_TEST(testADateCanBeTakenBack);
    CPPUNIT_TEST(testSeveralMayHaveTheSameDate);
    CPPUNIT_TEST_SUITE_END();

    Agenda<std::string> agenda_;
    std::string one_;
    std::string two_;

    static MonotonicTime at(std::chrono::seconds time) {
        return MonotonicTime(1h + time);
    }

public:
    void testTheNextDateIsTheEarliest() {
        CPPUNIT_ASSERT(!agenda_.next());
        agenda_.set(&one_, at(5s));
        agenda_.set(&two_, at(3s));
        CPPUNIT_ASSERT(agenda_.next() == at(3s));
    }

    void testWhatIsDueComesInOrderAndOnce() {
        agenda_.set(&one_, at(5s));
        agenda_.set(&two_, at(3s));
        CPPUNIT_ASSERT(agenda_.due(at(2s)).empty());
        CPPUNIT_ASSERT((agenda_.due(at(5s)) == std::vector<std::string *>{&two_, &one_}));
        CPPUNIT_ASSERT(agenda_.due(at(5s)).empty());
        CPPUNIT_ASSERT(!agenda_.next());
    }

    void testAnOwnerHasOneDate() {
        agenda_.set(&one_, at(3s));
        agenda_.set(&one_, at(5s));
        CPPUNIT_ASSERT(agenda_.due(at(4s)).empty());
        agenda_.set(&one_, at(1s));
        agenda_.set(&one_, at(1s));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, agenda_.due(at(4s)).size());
        CPPUNIT_ASSERT(agenda_.due(at(9s)).empty());
    }

    void testADateCanBeTakenBack() {
        agenda_.set(&one_, at(3s));
        agenda_.set(&one_, std::nullopt);
        agenda_.set(&two_, std::nullopt);
        CPPUNIT_ASSERT(!agenda_.next());
        CPPUNIT_ASSERT(agenda_.due(at(9s)).empty());
    }

    void testSeveralMayHaveTheSameDate() {
        agenda_.set(&one_, at(3s));
        agenda_.set(&two_, at(3s));
        agenda_.set(&one_, std::nullopt);
        CPPUNIT_ASSERT((agenda_.due(at(3s)) == std::vector<std::string *>{&two_}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgendaTest);

}  // namespace Passenger
