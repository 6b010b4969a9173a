#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <utility>
#include <vector>

#include "bridge/RequestHead.h"

namespace Passenger {

using Bridge::BodyFraming;
using Bridge::RequestFields;

namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

const Variables PLAIN = {{"REQUEST_METHOD", "GET"},   {"REQUEST_URI", "/a%20b?x=1"}, {"SERVER_NAME", "example.org"},
                         {"SERVER_PORT", "8080"},     {"REMOTE_ADDR", "192.0.2.1"},  {"HTTP_HOST", "example.org"},
                         {"HTTP_X_REQUEST_ID", "42"}, {"SOME_VARIABLE", "1"}};

std::string environmentOf(const Variables &variables) {
    std::string text;
    for (const auto &[name, value] : variables) {
        text.append(name).append(1, '\0').append(value).append(1, '\0');
    }
    return text;
}

std::optional<std::string> write(Variables more = {}, const BodyFraming &body = {}, bool takesTrailers = false) {
    // The first of two values is used.
    more.insert(more.end(), PLAIN.begin(), PLAIN.end());
    const std::string text = environmentOf(more);
    return Bridge::RequestHead::write(*RequestFields::parse(text), body, takesTrailers);
}

bool has(const std::optional<std::string> &head, const std::string &line) {
    return head && head->find("\r\n" + line + "\r\n") != std::string::npos;
}

}  // namespace

class RequestHeadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RequestHeadTest);
    CPPUNIT_TEST(testARequestIsWritten);
    CPPUNIT_TEST(testTheBridgeSetsTheFramingOfTheBody);
    CPPUNIT_TEST(testHeadersOfTheClientsConnectionAreRemoved);
    CPPUNIT_TEST(testTheApplicationLearnsThatTrailerFieldsAreTaken);
    CPPUNIT_TEST(testAClientCannotRemoveOtherHeaders);
    CPPUNIT_TEST(testTheClientIsAddedToTheForwardingAddresses);
    CPPUNIT_TEST(testTheSchemeCannotBeForgedOverHttps);
    CPPUNIT_TEST(testWithoutAHostTheServersNameIsUsed);
    CPPUNIT_TEST(testNoValueCanBeginAnotherLine);
    CPPUNIT_TEST(testAMalformedEnvironmentIsRejected);
    CPPUNIT_TEST(testOtherApplicationsGetNoVariables);
    CPPUNIT_TEST(testNodeLearnsOfTheClientsConnectionInTheLastLine);
    CPPUNIT_TEST_SUITE_END();

public:
    void testARequestIsWritten() {
        CPPUNIT_ASSERT_EQUAL(std::string("GET /a%20b?x=1 HTTP/1.1\r\nHost: example.org\r\nX-Request-Id: 42\r\n"
                                         "X-Forwarded-For: 192.0.2.1\r\n\r\n"),
                             *write());
    }

    void testTheBridgeSetsTheFramingOfTheBody() {
        const Variables forged = {{"HTTP_TRANSFER_ENCODING", "chunked"},
                                  {"HTTP_CONTENT_LENGTH", "7"},
                                  {"HTTP_EXPECT", "100-continue"},
                                  {"CONTENT_LENGTH", "9"},
                                  {"CONTENT_TYPE", "text/plain"}};
        const auto measured = write(forged, {BodyFraming::Kind::LENGTH, 5});
        CPPUNIT_ASSERT(has(measured, "Content-Length: 5") && has(measured, "Content-Type: text/plain"));
        CPPUNIT_ASSERT(measured->find("chunked") == std::string::npos && measured->find("Expect") == std::string::npos);
        CPPUNIT_ASSERT(measured->find(": 7") == std::string::npos && measured->find(": 9") == std::string::npos);
        const auto chunked = write(forged, {BodyFraming::Kind::CHUNKED, 0});
        CPPUNIT_ASSERT(has(chunked, "Transfer-Encoding: chunked"));
        CPPUNIT_ASSERT(chunked->find("Content-Length") == std::string::npos);
    }

    void testHeadersOfTheClientsConnectionAreRemoved() {
        const auto head = write({{"HTTP_CONNECTION", "keep-alive"},
                                 {"HTTP_KEEP_ALIVE", "5"},
                                 {"HTTP_TE", "trailers"},
                                 {"HTTP_UPGRADE", "h2c"},
                                 {"HTTP_PROXY_AUTHORIZATION", "secret"}});
        CPPUNIT_ASSERT_EQUAL(*write(), *head);
    }

    void testTheApplicationLearnsThatTrailerFieldsAreTaken() {
        const auto head = write({{"HTTP_TE", "gzip"}}, {}, true);
        CPPUNIT_ASSERT(head->ends_with("\r\nTE: trailers\r\nConnection: TE\r\n\r\n") && !has(head, "TE: gzip"));
        const auto upgrade =
            write({{"HTTP_UPGRADE", "x"}, {"HTTP_CONNECTION", "upgrade"}, {"SERVER_PROTOCOL", "HTTP/1.1"}}, {}, true);
        CPPUNIT_ASSERT(has(upgrade, "Connection: Upgrade") && !has(upgrade, "TE: trailers"));
    }

    void testAClientCannotRemoveOtherHeaders() {
        CPPUNIT_ASSERT(has(write({{"HTTP_CONNECTION", "X-User"}, {"HTTP_X_USER", "1"}}), "X-User: 1"));
    }

    void testTheClientIsAddedToTheForwardingAddresses() {
        CPPUNIT_ASSERT(
            has(write({{"HTTP_X_FORWARDED_FOR", "203.0.113.9"}}), "X-Forwarded-For: 203.0.113.9, 192.0.2.1"));
    }

    void testTheSchemeCannotBeForgedOverHttps() {
        const auto head = write({{"HTTPS", "on"}, {"HTTP_X_FORWARDED_PROTO", "http"}});
        CPPUNIT_ASSERT(has(head, "X-Forwarded-Proto: https"));
        CPPUNIT_ASSERT(!has(head, "X-Forwarded-Proto: http"));
    }

    void testWithoutAHostTheServersNameIsUsed() {
        CPPUNIT_ASSERT(has(write({{"HTTP_HOST", ""}}), "Host: example.org:8080"));
    }

    void testNoValueCanBeginAnotherLine() {
        for (const char *name : {"REQUEST_METHOD", "REQUEST_URI", "HTTP_HOST", "HTTP_X_ODD", "CONTENT_TYPE",
                                 "REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"}) {
            for (const char *value : {"a\r\nX: b", "a\nX: b", "a\rb", "a\x01"}) {
                CPPUNIT_ASSERT_MESSAGE(name, !write({{name, value}}));
            }
        }
        CPPUNIT_ASSERT(!write({{"HTTP_X:Y", "1"}}) && !write({{"REQUEST_URI", "/a b"}}) &&
                       !write({{"REQUEST_URI", ""}}));
    }

    void testAMalformedEnvironmentIsRejected() {
        CPPUNIT_ASSERT(!RequestFields::parse("NAME"));
        CPPUNIT_ASSERT(!RequestFields::parse(std::string("NAME\0value", 10)));
        CPPUNIT_ASSERT(RequestFields::parse(""));
    }

    void testOtherApplicationsGetNoVariables() {
        const auto head = write({{"REMOTE_PORT", "51000"}, {"SSL_CLIENT_S_DN", "CN=someone"}, {"SECRET", "of SetEnv"}});
        CPPUNIT_ASSERT_EQUAL(*write(), *head);
    }

    void testNodeLearnsOfTheClientsConnectionInTheLastLine() {
        const auto lastLine = [](const Variables &variables) {
            const std::string text = environmentOf(variables);
            const auto head = Bridge::RequestHead::writeForNode(*RequestFields::parse(text), {});
            return head ? head->substr(head->rfind('\n', head->size() - 5) + 1) : "refused";
        };
        Variables variables = PLAIN;
        variables.emplace_back("REMOTE_PORT", "51000");
        variables.emplace_back("HTTP_PASSENGER_CLIENT", "1 https");
        CPPUNIT_ASSERT_EQUAL(std::string("Passenger-Client: 51000\r\n\r\n"), lastLine(variables));
        variables.emplace_back("HTTPS", "on");
        CPPUNIT_ASSERT_EQUAL(std::string("Passenger-Client: 51000 https\r\n\r\n"), lastLine(variables));
        variables.emplace_back("PASSENGER_REQUEST_ID", "abc");
        CPPUNIT_ASSERT_EQUAL(std::string("Passenger-Client: 51000 id=abc https\r\n\r\n"), lastLine(variables));
        CPPUNIT_ASSERT_EQUAL(std::string("refused"), lastLine({{"REMOTE_PORT", "1\r\nX: y"}}));
        CPPUNIT_ASSERT_EQUAL(std::string("refused"), lastLine({{"PASSENGER_REQUEST_ID", "1\r\nX: y"}}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestHeadTest);

}  // namespace Passenger
