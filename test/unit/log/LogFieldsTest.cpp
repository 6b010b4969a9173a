#include "log/LogFields.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class LogFieldsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogFieldsTest);
    CPPUNIT_TEST(testAValueBetweenQuotesIsEscaped);
    CPPUNIT_TEST(testAValueWithoutQuotesIsNotChanged);
    CPPUNIT_TEST(testParsingReversesComposing);
    CPPUNIT_TEST(testAValueCannotAddAField);
    CPPUNIT_TEST(testTextThatIsNoFieldIsTheRest);
    CPPUNIT_TEST(testALineOfAReportHasOnlyItsNumber);
    CPPUNIT_TEST(testAnotherLineHasNoFields);
    CPPUNIT_TEST(testAnOpenQuoteLosesNothing);
    CPPUNIT_TEST_SUITE_END();

    template <typename... Args> static std::string compose(fmt::format_string<Args...> format, Args &&...args) {
        return LogFields::compose(LogFields::textOf(format), fmt::make_format_args(args...));
    }

    static std::string value(const LogFields &fields, const std::string &key) {
        const LogFields::Field *const field = fields.find(key);
        return field != nullptr ? field->value : "none";
    }

public:
    void testAValueBetweenQuotesIsEscaped() {
        CPPUNIT_ASSERT_EQUAL(std::string(R"(event=a.b error="open(\"C:\\x\"): no {}" ms=007)"),
                             compose("event=a.b error=\"{}: no {{}}\" ms={:03}", R"(open("C:\x"))", 7));
    }

    void testAValueWithoutQuotesIsNotChanged() {
        CPPUNIT_ASSERT_EQUAL(std::string("event=a.b user=\"x\""), compose("event={} {}", "a.b", "user=\"x\""));
    }

    void testParsingReversesComposing() {
        for (const std::string text : {"", "plain", "\"", "\\", "\\\"", "a\\n\nb", "\" app=\"/srv/other", "x\\", "ä"}) {
            const auto line = compose("event=a.b error=\"{}\" app=\"/srv/a\" ms={}", text, 12);
            const LogFields fields = LogFields::parse(line);
            CPPUNIT_ASSERT_EQUAL(text, value(fields, "error"));
            CPPUNIT_ASSERT_EQUAL(std::string("/srv/a"), value(fields, "app"));
            CPPUNIT_ASSERT_EQUAL(std::string("12"), value(fields, "ms"));
            CPPUNIT_ASSERT_EQUAL(std::string(), fields.rest);
        }
    }

    void testAValueCannotAddAField() {
        const auto line = compose("event=a.b error=\"{}\"", "x\" app=\"/srv/other\" y=\"");
        CPPUNIT_ASSERT_EQUAL(std::string("none"), value(LogFields::parse(line), "app"));
    }

    void testTextThatIsNoFieldIsTheRest() {
        const LogFields fields = LogFields::parse("event=a.b how=\"x\"; the old workers continue pid=5");
        CPPUNIT_ASSERT_EQUAL(std::string("x"), value(fields, "how"));
        CPPUNIT_ASSERT_EQUAL(std::string("5"), value(fields, "pid"));
        CPPUNIT_ASSERT_EQUAL(std::string("; the old workers continue"), fields.rest);
    }

    void testALineOfAReportHasOnlyItsNumber() {
        const LogFields fields = LogFields::parse("report=12   app=\"/srv/other\" event=x.y");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), fields.fields.size());
        CPPUNIT_ASSERT_EQUAL(std::string("12"), value(fields, "report"));
        CPPUNIT_ASSERT_EQUAL(std::string("  app=\"/srv/other\" event=x.y"), fields.rest);
    }

    void testAnotherLineHasNoFields() {
        const LogFields fields = LogFields::parse("pid=5 event=x.y");
        CPPUNIT_ASSERT(fields.fields.empty());
        CPPUNIT_ASSERT_EQUAL(std::string("pid=5 event=x.y"), fields.rest);
    }

    void testAnOpenQuoteLosesNothing() {
        const LogFields fields = LogFields::parse("event=a.b app=\"/srv/a b");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), fields.fields.size());
        CPPUNIT_ASSERT_EQUAL(std::string("app=\"/srv/a b"), fields.rest);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogFieldsTest);

}  // namespace Passenger
