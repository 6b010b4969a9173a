#include "apache2/request/RequestId.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class RequestIdTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RequestIdTest);
    CPPUNIT_TEST(testTheHeaderComesBeforeTheTraceAndTheTraceBeforeTheUniqueId);
    CPPUNIT_TEST(testAHeaderWithOtherCharactersDoesNotCount);
    CPPUNIT_TEST(testATraceparentThatIsNotValidDoesNotCount);
    CPPUNIT_TEST(testALaterVersionOfTraceparentMayHaveMoreFields);
    CPPUNIT_TEST(testAUniqueIdMayHaveTheAlphabetOfModUniqueId);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheHeaderComesBeforeTheTraceAndTheTraceBeforeTheUniqueId() {
        assertEquals("a", RequestId::choose("a", PARENT, "c"));
        assertEquals(TRACE, RequestId::choose("", PARENT, "c"));
        assertEquals("c", RequestId::choose("", "", "c"));
        assertEquals("", RequestId::choose("", "", ""));
    }

    void testAHeaderWithOtherCharactersDoesNotCount() {
        const std::string longest(128, 'x');
        assertEquals(longest, RequestId::choose(longest, "", ""));
        assertEquals("7b:A.z_0-9", RequestId::choose("7b:A.z_0-9", "", ""));
        for (const std::string &bad : {longest + "x", std::string("a b"), std::string("a\"b"), std::string("a\nb"),
                                       std::string("a\\b"), std::string("a%b"), std::string("\xc3\xa4")}) {
            assertEquals("c", RequestId::choose(bad, "", "c"));
        }
    }

    void testATraceparentThatIsNotValidDoesNotCount() {
        const std::string valid(PARENT);
        for (const std::string &bad : {
                 std::string("00"),
                 valid.substr(0, valid.size() - 1),
                 valid + "0",
                 valid + "-00",
                 "ff" + valid.substr(2),
                 "0G" + valid.substr(2),
                 "00_" + valid.substr(3),
                 std::string("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
                 std::string("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
                 std::string("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
                 std::string("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x"),
             }) {
            assertEquals("", RequestId::choose("", bad, ""));
        }
    }

    void testALaterVersionOfTraceparentMayHaveMoreFields() {
        const std::string later = "cc" + std::string(PARENT).substr(2);
        assertEquals(TRACE, RequestId::choose("", later, ""));
        assertEquals(TRACE, RequestId::choose("", later + "-more", ""));
        assertEquals("", RequestId::choose("", later + "more", ""));
    }

    void testAUniqueIdMayHaveTheAlphabetOfModUniqueId() {
        assertEquals("ZwA@-9cAAQEAAC8kAAAAAAAA", RequestId::choose("", "", "ZwA@-9cAAQEAAC8kAAAAAAAA"));
        assertEquals("", RequestId::choose("", "", "a b"));
        assertEquals("", RequestId::choose("", "", std::string(129, 'a')));
    }

private:
    static constexpr const char *PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static constexpr const char *TRACE = "0af7651916cd43dd8448eb211c80319c";

    static void assertEquals(std::string_view expected, std::string_view actual) {
        CPPUNIT_ASSERT_EQUAL(std::string(expected), std::string(actual));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestIdTest);

}  // namespace Passenger
