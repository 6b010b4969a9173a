#include "log/LogFormat.h"

#include <cppunit/extensions/HelperMacros.h>
#include <syslog.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "log/JournalMessage.h"
#include "log/SyslogMessage.h"

namespace Passenger {

/** The forms of a record. */
class LogFormatTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogFormatTest);
    CPPUNIT_TEST(testARecordSurvivesTheQueue);
    CPPUNIT_TEST(testAJsonLineHasTheFieldsOfTheEvent);
    CPPUNIT_TEST(testATimeHasItsOffsetToUtc);
    CPPUNIT_TEST(testJsonKeepsControlCharactersAndReplacesInvalidUtf8);
    CPPUNIT_TEST(testOutputOfAnApplicationIsOneMessage);
    CPPUNIT_TEST(testALineOfAFileNamesIt);
    CPPUNIT_TEST(testALineOfAReportHasItsNumber);
    CPPUNIT_TEST(testAFieldDoesNotHideAnother);
    CPPUNIT_TEST(testOnlyWholeNumbersAreNumbers);
    CPPUNIT_TEST(testASyslogMessageHasPriorityTimeAndPid);
    CPPUNIT_TEST(testAJournalMessageHasTheFieldsOfTheEvent);
    CPPUNIT_TEST(testAJournalMessageCanHaveLineBreaks);
    CPPUNIT_TEST(testTheMessageIdOfAnEventIsKnown);
    CPPUNIT_TEST_SUITE_END();

    using Json = nlohmann::json;

    static LogRecord record(const std::string &text, LogRecord::Source source = LogRecord::Source::AGENT) {
        LogRecord result;
        result.source = source;
        result.level = LogLevel::WARN;
        result.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'795'000'000'007));
        result.pid = 4711;
        result.text = text;
        return result;
    }

    static Json json(const LogRecord &record) {
        const std::string line = formatLine(record, LogFormat::JSON);
        CPPUNIT_ASSERT_EQUAL(line.size() - 1, line.find('\n'));
        return Json::parse(line);
    }

public:
    void testARecordSurvivesTheQueue() {
        LogRecord first = record(std::string("a\nb\0c", 5), LogRecord::Source::COPY);
        first.file = "/x y";
        first.prefix = false;
        LogRecord second = record("", LogRecord::Source::OUTPUT);
        second.appPid = 12;
        const std::string packed = first.pack() + second.pack();
        std::string_view left = packed;
        for (const LogRecord &one : {first, second}) {
            const LogRecord copy = LogRecord::unpack(left);
            CPPUNIT_ASSERT(copy.source == one.source && copy.level == one.level && copy.time == one.time);
            CPPUNIT_ASSERT(copy.pid == one.pid && copy.appPid == one.appPid && copy.prefix == one.prefix);
            CPPUNIT_ASSERT_EQUAL(one.file, copy.file);
            CPPUNIT_ASSERT_EQUAL(one.text, copy.text);
        }
        CPPUNIT_ASSERT(left.empty());
    }

    void testAJsonLineHasTheFieldsOfTheEvent() {
        const std::string event = R"-(event=instance.exited app="/srv/a (production)" pid=12 how="a \"b\"")-";
        const std::string json = R"-({"time":"2026-11-18T11:06:40.007+00:00","level":"warn","agent_pid":4711,)-"
                                 R"-("event":"instance.exited","app":"/srv/a (production)","pid":12,)-"
                                 R"-("how":"a \"b\""})-";
        CPPUNIT_ASSERT_EQUAL(json + "\n", formatLine(record(event), LogFormat::JSON));
    }

    void testATimeHasItsOffsetToUtc() {
        struct Zone {
            explicit Zone(const char *name) {
                ::setenv("TZ", name, 1);
                ::tzset();
            }
            ~Zone() {
                ::unsetenv("TZ");
                ::tzset();
            }
        };
        {
            // POSIX counts to the west.
            const Zone newfoundland("NST3:30");
            CPPUNIT_ASSERT_EQUAL(std::string("2026-11-18T07:36:40.007-03:30"),
                                 json(record("x"))["time"].get<std::string>());
        }
        const Zone india("IST-5:30");
        CPPUNIT_ASSERT_EQUAL(std::string("[2026-11-18 16:36:40.007 +05:30] [passenger:warn] [pid 4711] x\n"),
                             formatLine(record("x"), LogFormat::TEXT));
    }

    void testJsonKeepsControlCharactersAndReplacesInvalidUtf8() {
        const Json line = json(record("event=a.b error=\"x\n\x1b\x7f \xff\xc3\xa4\""));
        CPPUNIT_ASSERT_EQUAL(std::string("x\n\x1b\x7f \xef\xbf\xbd\xc3\xa4"), line["error"].get<std::string>());
    }

    void testOutputOfAnApplicationIsOneMessage() {
        LogRecord output = record("event=x.y app=\"/srv/other\"", LogRecord::Source::OUTPUT);
        output.appPid = 12;
        Json line = json(output);
        line.erase("time");
        CPPUNIT_ASSERT_EQUAL(Json::parse(R"({"level": "output", "agent_pid": 4711, "event": "app.output",
                                             "app_pid": 12, "message": "event=x.y app=\"/srv/other\""})"),
                             line);
    }

    void testALineOfAFileNamesIt() {
        LogRecord copy = record("hello", LogRecord::Source::COPY);
        copy.file = "/srv/a/log";
        const Json line = json(copy);
        CPPUNIT_ASSERT_EQUAL(std::string("app.log"), line["event"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/a/log"), line["file"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), line["message"].get<std::string>());
    }

    void testALineOfAReportHasItsNumber() {
        const Json line = json(record("report=7 Remedy: app=\"x\""));
        CPPUNIT_ASSERT_EQUAL(std::string("report.line"), line["event"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("7"), line["report"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("Remedy: app=\"x\""), line["message"].get<std::string>());
    }

    void testAFieldDoesNotHideAnother() {
        const Json line = json(record("event=a.b level=3 message=x agent_pid=5 app=\"1\" app=\"2\" rest"));
        CPPUNIT_ASSERT_EQUAL(std::string("warn"), line["level"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(3, line["level_"].get<int>());
        CPPUNIT_ASSERT_EQUAL(std::string("x"), line["message_"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(5, line["agent_pid_"].get<int>());
        CPPUNIT_ASSERT_EQUAL(std::string("1"), line["app"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("2"), line["app_"].get<std::string>());
        CPPUNIT_ASSERT_EQUAL(std::string("rest"), line["message"].get<std::string>());
    }

    void testOnlyWholeNumbersAreNumbers() {
        const Json line = json(record("event=a.b a=-5 b=007 c=\"5\" d=5x e=99999999999999999999 f= g=+5"));
        CPPUNIT_ASSERT(line["a"] == -5);
        for (const auto &[key, value] :
             {std::pair{"b", "007"}, {"c", "5"}, {"d", "5x"}, {"e", "99999999999999999999"}, {"f", ""}, {"g", "+5"}}) {
            CPPUNIT_ASSERT_EQUAL(std::string(value), line[key].get<std::string>());
        }
    }

    void testASyslogMessageHasPriorityTimeAndPid() {
        CPPUNIT_ASSERT_EQUAL(std::string("<188>Nov 18 11:06:40 mod_passenger[4711]: event=a.b"),
                             syslogMessage(record("event=a.b"), LogFormat::TEXT, LOG_LOCAL7));
        LogRecord output = record("hello", LogRecord::Source::OUTPUT);
        output.appPid = 12;
        CPPUNIT_ASSERT_EQUAL(std::string("<30>Nov 18 11:06:40 mod_passenger[4711]: App 12 output: hello"),
                             syslogMessage(output, LogFormat::TEXT, LOG_DAEMON));
        CPPUNIT_ASSERT(syslogMessage(output, LogFormat::JSON, LOG_DAEMON).ends_with("\"message\":\"hello\"}"));
    }

    void testAJournalMessageHasTheFieldsOfTheEvent() {
        CPPUNIT_ASSERT_EQUAL(std::string("MESSAGE=event=a.b app=\"/srv/a\" pid=12 priority=9\n"
                                         "PRIORITY=4\n"
                                         "SYSLOG_IDENTIFIER=mod_passenger\n"
                                         "MESSAGE_ID=" +
                                         journalMessageId("a.b") +
                                         "\n"
                                         "EVENT=a.b\n"
                                         "APP=/srv/a\n"
                                         "PID=12\n"
                                         "PRIORITY_=9\n"),
                             journalMessage(record("event=a.b app=\"/srv/a\" pid=12 priority=9")));
    }

    void testAJournalMessageCanHaveLineBreaks() {
        CPPUNIT_ASSERT(journalMessage(record("event=a.b error=\"x\ny\""))
                           .ends_with("EVENT=a.b\nERROR\n" + std::string("\3\0\0\0\0\0\0\0x\ny\n", 12)));
    }

    void testTheMessageIdOfAnEventIsKnown() {
        // uuidgen --sha1 --namespace 5f0d3e8a-6f0c-4d0e-9c57-2b1f4f3a8e61 --name spawn.failed
        CPPUNIT_ASSERT_EQUAL(std::string("3f5f29e566f2534ebd5bb606ae800970"), journalMessageId("spawn.failed"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogFormatTest);

}  // namespace Passenger
