#include "apache2/response/ErrorPage.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

namespace Passenger {

using ErrorPage::Cause;
using ErrorPage::Format;

class ErrorPageTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ErrorPageTest);
    CPPUNIT_TEST(testBrowsersGetHtml);
    CPPUNIT_TEST(testAClientThatAsksForJsonGetsJson);
    CPPUNIT_TEST(testOtherClientsGetPlainText);
    CPPUNIT_TEST(testAPageWithoutAReportHasItsIdOnly);
    CPPUNIT_TEST(testAPageWithAReportHasAllParts);
    CPPUNIT_TEST(testMarkupOfAnApplicationIsEscapedEverywhere);
    CPPUNIT_TEST(testAPageRefersToNoOtherFile);
    CPPUNIT_TEST(testAPageSuitsSmallScreens);
    CPPUNIT_TEST(testControlCharactersForTerminalsAreRemoved);
    CPPUNIT_TEST(testJsonHoldsAllParts);
    CPPUNIT_TEST(testJsonIsValidWhateverBytesAnApplicationWrote);
    CPPUNIT_TEST_SUITE_END();

    static Report report(const std::string &text) {
        Report report;
        report.summary = "summary " + text;
        report.add("prose " + text, Report::Form::PROSE, text);
        report.add("lines " + text, Report::Form::LINES, text);
        report.addTable("table " + text, {{text, "second cell"}});
        return report;
    }

    static bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

public:
    void testBrowsersGetHtml() {
        CPPUNIT_ASSERT(Format::HTML ==
                       ErrorPage::formatFor("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        CPPUNIT_ASSERT(Format::HTML == ErrorPage::formatFor("application/json;q=0.5, text/html ;q=0.6"));
    }

    void testAClientThatAsksForJsonGetsJson() {
        CPPUNIT_ASSERT(Format::JSON == ErrorPage::formatFor("application/json, text/plain, */*"));
        CPPUNIT_ASSERT(Format::JSON == ErrorPage::formatFor("application/vnd.api+json"));
        CPPUNIT_ASSERT(Format::JSON == ErrorPage::formatFor("text/html;q=0.5,application/json"));
    }

    void testOtherClientsGetPlainText() {
        for (const char *accept : {"", "*/*", "text/plain", "image/webp,*/*;q=0.8", "text/html;q=0", ",;,",
                                   ";q=", "text/plain, application/json;q=0.1"}) {
            CPPUNIT_ASSERT_MESSAGE(accept, Format::TEXT == ErrorPage::formatFor(accept));
        }
    }

    void testAPageWithoutAReportHasItsIdOnly() {
        for (const Format format : {Format::HTML, Format::JSON, Format::TEXT}) {
            const std::string page = ErrorPage::render(format, Cause::NOT_STARTED, 500, "00c0ffee", nullptr);
            CPPUNIT_ASSERT(has(page, "This application could not be started"));
            CPPUNIT_ASSERT(has(page, "00c0ffee"));
        }
        CPPUNIT_ASSERT(has(ErrorPage::render(Format::TEXT, Cause::BUSY, 503, "", nullptr), "This application is busy"));
    }

    void testAPageWithAReportHasAllParts() {
        const Report all = report("word");
        for (const Format format : {Format::HTML, Format::JSON, Format::TEXT}) {
            const std::string page = ErrorPage::render(format, Cause::NOT_STARTED, 500, "00c0ffee", &all);
            for (const char *part :
                 {"00c0ffee", "summary word", "prose word", "lines word", "table word", "second cell"}) {
                CPPUNIT_ASSERT_MESSAGE(part, has(page, part));
            }
        }
    }

    void testMarkupOfAnApplicationIsEscapedEverywhere() {
        const Report hostile = report("<script>alert('1')</script><img src=x onerror=\"alert(1)\">&lt;");
        const std::string page = ErrorPage::render(Format::HTML, Cause::NOT_STARTED, 500, "<script>", &hostile);
        CPPUNIT_ASSERT(!has(page, "<script"));
        CPPUNIT_ASSERT(!has(page, "<img"));
        CPPUNIT_ASSERT(has(page, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"));
        CPPUNIT_ASSERT(has(page, "&amp;lt;"));
    }

    void testAPageRefersToNoOtherFile() {
        const Report all = report("word");
        const std::string page = ErrorPage::render(Format::HTML, Cause::NOT_STARTED, 500, "00c0ffee", &all);
        for (const char *reference : {"src=", "href=", "url(", "@import", "http:", "https:"}) {
            CPPUNIT_ASSERT_MESSAGE(reference, !has(page, reference));
        }
    }

    /** A person has to check the look in a browser. */
    void testAPageSuitsSmallScreens() {
        const Report all = report("word");
        const std::string page = ErrorPage::render(Format::HTML, Cause::NOT_STARTED, 500, "00c0ffee", &all);
        for (const char *part : {"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
                                 "white-space: pre-wrap; overflow-wrap: anywhere", "@media (max-width: 40rem)"}) {
            CPPUNIT_ASSERT_MESSAGE(part, has(page, part));
        }
    }

    void testControlCharactersForTerminalsAreRemoved() {
        const Report hostile =
            report(std::string("\x1b]0;owned\x07 \xc2\x9b"
                               "31m \0 \x7f tab\there",
                               28));
        for (const Format format : {Format::HTML, Format::TEXT}) {
            const std::string page = ErrorPage::render(format, Cause::NOT_STARTED, 500, "", &hostile);
            CPPUNIT_ASSERT(page.find_first_of(std::string("\x1b\x07\x7f\0", 4)) == std::string::npos);
            CPPUNIT_ASSERT(!has(page, "\xc2\x9b"));
            CPPUNIT_ASSERT(has(page, "\\x1b]0;owned"));
        }
    }

    void testJsonHoldsAllParts() {
        const Report all = report("word");
        const auto page =
            nlohmann::json::parse(ErrorPage::render(Format::JSON, Cause::NOT_STARTED, 500, "00c0ffee", &all));
        CPPUNIT_ASSERT_EQUAL(500, page["status"].get<int>());
        CPPUNIT_ASSERT_EQUAL(std::string("00c0ffee"), page["report"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("word"), page["parts"][1]["text"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("second cell"), page["parts"][2]["rows"][0][1].get<std::string>());
    }

    void testJsonIsValidWhateverBytesAnApplicationWrote() {
        const Report hostile = report("\"quoted\" \xff\xfe \x01 \xc3");
        const auto page = nlohmann::json::parse(ErrorPage::render(Format::JSON, Cause::NOT_STARTED, 500, "", &hostile));
        CPPUNIT_ASSERT(has(page["summary"].get<std::string>(), "\"quoted\""));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ErrorPageTest);

}  // namespace Passenger
