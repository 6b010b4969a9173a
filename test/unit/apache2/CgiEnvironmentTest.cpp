#include "apache2/request/CgiEnvironment.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace Passenger {

class CgiEnvironmentTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CgiEnvironmentTest);
    CPPUNIT_TEST(testNamesAndValuesEndWithNul);
    CPPUNIT_TEST(testTheBufferIsReused);
    CPPUNIT_TEST(testAValueEndsAtItsFirstNul);
    CPPUNIT_TEST(testHeadersGetThePrefixButTheContentTypeDoesNot);
    CPPUNIT_TEST(testASecondHeaderOfANameIsJoined);
    CPPUNIT_TEST(testAmbiguousHeadersAreDropped);
    CPPUNIT_TEST(testVariablesOfTheServerAreReserved);
    CPPUNIT_TEST(testIdentifiersAreKnown);
    CPPUNIT_TEST(testTheProcessGetsNoReservedVariablesAndNoneWithADash);
    CPPUNIT_TEST_SUITE_END();

public:
    void testNamesAndValuesEndWithNul() {
        environment_.add("REQUEST_METHOD", "GET");
        environment_.add("SCRIPT_NAME", "");
        CPPUNIT_ASSERT_EQUAL(std::string("REQUEST_METHOD|GET|SCRIPT_NAME||"), shown());
    }

    void testTheBufferIsReused() {
        environment_.add("A", "b");
        CgiEnvironment next(buffer_);
        next.add("C", "d");
        CPPUNIT_ASSERT_EQUAL(std::string("C|d|"), shown());
    }

    void testAValueEndsAtItsFirstNul() {
        environment_.add("A", std::string_view("b\0C\0d", 5));
        environment_.addHeader("X", std::string_view("b\0C\0d", 5));
        CPPUNIT_ASSERT_EQUAL(std::string("A|b|HTTP_X|b|"), shown());
    }

    void testHeadersGetThePrefixButTheContentTypeDoesNot() {
        environment_.addHeader("x-Forwarded-For", "1");
        environment_.addHeader("content-type", "text/plain");
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP_X_FORWARDED_FOR|1|CONTENT_TYPE|text/plain|"), shown());
    }

    void testASecondHeaderOfANameIsJoined() {
        environment_.addHeader("Accept", "a");
        environment_.appendToHeader("accept", "b");
        environment_.addHeader("cookie", "c=1");
        environment_.appendToHeader("Cookie", "d=2");
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP_ACCEPT|a, b|HTTP_COOKIE|c=1; d=2|"), shown());
    }

    void testAmbiguousHeadersAreDropped() {
        environment_.addHeader("A", "1");
        for (std::string_view name : {"Proxy", "pROXY", "X_Forwarded_For", "Content-Length", "X.Y", "", "\xc3\xa9"}) {
            environment_.addHeader(name, "evil");
            environment_.appendToHeader(name, "evil");
        }
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP_A|1|"), shown());
    }

    void testVariablesOfTheServerAreReserved() {
        for (std::string_view name :
             {"REMOTE_ADDR", "HTTPS", "AUTH_TYPE", "SERVER_SOFTWARE", "HTTP_HOST", "HTTP_PROXY", ""}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(name), CgiEnvironment::isReserved(name));
        }
        for (std::string_view name : {"SECRET_KEY_BASE", "HTTP_SESSION"}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(name), !CgiEnvironment::isReserved(name));
        }
    }

    void testIdentifiersAreKnown() {
        for (std::string_view name : {"UNIQUE_ID", "SSL_SESSION_ID", "H2_STREAM_ID", "H2_STREAM_TAG"}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(name), CgiEnvironment::isIdentifier(name));
        }
        for (std::string_view name : {"SSL_PROTOCOL", "HTTP2", "TENANT", "REQUEST_TENANT", ""}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(name), !CgiEnvironment::isIdentifier(name));
        }
    }

    void testTheProcessGetsNoReservedVariablesAndNoneWithADash() {
        for (std::string_view name : {"SECRET_KEY_BASE", "DATABASE_URL", "http_proxy", "_x", "RAILS_MAX_THREADS",
                                      "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(name), CgiEnvironment::isForProcess(name));
        }
        for (std::string_view name :
             {"HTTPS", "HTTP_HOST", "PATH_INFO", "no-gzip", "1st", "force-response-1.0", "a=b", ""}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(name), !CgiEnvironment::isForProcess(name));
        }
    }

private:
    std::string shown() const {
        std::string text = buffer_;
        std::replace(text.begin(), text.end(), '\0', '|');
        return text;
    }

    std::string buffer_ = "left from the request before";
    CgiEnvironment environment_{buffer_};
};

CPPUNIT_TEST_SUITE_REGISTRATION(CgiEnvironmentTest);

}  // namespace Passenger
