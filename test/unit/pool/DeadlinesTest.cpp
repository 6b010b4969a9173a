#include "pool/Deadlines.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

using namespace std::chrono_literals;

class DeadlinesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(DeadlinesTest);
    CPPUNIT_TEST(testTheNextDateIsTheEarliest);
    CPPUNIT_TEST(testDueOwnersAreReturnedInOrderAndOnce);
    CPPUNIT_TEST(testAnOwnerHasOneDate);
    CPPUNIT_TEST(testADateCanBeRemoved);
    CPPUNIT_TEST(testSeveralOwnersMayHaveTheSameDate);
    CPPUNIT_TEST_SUITE_END();

    Deadlines<std::string> deadlines_;
    std::string one_;
    std::string two_;

    static MonotonicTime at(std::chrono::seconds time) { return MonotonicTime(1h + time); }

public:
    void testTheNextDateIsTheEarliest() {
        CPPUNIT_ASSERT(!deadlines_.next());
        deadlines_.set(&one_, at(5s));
        deadlines_.set(&two_, at(3s));
        CPPUNIT_ASSERT(deadlines_.next() == at(3s));
    }

    void testDueOwnersAreReturnedInOrderAndOnce() {
        deadlines_.set(&one_, at(5s));
        deadlines_.set(&two_, at(3s));
        CPPUNIT_ASSERT(deadlines_.due(at(2s)).empty());
        CPPUNIT_ASSERT((deadlines_.due(at(5s)) == std::vector<std::string *>{&two_, &one_}));
        CPPUNIT_ASSERT(deadlines_.due(at(5s)).empty());
        CPPUNIT_ASSERT(!deadlines_.next());
    }

    void testAnOwnerHasOneDate() {
        deadlines_.set(&one_, at(3s));
        deadlines_.set(&one_, at(5s));
        CPPUNIT_ASSERT(deadlines_.due(at(4s)).empty());
        deadlines_.set(&one_, at(1s));
        deadlines_.set(&one_, at(1s));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, deadlines_.due(at(4s)).size());
        CPPUNIT_ASSERT(deadlines_.due(at(9s)).empty());
    }

    void testADateCanBeRemoved() {
        deadlines_.set(&one_, at(3s));
        deadlines_.set(&one_, std::nullopt);
        deadlines_.set(&two_, std::nullopt);
        CPPUNIT_ASSERT(!deadlines_.next());
        CPPUNIT_ASSERT(deadlines_.due(at(9s)).empty());
    }

    void testSeveralOwnersMayHaveTheSameDate() {
        deadlines_.set(&one_, at(3s));
        deadlines_.set(&two_, at(3s));
        deadlines_.set(&one_, std::nullopt);
        CPPUNIT_ASSERT((deadlines_.due(at(3s)) == std::vector<std::string *>{&two_}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DeadlinesTest);

}  // namespace Passenger
