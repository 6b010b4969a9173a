#include "bridge/AnswerFields.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>
#include <string_view>

#include "support/LeakCheck.h"

namespace Passenger {

using Bridge::AnswerFields;

class AnswerFieldsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AnswerFieldsTest);
    CPPUNIT_TEST(testNamesAndValuesComeInPieces);
    CPPUNIT_TEST(testThereIsALimitOfFields);
    CPPUNIT_TEST(testFieldsAboutTheConnectionAreLeftOut);
    CPPUNIT_TEST(testLengthAndTrailerComeIfWanted);
    CPPUNIT_TEST(testALengthMustBeClear);
    CPPUNIT_TEST(testCharactersThatHttpForbidsAreFound);
    CPPUNIT_TEST(testTheTimeOfAKeptConnectionIsFound);
    CPPUNIT_TEST_SUITE_END();

    AnswerFields fields_;

    void add(std::string_view name, std::string_view value) {
        CPPUNIT_ASSERT(fields_.addName(name));
        fields_.addValue(value);
    }

public:
    void testNamesAndValuesComeInPieces() {
        CPPUNIT_ASSERT(fields_.addName("Ser") && fields_.addName("ver"));
        fields_.addValue("a");
        fields_.addValue("b ");
        add("X-Two", "c");
        CPPUNIT_ASSERT_EQUAL(std::string("Server: ab\r\nX-Two: c\r\n"), fields_.lines({}));
        CPPUNIT_ASSERT_EQUAL(std::string("c"), *fields_.find("x-two"));
        CPPUNIT_ASSERT(fields_.find("X-Three") == nullptr);
    }

    void testThereIsALimitOfFields() {
        for (int i = 0; i < 2000; i++) {
            add("A", "b");
        }
        CPPUNIT_ASSERT(!fields_.addName("C"));
    }

    void testFieldsAboutTheConnectionAreLeftOut() {
        add("Connection", "close, X-Mine");
        add("X-Mine", "1");
        add("Transfer-Encoding", "chunked");
        add("Trailer", "X-Sum");
        add("X-Other", "2");
        CPPUNIT_ASSERT_EQUAL(std::string("X-Other: 2\r\n"), fields_.lines({}));
    }

    void testLengthAndTrailerComeIfWanted() {
        add("Content-Length", "5");
        add("Trailer", "X-Sum");
        CPPUNIT_ASSERT_EQUAL(std::string(""), fields_.lines({}));
        CPPUNIT_ASSERT_EQUAL(std::string("Content-Length: 5\r\n"), fields_.lines({.length = true}));
        CPPUNIT_ASSERT_EQUAL(std::string("Trailer: X-Sum\r\n"), fields_.lines({.trailer = true}));
    }

    void testALengthMustBeClear() {
        add("Content-Length", " 005");
        CPPUNIT_ASSERT(fields_.problemOfLength(5) == nullptr);
        CPPUNIT_ASSERT(fields_.problemOfLength(50) != nullptr);
        add("Transfer-Encoding", "chunked");
        CPPUNIT_ASSERT(fields_.problemOfLength(5) != nullptr);
        fields_.clear();
        add("Transfer-Encoding", "gzip");
        CPPUNIT_ASSERT(fields_.problemOfLength(0) != nullptr);
    }

    void testCharactersThatHttpForbidsAreFound() {
        add("X-One", "fine");
        CPPUNIT_ASSERT(fields_.problemOfCharacters() == nullptr);
        add("X Two", "b");
        CPPUNIT_ASSERT(fields_.problemOfCharacters() != nullptr);
        fields_.clear();
        add("X-Three", "a\nb");
        CPPUNIT_ASSERT(fields_.problemOfCharacters() != nullptr);
    }

    void testTheTimeOfAKeptConnectionIsFound() {
        CPPUNIT_ASSERT(fields_.keepAliveTime() == std::chrono::seconds(0));
        add("Keep-Alive", "max=1000, Timeout=5");
        CPPUNIT_ASSERT(fields_.keepAliveTime() == std::chrono::seconds(5));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AnswerFieldsTest);

}  // namespace Passenger
