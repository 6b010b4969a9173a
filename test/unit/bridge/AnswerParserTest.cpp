#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bridge/AnswerParser.h"

namespace Passenger {

using Bridge::AnswerParser;

namespace {

const std::string OK = "HTTP/1.1 200 OK\r\n";
const std::string CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n";

}  // namespace

/** Answers of applications that speak HTTP. test/integration/http_apps_hostile_test.rb has hostile
 *  answers, too. */
class AnswerParserTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AnswerParserTest);
    CPPUNIT_TEST(testHeadAndBodyAreParsedFromPiecesOfAnySize);
    CPPUNIT_TEST(testChunksAreDecodedAndTrailersFollow);
    CPPUNIT_TEST(testTrailersHaveNoHeadersOfTheConnection);
    CPPUNIT_TEST(testMalformedTrailersAreProblems);
    CPPUNIT_TEST(testHeadersOfTheConnectionAreRemoved);
    CPPUNIT_TEST(testAnAnswerToHeadHasNoBody);
    CPPUNIT_TEST(testAnAnnouncedBodyThatMayStillComeEndsTheConnection);
    CPPUNIT_TEST(testStatusesWithoutABodyHaveNone);
    CPPUNIT_TEST(testInterimAnswersComeBeforeTheAnswer);
    CPPUNIT_TEST(testTheEndOfTheConnectionEndsAnAnswerWithoutALength);
    CPPUNIT_TEST(testAnAnswerThatIsCutShortIsAProblem);
    CPPUNIT_TEST(testAConnectionIsReusableOnlyAfterACleanEnd);
    CPPUNIT_TEST(testTheTimeForWhichAConnectionIsKeptIsKnownIfItIsSaid);
    CPPUNIT_TEST(testMalformedAnswersAreProblems);
    CPPUNIT_TEST(testAChunkThatDoesNotEndAsChunksDoIsAProblem);
    CPPUNIT_TEST(testAHeadMayBe128KiBLong);
    CPPUNIT_TEST(testEventStreamsOfUnknownLengthAreKnown);
    CPPUNIT_TEST(testARequestedUpgradeSwitchesTheConnection);
    CPPUNIT_TEST(testAnUpgradeWithoutAProtocolIsAProblem);
    CPPUNIT_TEST_SUITE_END();

public:
    void testHeadAndBodyAreParsedFromPiecesOfAnySize() {
        const std::string answer = OK + "Content-Type: text/plain\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello";
        for (std::size_t size = 1; size <= answer.size(); size++) {
            AnswerParser parser({});
            for (std::size_t at = 0; at < answer.size(); at += size) {
                parser.feed(answer.substr(at, size));
            }
            CPPUNIT_ASSERT(parser.complete() && parser.problem() == nullptr);
            CPPUNIT_ASSERT_EQUAL(200U, parser.head().status);
            CPPUNIT_ASSERT_EQUAL(std::string("Content-Type: text/plain\r\nX-Empty: \r\nContent-Length: 5\r\n"),
                                 parser.head().lines);
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), parser.takeBody());
        }
    }

    void testChunksAreDecodedAndTrailersFollow() {
        const std::string answer = OK + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                   "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nX-Name:  a b \r\n\r\n";
        for (std::size_t size = 1; size <= answer.size(); size++) {
            AnswerParser parser({});
            for (std::size_t at = 0; at < answer.size(); at += size) {
                parser.feed(answer.substr(at, size));
            }
            CPPUNIT_ASSERT(parser.complete() && parser.reusable());
            CPPUNIT_ASSERT_EQUAL(std::string("abcde"), parser.takeBody());
            CPPUNIT_ASSERT_EQUAL(std::string("Trailer: X-Sum\r\n"), parser.head().lines);
            CPPUNIT_ASSERT_EQUAL(std::string("X-Sum: 1\r\nX-Name: a b\r\n"), parser.trailers());
        }
    }

    void testTrailersHaveNoHeadersOfTheConnection() {
        AnswerParser parser({});
        parser.feed(CHUNKED + "0\r\nTrailer: X\r\nKeep-Alive: 5\r\nContent-Length: 5\r\nX-Kept: 1\r\n\r\n");
        CPPUNIT_ASSERT(parser.complete() && parser.problem() == nullptr);
        CPPUNIT_ASSERT_EQUAL(std::string("X-Kept: 1\r\n"), parser.trailers());
    }

    void testMalformedTrailersAreProblems() {
        for (const std::string &fields :
             {std::string("X : 1\r\n"), std::string("X: a\0b\r\n", 8), std::string("X: a\rY: b\r\n"),
              std::string("nonsense\r\n"), "X: " + std::string(70'000, 'x') + "\r\n"}) {
            AnswerParser parser({});
            parser.feed(CHUNKED + "0\r\n");
            parser.feed(fields + "\r\n");
            CPPUNIT_ASSERT_MESSAGE(fields, parser.problem() != nullptr && !parser.complete());
        }
    }

    void testHeadersOfTheConnectionAreRemoved() {
        AnswerParser parser({});
        parser.feed(OK +
                    "Connection: X-Mine\r\nKeep-Alive: 5\r\nTE: x\r\nTrailer: Y\r\nProxy-Connection: x\r\n"
                    "X-Mine: 1\r\nX-Kept: 2\r\nContent-Length: 0\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("X-Kept: 2\r\nContent-Length: 0\r\n"), parser.head().lines);
    }

    void testAnAnswerToHeadHasNoBody() {
        AnswerParser parser({.bodiless = true});
        parser.feed(OK + "Content-Length: 5\r\n\r\n");
        CPPUNIT_ASSERT(parser.complete());
        CPPUNIT_ASSERT_EQUAL(std::string("Content-Length: 5\r\n"), parser.head().lines);
    }

    void testAnAnnouncedBodyThatMayStillComeEndsTheConnection() {
        const std::string unchanged = "HTTP/1.1 304 Not Modified\r\n";
        const std::vector<std::tuple<bool, std::string, bool>> cases = {
            {true, OK + "Content-Length: 5\r\n\r\n", false},
            {true, CHUNKED, false},
            {true, OK + "Content-Length: 0\r\n\r\n", true},
            {true, OK + "\r\n", true},
            {false, unchanged + "Content-Length: 5\r\n\r\n", false},
            {false, unchanged + "\r\n", true},
            {false, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false},
        };
        for (const auto &[bodiless, answer, reusable] : cases) {
            AnswerParser parser({.bodiless = bodiless});
            parser.feed(answer);
            CPPUNIT_ASSERT_MESSAGE(answer, parser.complete() && parser.reusable() == reusable);
        }
    }

    void testStatusesWithoutABodyHaveNone() {
        for (const char *status : {"204", "304"}) {
            AnswerParser parser({});
            parser.feed(std::string("HTTP/1.1 ") + status + " x\r\nContent-Length: 5\r\n\r\n");
            CPPUNIT_ASSERT(parser.complete() && !parser.untilClose());
        }
    }

    void testInterimAnswersComeBeforeTheAnswer() {
        AnswerParser parser({});
        parser.feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK +
                    "Content-Length: 0\r\n\r\n");
        const auto interim = parser.takeInterim();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, interim.size());
        CPPUNIT_ASSERT_EQUAL(103U, interim[1].status);
        CPPUNIT_ASSERT_EQUAL(std::string("Link: </a>\r\n"), interim[1].lines);
        CPPUNIT_ASSERT(parser.complete() && parser.head().status == 200);
    }

    void testTheEndOfTheConnectionEndsAnAnswerWithoutALength() {
        AnswerParser parser({});
        parser.feed(OK + "\r\nall");
        CPPUNIT_ASSERT(parser.untilClose() && !parser.complete());
        parser.end();
        CPPUNIT_ASSERT(parser.complete() && !parser.reusable() && parser.problem() == nullptr);
    }

    void testAnAnswerThatIsCutShortIsAProblem() {
        for (const auto &answer : {std::string(), OK, OK + "Content-Length: 5\r\n\r\nhell", CHUNKED + "5\r\nhello",
                                   CHUNKED + "5\r\nhello\r\n", CHUNKED + "5\r\nhello\r\n0\r\n"}) {
            AnswerParser parser({});
            parser.feed(answer);
            parser.end();
            CPPUNIT_ASSERT_MESSAGE(answer, parser.problem() != nullptr && !parser.complete());
        }
    }

    void testAConnectionIsReusableOnlyAfterACleanEnd() {
        const std::vector<std::pair<std::string, bool>> cases = {
            {OK + "Content-Length: 1\r\n\r\nx", true},
            {OK + "Content-Length: 1\r\n\r\nxy", false},
            {OK + "Content-Length: 0\r\nConnection: close\r\n\r\n", false},
            {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
            {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true},
            {"HTTP/1.1 204 No Content\r\n\r\nbody", false},
        };
        for (const auto &[answer, reusable] : cases) {
            AnswerParser parser({});
            parser.feed(answer);
            CPPUNIT_ASSERT_MESSAGE(answer, parser.complete());
            CPPUNIT_ASSERT_EQUAL_MESSAGE(answer, reusable, parser.reusable());
        }
        AnswerParser late({});
        late.feed(cases[0].first);
        late.feed("late");
        CPPUNIT_ASSERT(!late.reusable());
    }

    void testTheTimeForWhichAConnectionIsKeptIsKnownIfItIsSaid() {
        const std::vector<std::pair<std::string, int>> cases = {
            {"", 0},
            {"Keep-Alive: timeout=5\r\n", 5},
            {"keep-alive: max=9, Timeout=72\r\n", 72},
            {"Keep-Alive: max=9\r\n", 0},
            {"Keep-Alive: timeout=x\r\n", 0},
            {"Keep-Alive: timeout=-5\r\n", 0},
        };
        for (const auto &[line, seconds] : cases) {
            AnswerParser parser({});
            parser.feed(OK + line + "Content-Length: 0\r\n\r\n");
            CPPUNIT_ASSERT(parser.complete());
            CPPUNIT_ASSERT_EQUAL_MESSAGE(line, seconds, static_cast<int>(parser.keptFor().count()));
        }
    }

    void testMalformedAnswersAreProblems() {
        const std::string nul("X: a\0b\r\n\r\n", 10);
        for (const auto &answer : {OK + "Content-Length: -1\r\n\r\n",
                                   OK + "Content-Length: 4\r\nContent-Length: 4\r\n\r\n",
                                   OK + "Content-Length: 1 0\r\n\r\n",
                                   OK + "Content-Length: 1\r\n 0\r\n\r\n",
                                   OK + "Content-Length: 9223372036854775808\r\n\r\n",
                                   OK + "Content-Length: 18446744073709551617\r\n\r\n",
                                   OK + "Content-Length: 0x1\r\n\r\n",
                                   OK + "Content-Length: \r\n\r\n",
                                   OK + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
                                   OK + "Transfer-Encoding: gzip, chunked\r\n\r\n",
                                   OK + "Transfer-Encoding: identity\r\n\r\n",
                                   OK + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                                   CHUNKED + "zz\r\n",
                                   CHUNKED + "-1\r\n",
                                   CHUNKED + "11111111111111111\r\n",
                                   OK + "nonsense\r\n\r\n",
                                   OK + "X : 1\r\n\r\n",
                                   OK + nul,
                                   OK + "X: a\rY: b\r\n\r\n",
                                   OK + ": a\r\n\r\n",
                                   std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
                                   std::string("HTTP/1.1 20 OK\r\n\r\n"),
                                   std::string("HTTP/2.0 200 OK\r\n\r\n"),
                                   std::string("SSH-2.0\r\n")}) {
            AnswerParser parser({});
            parser.feed(answer);
            CPPUNIT_ASSERT_MESSAGE(answer, parser.problem() != nullptr && !parser.complete());
        }
    }

    void testAChunkThatDoesNotEndAsChunksDoIsAProblem() {
        for (const std::string answer : {"3\r\nabcde\r\n0\r\n\r\n", "3\r\nabc\rx2\r\nde\r\n0\r\n\r\n",
                                         "3\r\nabc\n\n0\r\n\r\n", "3\rxabc\r\n0\r\n\r\n"}) {
            for (std::size_t size = 1; size <= answer.size(); size++) {
                AnswerParser parser({});
                parser.feed(CHUNKED);
                for (std::size_t at = 0; at < answer.size(); at += size) {
                    parser.feed(answer.substr(at, size));
                }
                CPPUNIT_ASSERT_MESSAGE(answer, parser.problem() != nullptr && !parser.complete());
            }
        }
        const std::string good = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for (std::size_t size = 1; size <= good.size(); size++) {
            AnswerParser parser({});
            parser.feed(CHUNKED);
            for (std::size_t at = 0; at < good.size(); at += size) {
                parser.feed(good.substr(at, size));
            }
            CPPUNIT_ASSERT(parser.complete() && parser.problem() == nullptr);
            CPPUNIT_ASSERT_EQUAL(std::string("abcde"), parser.takeBody());
        }
    }

    void testAHeadMayBe128KiBLong() {
        for (const auto &[size, allowed] : {std::pair(120'000, true), std::pair(140'000, false)}) {
            AnswerParser parser({});
            parser.feed(OK + "X: " + std::string(static_cast<std::size_t>(size), 'x') +
                        "\r\nContent-Length: 0\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(allowed, parser.complete());
            CPPUNIT_ASSERT_EQUAL(!allowed, parser.problem() != nullptr);
        }
    }

    void testEventStreamsOfUnknownLengthAreKnown() {
        const std::string type = "content-type: text/event-stream";
        const std::vector<std::pair<std::string, bool>> heads{
            {OK + type + "\r\n\r\n", true},
            {OK + type + " ; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n", true},
            {OK + type + "s\r\n\r\n", false},
            {OK + type + "\r\nContent-Length: 5\r\n\r\n", false},
            {OK + type + "\r\nContent-Encoding: gzip\r\n\r\n", false},
            {OK + type + "\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n", false},
            {"HTTP/1.1 206 Partial Content\r\n" + type + "\r\n\r\n", false}};
        for (const auto &[head, expected] : heads) {
            AnswerParser parser({});
            parser.feed(head);
            CPPUNIT_ASSERT(parser.hasHead() && parser.problem() == nullptr);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(head, expected, parser.isEventStream());
        }
    }

    void testARequestedUpgradeSwitchesTheConnection() {
        const std::string answer =
            "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nupgrade: echo\r\nX-Mark: 1\r\nContent-Length: "
            "3\r\n\r\nfirst";
        for (std::size_t size = 1; size <= answer.size(); size++) {
            AnswerParser parser({.upgrade = true});
            for (std::size_t at = 0; at < answer.size(); at += size) {
                parser.feed(answer.substr(at, size));
            }
            CPPUNIT_ASSERT(parser.complete() && parser.upgraded() && !parser.reusable());
            CPPUNIT_ASSERT_EQUAL(std::string("X-Mark: 1\r\nUpgrade: echo\r\n"), parser.head().lines);
            CPPUNIT_ASSERT_EQUAL(std::string("first"), parser.surplus());
            CPPUNIT_ASSERT_EQUAL(std::string(), parser.takeBody());
        }
    }

    void testAnUpgradeWithoutAProtocolIsAProblem() {
        AnswerParser parser({.upgrade = true});
        parser.feed("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n");
        CPPUNIT_ASSERT(parser.problem() != nullptr && !parser.upgraded());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AnswerParserTest);

}  // namespace Passenger
