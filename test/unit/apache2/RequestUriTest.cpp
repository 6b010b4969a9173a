#include "apache2/request/RequestUri.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class RequestUriTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RequestUriTest);
    CPPUNIT_TEST(testThePathHasTheFormThatTheClientSent);
    CPPUNIT_TEST(testThePathHasNoQueryAndNoHost);
    CPPUNIT_TEST(testTheApplicationGetsThePathThatHttpdResolved);
    CPPUNIT_TEST(testARewrittenPathIsEncoded);
    CPPUNIT_TEST(testAnEncodedSlashDoesNotBypassAnAccessRule);
    CPPUNIT_TEST(testAnEncodedSlashIsPassedOnIfThatIsAllowed);
    CPPUNIT_TEST(testAnEncodedSlashThatHttpdKeptIsNotEncodedTwice);
    CPPUNIT_TEST(testReservedBytesAreEncoded);
    CPPUNIT_TEST(testTheRestAfterABaseIsFoundInAnyFormOfThePath);
    CPPUNIT_TEST_SUITE_END();

public:
    void testThePathHasTheFormThatTheClientSent() {
        assertPath("/a%20b/%c3%A9%2Bc+d;e", "/a%20b/%c3%A9%2Bc+d;e?x=%20", "/a b/\xc3\xa9+c+d;e");
    }

    void testThePathHasNoQueryAndNoHost() {
        assertPath("/a", "/a?b/c", "/a");
        assertPath("/a", "http://host:80/a?b", "/a");
        assertPath("/", "http://host", "/");
        assertPath("/", "http://host?x=/y", "/");
    }

    void testTheApplicationGetsThePathThatHttpdResolved() {
        assertPath("/admin", "/x/../admin", "/admin");
        assertPath("/admin", "//admin", "/admin");
        assertPath("/admin", "/%2e%2e/admin", "/admin");
    }

    void testARewrittenPathIsEncoded() { assertPath("/new%20place/%C3%A9", "/old", "/new place/\xc3\xa9"); }

    void testAnEncodedSlashDoesNotBypassAnAccessRule() {
        assertPath("/a/b", "/a%2Fb", "/a/b");
        assertPath("/a%252Fb", "/a%2Fb", "/a%2Fb");
    }

    void testAnEncodedSlashIsPassedOnIfThatIsAllowed() {
        const auto slash = RequestUri::EncodedSlash::PASSED_ON;
        assertPath("/a%2Fb/%2f", "/a%2Fb/%2f?c", "/a/b//", slash);
        assertPath("/a/b", "/a/b", "/a/b", slash);
        // httpd's resolved path differs from the client's path.
        assertPath("/b", "/a/..%2Fb", "/b", slash);
        assertPath("/admin", "/x%2F..%2Fadmin", "/admin", slash);
    }

    void testAnEncodedSlashThatHttpdKeptIsNotEncodedTwice() {
        const auto slash = RequestUri::EncodedSlash::KEPT;
        assertPath("/a%2Fb%2f", "/a%2Fb%2f", "/a%2Fb%2f", slash);
        assertPath("/a%252Fb", "/a%252Fb", "/a%2Fb", slash);
        assertPath("/a%2Fb%25", "/x/../a%2Fb%25", "/a%2Fb%", slash);
        assertPath("/b", "/a%2Fb", "/b", slash);
    }

    void testTheRestAfterABaseIsFoundInAnyFormOfThePath() {
        CPPUNIT_ASSERT_EQUAL(std::string("/a%20b"), std::string(RequestUri::after("/sub/a%20b", "/sub")));
        CPPUNIT_ASSERT_EQUAL(std::string("/a"), std::string(RequestUri::after("/%73%75b%20x/a", "/sub x")));
        CPPUNIT_ASSERT_EQUAL(std::string(), std::string(RequestUri::after("/sub", "/sub")));
        CPPUNIT_ASSERT_EQUAL(std::string("/a"), std::string(RequestUri::after("/a", "")));
        CPPUNIT_ASSERT_EQUAL(std::string(), std::string(RequestUri::after("/%7", "/longer")));
    }

    void testReservedBytesAreEncoded() {
        assertPath("/%C3%A9", "/\xc3\xa9", "/\xc3\xa9");
        assertPath("/%25%3F%23%22%3C", "/x", "/%?#\"<");
        // A malformed target is never passed on.
        assertPath("/%25zz", "/%zz", "/%zz");
    }

private:
    static void assertPath(const std::string &expected, const std::string &target, const std::string &decoded,
                           RequestUri::EncodedSlash slash = RequestUri::EncodedSlash::SLASH) {
        std::string path = "what was there before";
        RequestUri::escapePath(path, target, decoded, slash);
        CPPUNIT_ASSERT_EQUAL(expected, path);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestUriTest);

}  // namespace Passenger
