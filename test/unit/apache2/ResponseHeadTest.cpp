#include "apache2/response/ResponseHead.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <string_view>

namespace Passenger {

class ResponseHeadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ResponseHeadTest);
    CPPUNIT_TEST(testHeadersKeepTheirOrderAndTheirDuplicates);
    CPPUNIT_TEST(testBlanksAroundAValueAreNotPartOfIt);
    CPPUNIT_TEST(testAnEmptyHeadIsValid);
    CPPUNIT_TEST(testTypeAndLengthAreNotAmongTheHeaders);
    CPPUNIT_TEST(testHeadersOfASingleConnectionAreDropped);
    CPPUNIT_TEST(testHeadersThatConnectionNamesAreDropped);
    CPPUNIT_TEST(testHeadersForTheServerAloneAreDropped);
    CPPUNIT_TEST(testHeadersForAHijackedConnectionAreNotAmongTheHeaders);
    CPPUNIT_TEST(testTheApplicationMayAskForTheEndOfTheConnection);
    CPPUNIT_TEST(testTheSameLengthTwiceIsOneLength);
    CPPUNIT_TEST(testAnAmbiguousHeadIsRefused);
    CPPUNIT_TEST(testAHeadThatCostsMuchTimeIsRefused);
    CPPUNIT_TEST_SUITE_END();

public:
    void testHeadersKeepTheirOrderAndTheirDuplicates() {
        CPPUNIT_ASSERT_EQUAL(std::string("Set-Cookie=a=1|X-B=2|Set-Cookie=c=3|"),
                             parsed("Set-Cookie: a=1\r\nX-B: 2\r\nSet-Cookie: c=3\r\n"));
    }

    void testBlanksAroundAValueAreNotPartOfIt() {
        CPPUNIT_ASSERT_EQUAL(std::string("A=b c|D=|E=|"), parsed("A: \t b c \t\r\nD:\r\nE:  \r\n"));
    }

    void testAnEmptyHeadIsValid() { CPPUNIT_ASSERT_EQUAL(std::string(), parsed("")); }

    void testTypeAndLengthAreNotAmongTheHeaders() {
        ResponseHead head;
        CPPUNIT_ASSERT(head.parse("content-type: text/html\r\nCONTENT-LENGTH: 42\r\nX: y\r\n") == nullptr);
        CPPUNIT_ASSERT(head.contentType() == "text/html");
        CPPUNIT_ASSERT(head.contentLength() == 42U);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), head.headers().size());
    }

    void testHeadersOfASingleConnectionAreDropped() {
        CPPUNIT_ASSERT_EQUAL(std::string("X=y|"),
                             parsed("Keep-Alive: 5\r\nTransfer-Encoding: chunked\r\nTE: x\r\nTrailer: x\r\n"
                                    "Transfer-Encoding: identity\r\n"
                                    "Upgrade: h2c\r\nProxy-Connection: x\r\nproxy-authenticate: x\r\nX: y\r\n"
                                    "Proxy-Authorization: x\r\nStatus: 500 No\r\n"));
    }

    void testHeadersThatConnectionNamesAreDropped() {
        CPPUNIT_ASSERT_EQUAL(std::string("Y=2|"),
                             parsed("X-Own: 1\r\nConnection: close, x-own ,Other\r\nY: 2\r\nOther: 3\r\n"));
    }

    void testHeadersForTheServerAloneAreDropped() {
        CPPUNIT_ASSERT_EQUAL(std::string("!-A=2|~B=3|"),
                             parsed("!~Request-OOB-Work: true\r\n!~x: 1\r\n!-A: 2\r\n!~: 1\r\n~B: 3\r\n"));
    }

    void testHeadersForAHijackedConnectionAreNotAmongTheHeaders() {
        ResponseHead head;
        CPPUNIT_ASSERT(head.parse("upgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: Chunked\r\n") ==
                       nullptr);
        CPPUNIT_ASSERT(head.upgrade() == "websocket");
        CPPUNIT_ASSERT(head.chunked() && !head.closes());
        CPPUNIT_ASSERT(head.headers().empty());
    }

    void testTheApplicationMayAskForTheEndOfTheConnection() {
        ResponseHead head;
        CPPUNIT_ASSERT(head.parse("Connection: x-own, Close\r\n") == nullptr);
        CPPUNIT_ASSERT(head.closes());
    }

    void testTheSameLengthTwiceIsOneLength() {
        ResponseHead head;
        CPPUNIT_ASSERT(head.parse("Content-Length: 42\r\nContent-Length: 42\r\n") == nullptr);
        CPPUNIT_ASSERT(head.contentLength() == 42U);
    }

    void testAnAmbiguousHeadIsRefused() {
        for (std::string_view lines : {
                 std::string_view("no colon\r\n"),
                 std::string_view("X Bad: space in the name\r\n"),
                 std::string_view("X-Bad : blank before the colon\r\n"),
                 std::string_view(": no name\r\n"),
                 std::string_view(" Folded: line\r\n"),
                 std::string_view("X: a\0b\r\n", 8),
                 std::string_view("X: a\rInjected: yes\r\n"),
                 std::string_view("X: a\nInjected: yes\r\n"),
                 std::string_view("X: a\x7f\r\n"),
                 std::string_view("X: without an end"),
                 std::string_view("X: y\r\n\r\n"),
                 std::string_view("Content-Length: -1\r\n"),
                 std::string_view("Content-Length: +1\r\n"),
                 std::string_view("Content-Length: 1 2\r\n"),
                 std::string_view("Content-Length: 0x10\r\n"),
                 std::string_view("Content-Length:\r\n"),
                 std::string_view("Content-Length: 9223372036854775808\r\n"),
                 std::string_view("Content-Length: 99999999999999999999999\r\n"),
                 std::string_view("Content-Length: 1\r\nContent-Length: 2\r\n"),
                 std::string_view("Content-Length: 1, 1\r\n"),
                 std::string_view("Transfer-Encoding: gzip, chunked\r\n"),
                 std::string_view("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
             }) {
            CPPUNIT_ASSERT_MESSAGE(std::string(lines), ResponseHead().parse(lines) != nullptr);
        }
    }

    /** Each name in Connection is compared with each header. */
    void testAHeadThatCostsMuchTimeIsRefused() {
        const std::string commas(100'000, ',');
        CPPUNIT_ASSERT_EQUAL(std::string("Y=1|"), parsed("X: 1\r\nConnection: " + commas + "x\r\nY: 1\r\n"));
        std::string names;
        for (int number = 0; number < 50; number++) {
            names += "Connection: n" + std::to_string(number) + "\r\n";
        }
        CPPUNIT_ASSERT(ResponseHead().parse(names) == nullptr);
        CPPUNIT_ASSERT(ResponseHead().parse(names + "Connection: one-more\r\n") != nullptr);
        std::string headers;
        for (int number = 0; number < 2'000; number++) {
            headers += "a:\r\n";
        }
        CPPUNIT_ASSERT(ResponseHead().parse(headers) == nullptr);
        CPPUNIT_ASSERT(ResponseHead().parse(headers + "a:\r\n") != nullptr);
    }

private:
    /** The headers as "name=value|" each. */
    static std::string parsed(std::string_view lines) {
        ResponseHead head;
        const char *problem = head.parse(lines);
        CPPUNIT_ASSERT_MESSAGE(problem != nullptr ? problem : "", problem == nullptr);
        std::string result;
        for (const ResponseHead::Header &header : head.headers()) {
            result.append(header.name).append("=").append(header.value).append("|");
        }
        return result;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ResponseHeadTest);

}  // namespace Passenger
