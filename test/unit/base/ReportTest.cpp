#include "base/Report.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

#include "base/Exceptions.h"
#include "io/ReportFrame.h"
#include "pool/RecentReports.h"
#include "support/Expect.h"

namespace Passenger {

class ReportTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ReportTest);
    CPPUNIT_TEST(testTheTextHasAllParts);
    CPPUNIT_TEST(testEmptyPartsAreLeftOut);
    CPPUNIT_TEST(testCellsStayInTheirRow);
    CPPUNIT_TEST(testALongPartIsCutAtTheLessImportantEnd);
    CPPUNIT_TEST(testTheSizeOfTheReportIsLimited);
    CPPUNIT_TEST(testAReportSurvivesItsFrame);
    CPPUNIT_TEST(testAFrameWithoutAReportIsRefused);
    CPPUNIT_TEST(testRecentReportsAreFoundByTheirId);
    CPPUNIT_TEST(testTheNumberOfRecentReportsIsLimited);
    CPPUNIT_TEST(testTheMemoryOfRecentReportsIsLimited);
    CPPUNIT_TEST_SUITE_END();

    static Report sample() {
        Report report;
        report.id = "00c0ffee";
        report.summary = "it does not start";
        report.add("Cause", Report::Form::PROSE, "A moth.");
        report.add("Output", Report::Form::LINES, "one\ntwo\n");
        report.addTable("Steps", {{"first", "done"}, {"the second", "failed"}});
        return report;
    }

    static std::shared_ptr<const Report> named(unsigned number, std::size_t size = 0) {
        auto report = std::make_shared<Report>();
        report->id = std::to_string(number);
        for (std::size_t left = size; left > 0; left -= std::min(left, Report::MAX_PART)) {
            report->add("", Report::Form::LINES, std::string(std::min(left, Report::MAX_PART), 'x'));
        }
        return report;
    }

public:
    void testTheTextHasAllParts() {
        CPPUNIT_ASSERT_EQUAL(std::string("it does not start\n\nCause: A moth.\n\nOutput:\none\ntwo\n\n"
                                         "Steps:\n    first      done\n    the second failed\n"),
                             sample().text());
    }

    void testEmptyPartsAreLeftOut() {
        Report report;
        report.add("Nothing", Report::Form::LINES, "");
        report.addTable("Nothing", {});
        CPPUNIT_ASSERT(report.parts.empty());
    }

    void testCellsStayInTheirRow() {
        Report report;
        report.addTable("", {{"a\tb", "c\nd", "\x1b["}});
        CPPUNIT_ASSERT_EQUAL(std::string("a\\tb\tc\\nd\t\\x1b[\n"), report.parts[0].text);
    }

    void testALongPartIsCutAtTheLessImportantEnd() {
        const std::string text = "beginning" + std::string(Report::MAX_PART, ' ') + "end";
        Report report;
        report.add("", Report::Form::LINES, text);
        report.add("", Report::Form::LINES, text, Report::Keep::END);
        CPPUNIT_ASSERT(report.parts[0].text.starts_with("beginning "));
        CPPUNIT_ASSERT(report.parts[0].text.ends_with("\n[…]"));
        CPPUNIT_ASSERT(report.parts[1].text.starts_with("[…]\n"));
        CPPUNIT_ASSERT(report.parts[1].text.ends_with(" end"));
    }

    void testTheSizeOfTheReportIsLimited() {
        Report report;
        for (int i = 0; i < 100; i++) {
            report.add("part", Report::Form::LINES, std::string(Report::MAX_PART, 'x'));
        }
        CPPUNIT_ASSERT(report.size() < Report::MAX_SIZE + 100);
    }

    void testAReportSurvivesItsFrame() {
        Frame frame(FrameType::REPORT);
        addReport(frame, sample());
        CPPUNIT_ASSERT(sample() == reportIn(frame, 0));
    }

    void testAFrameWithoutAReportIsRefused() {
        thrownBy<ProtocolException>([] { reportIn(Frame(FrameType::REPORT, {"id"}), 0); });
        thrownBy<ProtocolException>([] { reportIn(Frame(FrameType::REPORT, {"id", "", "title", "song", ""}), 0); });
        thrownBy<ProtocolException>([] { reportIn(Frame(FrameType::REPORT, {"id", "", "title", "lines"}), 0); });
    }

    void testRecentReportsAreFoundByTheirId() {
        RecentReports recent;
        recent.add(named(1));
        recent.add(named(2));
        CPPUNIT_ASSERT_EQUAL(std::string("1"), recent.find("1")->id);
        CPPUNIT_ASSERT(recent.find("3") == nullptr);
    }

    void testTheNumberOfRecentReportsIsLimited() {
        RecentReports recent;
        for (unsigned i = 0; i <= RecentReports::MOST; i++) {
            recent.add(named(i));
        }
        CPPUNIT_ASSERT(recent.find("0") == nullptr);
        CPPUNIT_ASSERT(recent.find("1") != nullptr);
    }

    void testTheMemoryOfRecentReportsIsLimited() {
        RecentReports recent;
        const auto size = Report::MAX_SIZE - 1024;
        const auto fit = static_cast<unsigned>(RecentReports::MAX_BYTES / size);
        for (unsigned i = 0; i <= fit; i++) {
            recent.add(named(i, size));
        }
        CPPUNIT_ASSERT(recent.find("0") == nullptr);
        CPPUNIT_ASSERT(recent.find(std::to_string(fit)) != nullptr);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReportTest);

}  // namespace Passenger
