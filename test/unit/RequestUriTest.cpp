#include "../apache2/RequestUri.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class RequestUriTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RequestUriTest);
    CPPUNIT_TEST(testThePathIsAsTheClientWroteIt);
    CPPUNIT_TEST(testQueryAndHostAreNoPartOfThePath);
    CPPUNIT_TEST(testWhatHttpdResolvedIsWhatTheApplicationGets);
    CPPUNIT_TEST(testARewrittenPathIsEncoded);
    CPPUNIT_TEST(testAnEncodedSlashIsNoWayAroundAnAccessRule);
    CPPUNIT_TEST(testBytesThatMustBeEncodedAre);
    CPPUNIT_TEST_SUITE_END();

public:
    void testThePathIsAsTheClientWroteIt() {
        assertPath("/a%20b/%c3%A9%2Bc+d;e", "/a%20b/%c3%A9%2Bc+d;e?x=%20", "/a b/\xc3\xa9+c+d;e");
    }

    void testQueryAndHostAreNoPartOfThePath() {
        assertPath("/a", "/a?b/c", "/a");
        assertPath("/a", "http://host:80/a?b", "/a");
        assertPath("/", "http://host", "/");
        assertPath("/", "http://host?x=/y", "/");
    }

    void testWhatHttpdResolvedIsWhatTheApplicationGets() {
        assertPath("/admin", "/x/../admin", "/admin");
        assertPath("/admin", "//admin", "/admin");
        assertPath("/admin", "/%2e%2e/admin", "/admin");
    }

    void testARewrittenPathIsEncoded() {
        assertPath("/new%20place/%C3%A9", "/old", "/new place/\xc3\xa9");
    }

    void testAnEncodedSlashIsNoWayAroundAnAccessRule() {
        assertPath("/a/b", "/a%2Fb", "/a/b");
        assertPath("/a%252Fb", "/a%2Fb", "/a%2Fb");
    }

    void testBytesThatMustBeEncodedAre() {
        assertPath("/%C3%A9", "/\xc3\xa9", "/\xc3\xa9");
        assertPath("/%25%3F%23%22%3C", "/x", "/%?#\"<");
        // A target that is not well-formed is never handed on.
        assertPath("/%25zz", "/%zz", "/%zz");
    }

private:
    static void assertPath(const std::string &expected, const std::string &target, const std::string &decoded) {
        CPPUNIT_ASSERT_EQUAL(expected, RequestUri::escapedPath(target, decoded));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestUriTest);

}  // namespace Passenger
