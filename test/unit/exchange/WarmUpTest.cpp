#include "exchange/WarmUp.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/Split.h"
#include "exchange/Options.h"

namespace Passenger {

class WarmUpTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(WarmUpTest);
    CPPUNIT_TEST(testAPathIsARequestForLocalhost);
    CPPUNIT_TEST(testAUrlNamesSchemeAndHost);
    CPPUNIT_TEST(testWhatCouldBeNoRequestLineIsNoRequest);
    CPPUNIT_TEST(testThePathBelowTheBaseUriIsDividedThere);
    CPPUNIT_TEST(testVariablesOfTheConfigurationAreInTheRequestButNotInPlaceOfItsOwn);
    CPPUNIT_TEST(testEachLineIsARequest);
    CPPUNIT_TEST(testRequestsBeyondTheLimitAreLeftOut);
    CPPUNIT_TEST(testAHostHasANameAndPerhapsAPort);
    CPPUNIT_TEST_SUITE_END();

    using Variables = std::map<std::string, std::string>;

    /** The first value of a name counts, so there may be no other. */
    static Variables variables(const std::string &environment) {
        CPPUNIT_ASSERT(environment.ends_with('\0'));
        const std::vector<std::string> texts = split(environment, '\0');
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, texts.size() % 2);
        Variables all;
        for (std::size_t index = 0; index < texts.size(); index += 2) {
            CPPUNIT_ASSERT_MESSAGE(texts[index], all.emplace(texts[index], texts[index + 1]).second);
        }
        return all;
    }

    /** For all requests. */

    static Variables request(const std::string &text, const Options &options = {}) {
        const auto made = WarmUp::parse(text);
        CPPUNIT_ASSERT_MESSAGE(text, made.has_value());
        return variables(
            made->environmentFor(options.baseUri, options.variables ? options.variables() : Options::Variables()));
    }

public:
    void testAPathIsARequestForLocalhost() {
        Variables all = request("/posts/1%202?page=1&of=2");
        CPPUNIT_ASSERT_EQUAL(std::string("GET"), all["REQUEST_METHOD"]);
        CPPUNIT_ASSERT_EQUAL(std::string(), all["SCRIPT_NAME"]);
        CPPUNIT_ASSERT_EQUAL(std::string("/posts/1%202"), all["PATH_INFO"]);
        CPPUNIT_ASSERT_EQUAL(std::string("page=1&of=2"), all["QUERY_STRING"]);
        CPPUNIT_ASSERT_EQUAL(std::string("/posts/1%202?page=1&of=2"), all["REQUEST_URI"]);
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1"), all["SERVER_PROTOCOL"]);
        CPPUNIT_ASSERT_EQUAL(std::string("localhost"), all["HTTP_HOST"]);
        CPPUNIT_ASSERT_EQUAL(std::string("localhost"), all["SERVER_NAME"]);
        CPPUNIT_ASSERT_EQUAL(std::string("80"), all["SERVER_PORT"]);
        CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), all["REMOTE_ADDR"]);
        CPPUNIT_ASSERT_EQUAL(std::string("mod_passenger PassengerWarmUp"), all["HTTP_USER_AGENT"]);
        CPPUNIT_ASSERT(!all.contains("HTTPS"));
    }

    void testAUrlNamesSchemeAndHost() {
        const std::pair<const char *, std::array<const char *, 5>> cases[] = {
            {"http://blog.test/a", {"blog.test", "blog.test", "80", "http", "/a"}},
            {"http://blog.test:8080/a?b", {"blog.test:8080", "blog.test", "8080", "http", "/a?b"}},
            {"https://blog.test/", {"blog.test", "blog.test", "443", "https", "/"}},
            {"https://[::1]/", {"[::1]", "[::1]", "443", "https", "/"}},
            {"http://[::1]:81/", {"[::1]:81", "[::1]", "81", "http", "/"}},
        };
        for (const auto &[text, expected] : cases) {
            Variables all = request(text);
            const std::array<const char *, 5> names{"HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "REQUEST_SCHEME",
                                                    "REQUEST_URI"};
            for (std::size_t index = 0; index < names.size(); ++index) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string(expected[index]), all[names[index]]);
            }
            CPPUNIT_ASSERT_EQUAL(std::string(expected[3]) == "https" ? std::string("on") : std::string(), all["HTTPS"]);
        }
    }

    void testWhatCouldBeNoRequestLineIsNoRequest() {
        using namespace std::string_literals;
        for (const std::string &text :
             {""s, "posts"s, "/a b"s, "/a\r\nHost: b"s, "/a\0b"s, "/a#b"s, "http://"s, "http://blog.test"s,
              "https:///a"s, "http://a@b/"s, "http://a b/"s, "ftp://a/"s, "HTTP://a/"s}) {
            CPPUNIT_ASSERT_MESSAGE(text, !WarmUp::parse(text));
        }
    }

    void testThePathBelowTheBaseUriIsDividedThere() {
        Options options;
        options.baseUri = "/blog";
        const std::pair<const char *, std::pair<const char *, const char *>> cases[] = {
            {"/blog/a", {"/blog", "/a"}},   {"/blog", {"/blog", "/"}}, {"/blog?a=b", {"/blog", "/"}},
            {"/blogs/a", {"", "/blogs/a"}}, {"/a", {"", "/a"}},
        };
        for (const auto &[text, expected] : cases) {
            Variables all = request(text, options);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string(expected.first), all["SCRIPT_NAME"]);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string(expected.second), all["PATH_INFO"]);
            CPPUNIT_ASSERT_EQUAL(std::string(text), all["REQUEST_URI"]);
        }
    }

    void testVariablesOfTheConfigurationAreInTheRequestButNotInPlaceOfItsOwn() {
        Options options;
        options.variables = [] {
            return Options::Variables{{"DATABASE", "blog"}, {"HTTPS", "off"}, {"PATH_INFO", "/other"}};
        };
        Variables plain = request("/a", options);
        CPPUNIT_ASSERT_EQUAL(std::string("blog"), plain["DATABASE"]);
        CPPUNIT_ASSERT_EQUAL(std::string("/a"), plain["PATH_INFO"]);
        CPPUNIT_ASSERT_EQUAL(std::string("off"), plain["HTTPS"]);
        CPPUNIT_ASSERT_EQUAL(std::string("on"), request("https://blog.test/a", options)["HTTPS"]);
    }

    void testEachLineIsARequest() {
        Options options;
        CPPUNIT_ASSERT(WarmUp::environmentsFor(options).empty());
        options.warmUp = "/a\nnonsense\nhttp://blog.test/b";
        const std::vector<std::string> environments = WarmUp::environmentsFor(options);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, environments.size());
        CPPUNIT_ASSERT_EQUAL(std::string("/a"), variables(environments[0])["REQUEST_URI"]);
        CPPUNIT_ASSERT_EQUAL(std::string("/b"), variables(environments[1])["REQUEST_URI"]);
    }

    void testRequestsBeyondTheLimitAreLeftOut() {
        Options options;
        unsigned asked = 0;
        options.variables = [&asked] {
            asked++;
            return Options::Variables();
        };
        for (int i = 0; i < 100'000; i++) {
            options.warmUp += "/\n";
        }
        CPPUNIT_ASSERT_EQUAL(WarmUp::MOST_REQUESTS, WarmUp::environmentsFor(options).size());
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Once for each instance", 1U, asked);
    }

    void testAHostHasANameAndPerhapsAPort() {
        for (const char *good : {"http://a/", "http://a.b:8080/", "http://[::1]/", "https://[::1]:8443/"}) {
            CPPUNIT_ASSERT_MESSAGE(good, WarmUp::parse(good).has_value());
        }
        for (const char *bad : {"http://:80/", "http://a:/", "http://a:b/", "http://a:b:80/", "http://[/", "http://[]/",
                                "http://a:123456/"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !WarmUp::parse(bad).has_value());
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WarmUpTest);

}  // namespace Passenger
